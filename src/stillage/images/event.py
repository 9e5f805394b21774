"""What streams of events tell: a change of an image, an upload or a job. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from stillage.accounts.principal import Principal

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class EventKind(StrEnum):
    IMAGE = "image"
    UPLOAD = "upload"
    JOB = "job"
    RESET = "reset"
    """More happened than is told: read again what is shown."""


class ImageChange(StrEnum):
    CREATED = "created"
    STATUS = "status"
    CHANGED = "changed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One event.

    Attributes:
        document: What is told, as JSON.
        is_shown_to: Says whether a principal may know of it.
    """

    kind: EventKind
    document: Mapping[str, Any]
    is_shown_to: Callable[[Principal], bool]


RESET = Event(EventKind.RESET, {}, lambda _: True)


def change_of(*, is_new: bool, before: str | None, now: str) -> ImageChange:
    """Return what happened to an image that exists. *before*: its status then; None if it is not known."""
    if is_new:
        return ImageChange.CREATED
    return ImageChange.STATUS if before is not None and before != now else ImageChange.CHANGED


def position_of(moment: datetime) -> str:
    """Return the id of the last event before *moment*: any process of the deployment goes on from there."""
    return str((moment - EPOCH) // MICROSECOND)


def moment_of(position: str) -> datetime | None:
    """Return the moment of an id; None if it is not one of ours."""
    if not (position.isascii() and position.isdigit() and len(position) < 18):
        return None
    return EPOCH + int(position) * MICROSECOND
