"""Jobs: work that outlives the request that asked for it, such as an import. Their states and their transitions. Pure.

A job is a row of the database. A process that works on it holds a lease; if it dies, another continues.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from stillage.ids import ImageId, JobId, ProjectId, UserId
from stillage.images.upload import Grant


class State(StrEnum):
    ACCEPTED = "accepted"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


ENDED = frozenset({State.DONE, State.FAILED})

# A job that waits to be tried again, or whose process has died, stays `running`: clients never see it go back.
NEXT: Mapping[State, frozenset[State]] = {
    State.ACCEPTED: frozenset({State.RUNNING, State.FAILED}),
    State.RUNNING: frozenset({State.DONE, State.FAILED}),
    State.DONE: frozenset(),
    State.FAILED: frozenset(),
}


class JobKind(StrEnum):
    """What a job does. Its name in the database, in metrics and in `stillage job list`."""

    IMPORT_STAGED = "import.staged"
    IMPORT_URL = "import.url"
    IMPORT_STORE = "import.store"
    IMPORT_REMOTE = "import.remote"
    LOCATION_IMPORT = "location.import"
    IMPORT_OBJECT = "import.object"
    CREATE_OBJECT = "create.object"
    CREATE_OBJECT_DATA = "create.object.data"
    CREATE_OBJECTS = "create.objects"
    EXPORT_OBJECT = "export.object"
    COPY = "copy"
    CONVERT = "convert"
    MEMBERS_ADD = "members.add"
    MEMBERS_ANSWER = "members.answer"
    MEMBERS_REMOVE = "members.remove"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job ended without success.

    Attributes:
        kind: The code of the error, for programs.
        message: One sentence, for people.
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be accepted.

    Attributes:
        id: A new UUID with hyphens.
        kind: A `JobKind`. Tests have kinds of their own.
        image_id: If it is about one image. Deleting that image ends the job.
        parent: The job that it is a part of.
        input: What was asked for, as JSON. Its owner can read it: no secrets.
        sealed: What only the worker may read, encrypted by who makes the job. It is forgotten when the job ends.
        rights: What the job needs to continue, if somebody's rights are looked up again while it runs.
        key: Of all jobs with the same key only the first is accepted.
    """

    id: JobId
    kind: str
    project_id: ProjectId
    user_id: UserId
    image_id: ImageId | None = None
    parent: JobId | None = None
    input: Mapping[str, Any] = field(default_factory=dict)
    sealed: str | None = field(default=None, repr=False)
    rights: Grant | None = None
    request_id: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as last read.

    Attributes:
        step: What it is doing, or did last, in a few words.
        progress: From 0 to 1.
        result: What it has led to, as JSON; None until it is done.
        failure: None unless it has failed.
        attempts: How many ended with a passing problem.
        losses: How many processes that ran it have died since it last finished a step.
        updated_at: When any of this last changed.
    """

    id: JobId
    kind: str
    project_id: ProjectId
    user_id: UserId
    image_id: ImageId | None
    parent: JobId | None
    state: State
    step: str
    progress: float
    input: Mapping[str, Any]
    sealed: str | None = field(repr=False)
    rights: Grant | None
    result: Mapping[str, Any] | None
    failure: Failure | None
    attempts: int
    losses: int
    request_id: str | None
    created_at: datetime
    updated_at: datetime
    begun_at: datetime | None
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


def require_move(before: State, after: State) -> None:
    """Raise ValueError unless `NEXT` allows a job to change from *before* to *after*."""
    if after not in NEXT[before]:
        raise ValueError(f"a job does not change from {before} to {after}")


def states_before(after: State) -> frozenset[State]:
    """Return the states that *after* may follow."""
    return frozenset(state for state in NEXT if after in NEXT[state])
