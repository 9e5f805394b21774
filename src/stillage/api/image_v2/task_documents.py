"""The JSON of tasks: every member of every document, stated once. Source: OpenStack Image API v2, "Task schemas"."""

from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from stillage.api.image_v2.documents import ID, READ_ONLY
from stillage.api.json_schemas import member
from stillage.images.job import JobKind, State
from stillage.images.task import STATES, TYPE_NAMES


class TaskSummary(TypedDict):
    """A task in a list."""

    id: Annotated[str, member("An identifier", **ID)]
    type: Annotated[str, member("What it does", enum=list(TYPE_NAMES))]
    status: Annotated[str, member("How far it is", enum=list(STATES))]
    owner: Annotated[str, member("Project that asked for it")]
    user_id: Annotated[str, member("User that asked for it")]
    image_id: Annotated[str | None, member("Image that it is about")]
    request_id: Annotated[str | None, member("Request that asked for it")]
    created_at: Annotated[str, member("When it was accepted")]
    updated_at: Annotated[str, member("When it last changed")]
    expires_at: Annotated[str | None, member("When it is forgotten; null until it has ended")]
    self: Annotated[str, member("Path of the task", **READ_ONLY)]
    schema: Annotated[str, member("Path of its schema", **READ_ONLY)]


class Task(TaskSummary):
    """What an import is doing, or how it ended."""

    input: Annotated[dict[str, Any] | None, member("What was asked for")]
    result: Annotated[dict[str, Any] | None, member("What it has led to; null unless it succeeded")]
    message: Annotated[str, member("Why it failed")]


class Tasks(TypedDict):
    """A page of tasks, with the path of the first page and, if there may be more, of the next."""

    tasks: list[TaskSummary]
    first: str
    next: NotRequired[str]
    schema: str


class TaskProgress(TypedDict, total=False):
    """How far a task is that has not ended."""

    os_stillage_progress: Annotated[float, member("How much of it is done", minimum=0, maximum=1)]


class ImageTask(Task, TaskProgress):
    """A task of an image."""


class ImageTasks(TypedDict):
    """The tasks of an image."""

    tasks: list[ImageTask]


class NewTask(TypedDict):
    """A task to be created, which is always refused."""

    type: Annotated[str, member(enum=list(TYPE_NAMES))]
    input: dict[str, Any]


class ListedJob(TypedDict):
    """A job of any kind: what it does, how far it is, and how it ended."""

    id: Annotated[str, member("An identifier", **ID)]
    kind: Annotated[str, member("What it does", examples=list(JobKind))]
    state: Annotated[str, member("How far it is", enum=list(State))]
    step: Annotated[str, member("What it is doing, or did last, in a few words")]
    progress: Annotated[float, member("How much of it is done", minimum=0, maximum=1)]
    project_id: Annotated[str, member("Project that asked for it")]
    user_id: Annotated[str, member("User that asked for it")]
    image_id: Annotated[str | None, member("Image that it is about")]
    parent: Annotated[str | None, member("Job that it is a part of")]
    message: Annotated[str | None, member("Why it failed; null unless it did")]
    code: Annotated[str | None, member("Of the error, for programs; null unless it failed")]
    created_at: Annotated[str, member("When it was accepted")]
    updated_at: Annotated[str, member("When it last changed")]
    ended_at: Annotated[str | None, member("When it ended; null until then")]


class ListedJobs(TypedDict):
    """A page of jobs, with the path of the first page and, if there may be more, of the next."""

    jobs: list[ListedJob]
    first: str
    next: NotRequired[str]
