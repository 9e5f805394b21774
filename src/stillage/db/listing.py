"""Lists of images: a `Query` as SQL, the same on both engines.

A page comes out of one ordered index wherever there is one: the smallest of the sets that the query intersects leads.

* What the principal may list is a handful of *branches*: own images, public ones, those shared with it. Each has
  its index and gives its first rows in order; the page is merged from them. One condition with OR would read
  everybody's images to find a few.
* A filter leads if fewer images pass it than the principal may list.
* In another order than time, branches with few images are sorted; the others are walked along an index of the sort key.

The rule `get_image` is a filter like others, so that a page is full, ends at an image that the principal sees, and is
read in one pass, whatever the rule. Most of it is known of a whole branch: of the default rule nothing is left to ask.

There is no OFFSET: a page begins behind the place in the order that its marker has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, GenerativeSelect, Select, bindparam, func, select, union

from stillage.db.images import COLUMNS, image_of
from stillage.db.list_filters import has_property, has_tag, holds, is_entry, is_no_entry, is_property
from stillage.db.list_leading import KEPT, constant, leading
from stillage.db.list_order import after, ordered, reaches
from stillage.db.list_sources import LISTED, Source
from stillage.db.lookups import AT_ONCE, Inquiry, Memory, Question, Questions
from stillage.db.rules import Clause, clause_of
from stillage.db.tables import image_properties, image_tags, images, indexed_value
from stillage.errors import InvalidInput
from stillage.ids import ProjectId, UserId
from stillage.images.image import Image
from stillage.images.paging import full_page
from stillage.images.query import NEWEST_FIRST, Key, Operator, Query
from stillage.images.rules import Expression

S = TypeVar("S", bound=GenerativeSelect)

ANYBODY = ProjectId("")
ANY_USER = UserId("")
FEW_FILTERS = 10
CHANGED_BY_DELETION = frozenset({"status", "updated_at"})


def _page_of(memory: Memory, query: Query) -> Questions[list[Image]]:
    query = replace(query, order=tuple(_deciding(query)))
    last = None if query.marker is None else (yield from _marker(query))
    if query.limit == 0:
        return []
    kind, values = _parted(query)
    sources = yield from leading(memory, kind, values)
    if not sources:
        return []
    behind = None
    if last is not None:
        place = {key.column: getattr(last, key.column) for key in query.order}
        behind = frozenset(name for name, value in place.items() if value is None)
        values |= {f"after_{name}": value for name, value in place.items()}
    # A thousand of the largest records take 128 MiB: rows are fetched a few at a time, until the page is full.
    statement, by_value = _statement(kind, sources, behind), _depends_on_values(kind)
    rows = yield Question(statement, values, is_long=query.limit > AT_ONCE, by_value=by_value)
    return full_page(map(image_of, rows), query.limit)


def _deciding(query: Query) -> Iterable[Key]:
    """The keys of the order in which two images of the list can differ."""
    same = {
        each.column for each in query.conditions if each.operator is Operator.EQ and isinstance(each.value, str | int)
    }
    return (key for key in query.order if key.column not in same or key.column == "id")


def _count_of(memory: Memory, query: Query) -> Questions[int]:
    # In an order that has indexes, and from the first image on: the others count as well.
    kind, values = _parted(replace(query, order=NEWEST_FIRST, marker=None))
    sources = yield from leading(memory, kind, values)
    if not sources:
        return 0
    rows = yield Question(_counted(kind, sources), values, by_value=_depends_on_values(kind))
    return int(rows[0][0])


def _depends_on_values(kind: Query) -> bool:
    """Whether how many images pass a filter should decide the plan. Tags and properties are looked up by whole keys."""
    return any(isinstance(condition.value, str) for condition in kind.conditions)


def _is_short(query: Query) -> bool:
    """Statements of many filters take many milliseconds to make."""
    compared = sum(len(each.value) if isinstance(each.value, tuple) else 1 for each in query.conditions)
    return query.limit <= AT_ONCE and compared + len(query.tags) + len(query.properties) <= FEW_FILTERS


page = Inquiry(_page_of, _is_short)
"""Returns the images of one page, in order.

Raises:
    InvalidInput: If the marker is no image that the principal may see.
