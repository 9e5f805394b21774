"""Jobs as Glance shows them: as tasks, of which it knows three types. The query of a list. Pure.

Source: OpenStack Image API v2, "Tasks".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stillage.errors import InvalidInput
from stillage.ids import JobId, image_id_of
from stillage.images.job import JobKind, State
from stillage.images.parameters import DEFAULT_LIMIT, given_once, limit_of

IMPORT = "api_image_import"
TYPES: Mapping[str, str] = {
    JobKind.IMPORT_STAGED: IMPORT,
    JobKind.IMPORT_URL: IMPORT,
    JobKind.IMPORT_STORE: IMPORT,
    JobKind.IMPORT_REMOTE: IMPORT,
    JobKind.IMPORT_OBJECT: IMPORT,
    JobKind.LOCATION_IMPORT: "location_import",
}
"""The types of tasks, by kinds of jobs. Other jobs are no tasks."""
TYPE_NAMES = ("import", IMPORT, "location_import")
STATUSES: Mapping[State, str] = {
    State.ACCEPTED: "pending",
    State.RUNNING: "processing",
    State.DONE: "success",
    State.FAILED: "failure",
}
STATES: Mapping[str, State] = {status: state for state, status in STATUSES.items()}
SORT_KEYS = ("created_at", "expires_at", "status", "type", "updated_at")
PARAMETERS = ("limit", "marker", "sort_key", "sort_dir", "status", "type")


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """Which tasks a list has, and in which order.

    Attributes:
        kinds: Of jobs. The type ``import``, the only one that a list can be filtered by, has none here.
        state: None for all.
        marker: The last task of the page before.
    """

    kinds: tuple[str, ...] = tuple(TYPES)
    state: State | None = None
    limit: int = DEFAULT_LIMIT
    marker: JobId | None = None
    sort_key: str = "created_at"
    descends: bool = True


def parse(pairs: Sequence[tuple[str, str]]) -> TaskQuery:
    """Return the query in *pairs* of a query string.

    Raises:
        InvalidInput: With a message that says what is allowed.
    """
    given = given_once(pairs, PARAMETERS)
    if "type" in given:
        _one_of("type", given["type"], ("import",))
    state = STATES[_one_of("status", given["status"], STATES)] if "status" in given else None
    return TaskQuery(
        kinds=() if "type" in given else tuple(TYPES),
        state=state,
        limit=limit_of(given.get("limit")),
        marker=task_id_of(given["marker"]) if "marker" in given else None,
        sort_key=_one_of("sort_key", given.get("sort_key", "created_at"), SORT_KEYS),
        descends=_one_of("sort_dir", given.get("sort_dir", "desc"), ("asc", "desc")) == "desc",
    )


def task_id_of(text: str) -> JobId:
    """Return the id of a job that *text* is, in any case of letters."""
    return JobId(image_id_of(text))


def _one_of(what: str, value: str, allowed: Sequence[str] | Mapping[str, object]) -> str:
    if value not in allowed:
        raise InvalidInput(f"{what} must be one of {', '.join(allowed)}, not {value[:32]!r}")
    return value
