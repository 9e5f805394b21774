"""The query of a list of jobs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from stillage.errors import InvalidInput
from stillage.ids import ImageId, JobId, image_id_of, job_id_of
from stillage.images.job import State
from stillage.images.parameters import DEFAULT_LIMIT, given_once, limit_of

PARAMETERS = ("image_id", "limit", "marker", "state")


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs a list has, the newest first.

    Attributes:
        image_id: Only those of this image; None for all.
        state: Only those in this state; None for all.
        marker: The last job of the page before.
    """

    image_id: ImageId | None = None
    state: State | None = None
    limit: int = DEFAULT_LIMIT
    marker: JobId | None = None


def parse(pairs: Sequence[tuple[str, str]]) -> JobQuery:
    """Return the query in *pairs* of a query string.

    Raises:
        InvalidInput: With a message that says what is allowed.
    """
    given = given_once(pairs, PARAMETERS)
    return JobQuery(
        ImageId(image_id_of(given["image_id"])) if "image_id" in given else None,
        _state(given["state"]) if "state" in given else None,
        limit_of(given.get("limit")),
        job_id_of(given["marker"]) if "marker" in given else None,
    )


def _state(given: str) -> State:
    if given not in set(State):
        raise InvalidInput(f"state must be one of {', '.join(State)}, not {given[:32]!r}")
    return State(given)