"""


def _never(query: Query) -> bool:  # noqa: ARG001 - however few there are in the end
    return False


count = Inquiry(_count_of, _never)
"""Returns how many images a query finds on all pages, at most its limit."""


def _parted(query: Query) -> tuple[Query, dict[str, Any]]:
    """Return the kind of *query*, whose texts and numbers are names of parameters, and their values.

    Two queries that differ in nothing else have the same plan and the same statements: making these costs ten times
    what it takes to find one image by its name.
    """
    values: dict[str, Any] = {"project": query.project, "user": query.user}
    conditions = []
    for number, condition in enumerate(query.conditions):
        if isinstance(condition.value, str | int) and not isinstance(condition.value, bool):
            values[name := f"condition_{number}"] = condition.value
            conditions.append(replace(condition, value=name))
        else:
            conditions.append(condition)
    tags = {f"tag_{number}": tag for number, tag in enumerate(query.tags)}
    properties = {(f"name_{n}", f"value_{n}"): each for n, each in enumerate(query.properties)}
    for (named, valued), (name, value) in properties.items():
        values |= {named: name, valued: indexed_value(value)}
    kind = replace(
        query,
        project=ANYBODY,
        user=ANY_USER,
        marker=None,
        conditions=tuple(conditions),
        tags=tuple(tags),
        properties=tuple(properties),
    )
    return kind, values | tags


def _marker(query: Query) -> Questions[Image]:
    """The last image of the previous page. It may have been deleted since, unless that changed its place."""
    moved = not CHANGED_BY_DELETION.isdisjoint(key.column for key in query.order)
    values = {"marker": query.marker, "project": query.project, "user": query.user}
    rows = yield Question(_find_marker(query.rule, only_live=moved), values)
    if not rows:
        raise InvalidInput(f"marker {query.marker!r} is no image that this project can see; begin at the first page")
    return image_of(rows[0])


@lru_cache(KEPT)
def _find_marker(rule: Expression, only_live: bool) -> Select[Any]:
    """A statement for an image that the principal may see, listed or not."""
    found = select(*COLUMNS).where(images.c.id == bindparam("marker"), clause_of(rule))
    return found.where(LISTED) if only_live else found


# The statement


@lru_cache(KEPT)
def _statement(query: Query, sources: tuple[Source, ...], behind: frozenset[str] | None) -> Select[Any]:
    """The first rows of all sources. Each is limited to a page, so that little is left to sort; UNION drops duplicates.

    Whole records are read of the page alone, once it is known which images it has.

    *behind*: Which attributes of the marker are null; None for the first page.
    """
    if len(sources) == 1 and _is_in_order(sources[0], query):
        return _page(select(*COLUMNS), sources[0], query, behind)
    names = [key.column for key in query.order]  # the last one is the id
    pages = [
        _page(select(*[source.columns[name].label(name) for name in names]), source, query, behind).subquery()
        for source in sources
        if behind is None or reaches(source.nulls, query.order[0], behind)
    ]
    merged = union(*[select(page) for page in pages])
    firsts = _cut(merged, dict(merged.selected_columns), query).subquery()
    order = [ordered(firsts.c[key.column], key) for key in query.order]
    return select(*COLUMNS).join(firsts, images.c.id == firsts.c.id).order_by(*order)


@lru_cache(KEPT)
def _counted(query: Query, sources: tuple[Source, ...]) -> Select[Any]:
    """How many images all sources have together. Each is read up to the limit, and UNION drops duplicates."""
    pages = [_page(select(source.columns["id"].label("id")), source, query, None).subquery() for source in sources]
    ids = union(*[select(page.c.id) for page in pages]).limit(constant(query.limit)).subquery()
    return select(func.count()).select_from(ids)


def _page(page: Select[Any], source: Source, query: Query, behind: frozenset[str] | None) -> Select[Any]:
    page = page.select_from(source.rows).where(LISTED, *source.entries, *source.also)
    page = page.where(*_filters(query, source))
    if source.sorted_index is not None:
        page = page.with_hint(images, f"INDEXED BY {source.sorted_index}", "sqlite")
    if source.nulls is not None:
        key = images.c[query.order[0].column]
        page = page.where(key.is_(None) if source.nulls else key.is_not(None))
    columns = source.columns
    if not _is_in_order(source, query):
        # Few images: neither engine may walk along an index in the wanted order, or from the marker on, to meet them.
        few = page.offset(constant(0)).subquery()
        page, columns = select(few), dict(few.c)
    if behind is not None:
        page = page.where(after(query.order, columns, behind, source.nulls))
    return _cut(page, columns, query, source.nulls)


def _is_in_order(source: Source, query: Query) -> bool:
    return source.sorted_index is not None or query.order[0].column == "created_at"


def _cut(page: S, columns: Mapping[str, ColumnElement[Any]], query: Query, part: bool | None = None) -> S:
    first, *rest = query.order
    order = [ordered(columns[first.column], first, part), *[ordered(columns[key.column], key) for key in rest]]
    return page.order_by(*order).limit(constant(query.limit))


def _filters(query: Query, source: Source) -> Iterable[Clause]:
    for condition in query.conditions:
        if condition != source.tells:
            leads = condition.column == "os_hidden" and source.hidden_is_next
            yield holds(condition, source.columns, leads=leads)
    for tag in query.tags:
        if tag != source.tells:
            yield is_entry(image_tags, has_tag(tag))
    for name, value in query.properties:
        if (name, value) != source.tells:
            yield is_entry(image_properties, *has_property(name, value))
    for name, value in query.lacking:
        yield is_no_entry(image_properties, *is_property(name, value))
