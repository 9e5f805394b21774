"""The statuses of an image and their transitions."""

from collections.abc import Mapping
from enum import StrEnum


class Status(StrEnum):
    QUEUED = "queued"
    SAVING = "saving"
    UPLOADING = "uploading"
    IMPORTING = "importing"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    DELETED = "deleted"


WITH_DATA = frozenset({Status.ACTIVE, Status.DEACTIVATED})

# A saving image returns to queued when its upload fails, so that the file can be sent again; so does one whose bytes
# are staged (uploading) or imported. Nothing leads from active back: bytes that were published never change.
NEXT: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.SAVING, Status.UPLOADING, Status.IMPORTING, Status.DELETED}),
    Status.SAVING: frozenset({Status.ACTIVE, Status.QUEUED, Status.DELETED}),
    Status.UPLOADING: frozenset({Status.IMPORTING, Status.QUEUED, Status.DELETED}),
    Status.IMPORTING: frozenset({Status.ACTIVE, Status.QUEUED, Status.DELETED}),
    Status.ACTIVE: frozenset({Status.DEACTIVATED, Status.DELETED}),
    Status.DEACTIVATED: frozenset({Status.ACTIVE, Status.DELETED}),
    Status.DELETED: frozenset(),
}


def require_move(before: Status, after: Status) -> None:
    """Raise ValueError unless `NEXT` allows an image to change from *before* to *after*."""
    if after not in NEXT[before]:
        raise ValueError(f"an image does not change from {before} to {after}")


def statuses_before(after: Status) -> frozenset[Status]:
    """Return the statuses that *after* may follow."""
    return frozenset(status for status in NEXT if after in NEXT[status])
