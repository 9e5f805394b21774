"""The JSON of families and of what follows a deletion, every member of every document stated once."""

from collections.abc import Mapping
from typing import Annotated, NotRequired

from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from stillage.api.json_schemas import member

SHORT = {"maxLength": 255}


class Retirement(TypedDict):
    """What replaces an image, and from when. The body may be missing."""

    replaced_by: NotRequired[Annotated[str, member("An id, a name, or FAMILY:latest", **SHORT)]]
    at: NotRequired[Annotated[str, member("A date such as 2027-06-30 or 2027-06-30T12:00:00Z; now if missing")]]


class TrashedImage(TypedDict):
    """A deleted image that can be restored, as it was."""

    id: str
    name: str | None
    owner: str | None
    size: Annotated[int | None, member("Bytes; they count against the project until the image is purged")]
    disk_format: str | None
    container_format: str | None
    visibility: str
    tags: list[str]
    properties: Mapping[str, str]
    created_at: str
    deleted_at: str
    purge_at: Annotated[str, member("From when on it cannot be restored")]


class Trash(TypedDict):
    """Deleted images of a project, the latest deletion first."""

    trash: list[TrashedImage]
    next: NotRequired[str]


class NewRetention(TypedDict, total=False):
    """Which images of a family are kept: those that meet one of the two. At least one is needed."""

    keep_newest: Annotated[int | None, member("How many of the newest images to keep", minimum=1)]
    keep_days: Annotated[int | None, member("Keep images created within this many days", minimum=1)]


class RetentionRule(TypedDict):
    """The rule of a family; null means that this limit keeps nothing."""

    family: str
    keep_newest: int | None
    keep_days: int | None


class RetentionRules(TypedDict):
    """The rules of a project."""

    retention: list[RetentionRule]
    next: NotRequired[str]


class OldImage(TypedDict):
    """An image that a rule does not keep."""

    id: str
    name: str | None
    created_at: str


class Retention(RetentionRule):
    """The rule of a family, and what it would delete now, the newest first."""

    removes: list[OldImage]
