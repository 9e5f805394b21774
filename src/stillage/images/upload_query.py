"""The query of a list of open uploads. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from stillage.errors import InvalidInput
from stillage.ids import UploadId
from stillage.images.parameters import DEFAULT_LIMIT, given_once, limit_of

MAX_LIMIT = 100
PARAMETERS = ("limit", "marker", "status")


class UploadStatus(StrEnum):
    """What an open upload waits for."""

    RECEIVING = "receiving"
    """Bytes are missing."""
    VERIFYING = "verifying"
    """Every byte was received; the verdict is not there yet."""
    STAGED = "staged"
    """Every byte was received, and waits for an import."""


@dataclass(frozen=True, slots=True)
class UploadQuery:
    """Which open uploads a list has, the newest first.

    Attributes:
        status: None for all.
        marker: The last upload of the page before.
    """

    status: UploadStatus | None = None
    limit: int = DEFAULT_LIMIT
    marker: UploadId | None = None


def parse(pairs: Sequence[tuple[str, str]]) -> UploadQuery:
    """Return the query in *pairs* of a query string.

    Raises:
        InvalidInput: With a message that says what is allowed.
    """
    given = given_once(pairs, PARAMETERS)
    marker = given.get("marker")
    return UploadQuery(
        _status(given.get("status")),
        limit_of(given.get("limit"), most=MAX_LIMIT),
        None if marker is None else UploadId(marker),
    )


def _status(given: str | None) -> UploadStatus | None:
    if given is None:
        return None
    if given not in set(UploadStatus):
        raise InvalidInput(f"status must be one of {', '.join(UploadStatus)}, not {given[:32]!r}")
    return UploadStatus(given)
