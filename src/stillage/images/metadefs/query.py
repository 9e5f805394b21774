"""Parse the queries of lists of namespaces and of what is in them. Unknown parameters are ignored, as Glance does.

Source: OpenStack Image API v2, "List namespaces" and "List tags".
"""

from collections.abc import Iterable
from dataclasses import dataclass

from stillage.errors import InvalidInput
from stillage.images.metadefs.definitions import NamespaceVisibility
from stillage.images.parameters import DEFAULT_LIMIT, MAX_LIMIT
from stillage.images.values import text

TIMES = ("created_at", "updated_at")
MAX_TYPES = 64
DIRECTIONS = ("asc", "desc")
PARAMETERS = frozenset({"limit", "marker", "sort_key", "sort_dir", "visibility", "resource_types"})


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list to show.

    Attributes:
        sort_key: ``name``, ``created_at`` or ``updated_at``; then by name.
        limit: None for all.
        marker: The name of the last one on the previous page.
    """

    sort_key: str = "created_at"
    descending: bool = True
    limit: int | None = None
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class NamespaceQuery:
    """A page of namespaces.

    Attributes:
        resource_types: Only namespaces that are associated with one of them; all if empty.
    """

    page: Page
    visibility: NamespaceVisibility | None = None
    resource_types: tuple[str, ...] = ()


def namespaces_query(pairs: Iterable[tuple[str, str]]) -> NamespaceQuery:
    """Return the query that *pairs* of a query string make.

    Raises:
        InvalidInput: With a message that says what is allowed.
    """
    given = _single(pairs)
    page = _page(given, "namespace", default_limit=DEFAULT_LIMIT)
    visibility = given.get("visibility", None)
    if visibility is not None and visibility not in set(NamespaceVisibility):
        raise InvalidInput(f"visibility must be one of {', '.join(NamespaceVisibility)}, not {visibility[:64]!r}")
    types = tuple(dict.fromkeys(filter(None, given.get("resource_types", "").split(","))))
    if len(types) > MAX_TYPES:
        raise InvalidInput(f"too many resource types: a query may name {MAX_TYPES}")
    return NamespaceQuery(page, NamespaceVisibility(visibility) if visibility else None, types)


def definitions_query(pairs: Iterable[tuple[str, str]]) -> Page:
    """Return the page of objects or tags that *pairs* ask for: all of them, if they name no limit."""
    return _page(_single(pairs), "name", default_limit=None)


def _single(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in PARAMETERS:
            continue
        if name in given:
            raise InvalidInput(f"{name[:64]!r} is there twice")
        given[name] = text(f"{name[:64]!r}", value, limit=8 << 10)
    return given


def _page(given: dict[str, str], name: str, *, default_limit: int | None) -> Page:
    """*name*: the sort key for names."""
    sort_key, direction = given.get("sort_key", "created_at"), given.get("sort_dir", "desc")
    if sort_key not in (name, *TIMES):
        raise InvalidInput(f"sort_key must be one of {', '.join((name, *TIMES))}, not {sort_key[:64]!r}")
    if direction not in DIRECTIONS:
        raise InvalidInput(f"sort_dir must be asc or desc, not {direction[:64]!r}")
    limit = given.get("limit")
    return Page(
        "name" if sort_key == name else sort_key,
        direction == "desc",
        default_limit if limit is None else _limit(limit),
        given.get("marker"),
    )


def _limit(written: str) -> int:
    if not written.isascii() or not written.isdigit() or len(written) > 18:
        raise InvalidInput(f"limit must be an integer from 0, not {written[:64]!r}")
    return min(int(written), MAX_LIMIT)
