"""Lists of images: a `Query` as SQL, the same on both engines.

A page comes out of one ordered index wherever there is one. Which index leads is decided here and not by the engine's
planner, because SQLite keeps no statistics and PostgreSQL's know nothing of a property's name together with its value:
the smallest of the sets that the query intersects leads, as far as counting a few of their index entries can tell.

* What the principal may list is a handful of *branches*: own images, public ones, those shared with it. Each has
  its index and gives its first rows in order; the page is merged from them. One condition with OR would read
  everybody's images to find a few.
* A property, a tag, a name or a status leads if fewer images have it than the principal may list.

The rule `get_image` is a filter like others, so that a page is full, ends at an image that the principal sees, and is
read in one pass, whatever the rule. Most of it is known of a whole branch: of the default rule nothing is left to ask.

There is no OFFSET: a page begins behind the place in the order that its marker has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    func,
    literal_column,
    select,
    union_all,
)

from stillage.db.images import COLUMNS, image_of
from stillage.db.list_filters import holds, is_entry
from stillage.db.list_order import after, ordered
from stillage.db.list_sources import LISTED, Source, candidates, filtering, scope_of
from stillage.db.rules import Clause, clause_of
from stillage.db.tables import image_properties, image_tags, images, indexed_value
from stillage.errors import InvalidInput
from stillage.ids import ProjectId, UserId
from stillage.images.image import Image
from stillage.images.paging import full_page
from stillage.images.query import Query
from stillage.images.rules import Expression, assume

COUNTED = 2000
"""How many index entries of each set are counted. Larger sets are treated alike."""
CANDIDATES = 8
"""How many filters are counted, the first ones."""

AT_ONCE = 32
"""How many rows are fetched at a time, where PostgreSQL would send all of them."""

KEPT = 64
"""How many plans, and how many statements, are kept: making one costs more than SQLite takes to run it."""

ANYBODY = ProjectId("")
ANY_USER = UserId("")
CHANGED_BY_DELETION = frozenset({"status", "updated_at"})


@dataclass(frozen=True, eq=False)
class Plan:
    """How to read the pages of one kind of query.

    Attributes:
        scope: The branches of what the principal may list.
        filters: Sources that can lead in their place.
        sizes: Counts the entries of *filters*, then of *scope*; None if that would decide nothing.
    """

    scope: tuple[Source, ...]
    filters: tuple[Source, ...] = ()
    sizes: Select[Any] | None = None


def page(connection: Connection, query: Query) -> list[Image]:
    """Return the images of one page, in order.

    Raises:
        InvalidInput: If the marker is no image that the principal may see.
    """
    last = None if query.marker is None else _marker(connection, query)
    if query.limit == 0:
        return []
    kind = replace(query, project=ANYBODY, user=ANY_USER, marker=None)
    values: dict[str, Any] = {"project": query.project, "user": query.user}
    sources = _leading(connection, _plan(kind), values)
    if not sources:
        return []
    behind = None
    if last is not None:
        place = {key.column: getattr(last, key.column) for key in query.order}
        behind = frozenset(name for name, value in place.items() if value is None)
        values |= {f"after_{name}": value for name, value in place.items()}
    # A thousand of the largest records take 128 MiB: rows are fetched a few at a time, until the page is full.
    options = {"stream_results": query.limit > AT_ONCE, "max_row_buffer": AT_ONCE}
    with connection.execute(_statement(kind, sources, behind), values, execution_options=options) as rows:
        return full_page(map(image_of, rows), query.limit)


def _marker(connection: Connection, query: Query) -> Image:
    """The last image of the previous page. It may have been deleted since, unless that changed its place."""
    moved = not CHANGED_BY_DELETION.isdisjoint(key.column for key in query.order)
    values = {"marker": query.marker, "project": query.project, "user": query.user}
    row = connection.execute(_find_marker(query.rule, only_live=moved), values).first()
    if row is None:
        raise InvalidInput(f"marker {query.marker!r} is no image that this project can see; begin at the first page")
    return image_of(row)


@lru_cache(KEPT)
def _find_marker(rule: Expression, only_live: bool) -> Select[Any]:
    """A statement for an image that the principal may see, listed or not."""
    found = select(*COLUMNS).where(images.c.id == bindparam("marker"), clause_of(rule))
    return found.where(LISTED) if only_live else found


# Which index leads


@lru_cache(KEPT)
def _plan(kind: Query) -> Plan:
    scope = tuple(_seen(scope_of(kind), kind.rule))
    if not scope:
        return Plan(())
    for condition in kind.conditions:
        if condition.column == "id":
            return Plan((filtering(condition, scope),))
    filters = tuple(candidates(kind, scope))[:CANDIDATES]
    sizes: Any = select(*map(_size, [*filters, *scope]))
    return Plan(scope, filters, sizes if filters else None)


def _leading(connection: Connection, plan: Plan, values: Mapping[str, Any]) -> tuple[Source, ...]:
    """The sources to read; none if no image can pass all filters."""
    if plan.sizes is None:
        return plan.scope
    sizes = connection.execute(plan.sizes, values).one()
    listed = sum(sizes[len(plan.filters) :])
    size, source = min(zip(sizes, plan.filters, strict=False), key=lambda pair: pair[0])
    if size == 0 or listed == 0:
        return ()
    if size <= COUNTED:
        return (source,) if size <= listed else plan.scope
    big = tuple(source for source in plan.filters if source.in_order)
    return big[:1] if big and listed > COUNTED else plan.scope


def _size(source: Source) -> ColumnElement[int]:
    some: Select[Any] = (
        select(literal_column("1")).select_from(source.index).where(*source.entries).limit(_constant(COUNTED + 1))
    )
    return select(func.count()).select_from(some.subquery()).scalar_subquery()


def _seen(scope: Iterable[Source], rule: Expression) -> Iterable[Source]:
    """The same branches, limited to images for which *rule* holds. What is known of a whole branch is not queried."""
    for source in scope:
        rest = assume(rule, source.known)
        if rest is True:
            yield source
        elif rest is not False:
            yield replace(source, also=(*source.also, clause_of(rest)))


# The statement


@lru_cache(KEPT)
def _statement(query: Query, sources: tuple[Source, ...], behind: frozenset[str] | None) -> Select[Any]:
    """The first rows of all sources. Each is limited to a page, so that little is left to sort; IN drops duplicates.

    *behind*: Which attributes of the marker are null; None for the first page.
    """
    if len(sources) == 1:
        return _page(select(*COLUMNS), sources[0], query, behind)
    pages = [_page(select(source.id.label("id")), source, query, behind).subquery() for source in sources]
    ids = union_all(*[select(page.c.id) for page in pages])
    return _cut(select(*COLUMNS).where(images.c.id.in_(ids)), dict(images.c), query)


def _page(page: Select[Any], source: Source, query: Query, behind: frozenset[str] | None) -> Select[Any]:
    page = page.select_from(source.rows).where(LISTED, *source.entries, *source.also)
    page = page.where(*_filters(query, source))
    if behind is not None:
        page = page.where(after(query.order, source.columns, behind))
    return _cut(page, source.columns, query)


def _cut(page: Select[Any], columns: Mapping[str, ColumnElement[Any]], query: Query) -> Select[Any]:
    order = [ordered(columns[key.column], key) for key in query.order]
    return page.order_by(*order).limit(_constant(query.limit))


def _constant(limit: int) -> ColumnElement[int]:
    """A limit that the planner knows, also of a prepared statement."""
    return bindparam(None, limit, type_=Integer, literal_execute=True)


def _filters(query: Query, source: Source) -> Iterable[Clause]:
    for condition in query.conditions:
        if condition != source.tells:
            yield holds(condition, leads=source.index is images and source.tells is None)
    for tag in query.tags:
        if tag != source.tells:
            yield is_entry(image_tags, image_tags.c.tag == tag)
    for name, value in query.properties:
        if (name, value) != source.tells:
            named = image_properties.c.name == name, image_properties.c.value == indexed_value(value)
            yield is_entry(image_properties, *named)
