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

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from stillage.db.images import COLUMNS, image_of
from stillage.db.rules import PROJECT, Clause, clause_of
from stillage.db.tables import image_members, image_properties, image_tags, images, indexed_value
from stillage.errors import InvalidInput
from stillage.ids import ProjectId, UserId
from stillage.images.access import OWNER_NAMES
from stillage.images.image import Image, Visibility
from stillage.images.paging import full_page
from stillage.images.query import Condition, Key, Operator, Query, TimeRange
from stillage.images.rules import Expression, PrincipalKey, assume

COUNTED = 2000
"""How many index entries are counted of each set. Bigger ones are not told apart."""
CANDIDATES = 8
"""How many filters are counted, the first ones."""

AT_ONCE = 32
"""How many rows are fetched at a time, where PostgreSQL would send all of them."""

KEPT = 64
"""How many plans, and how many statements, are kept: making one costs more than SQLite takes to run it."""

ANYBODY = ProjectId("")
ANY_USER = UserId("")
LISTED = images.c.deleted_at.is_(None)
NOTHING: Mapping[str, PrincipalKey] = {}
OWN = dict.fromkeys(OWNER_NAMES, PrincipalKey("project_id"))
SHARED: Mapping[str, str | PrincipalKey] = {"visibility": Visibility.SHARED, "member_id": PrincipalKey("project_id")}
CHANGED_BY_DELETION = frozenset({"status", "updated_at"})


@dataclass(frozen=True, eq=False)
class Source:
    """Rows of images that one index can give.

    Attributes:
        entries: Which entries of the index.
        index: The table that it belongs to.
        created_at, id: The image's, as they stand in the index.
        also: What must hold beside *entries*, and the index cannot tell.
        tells: The filter that needs no more asking.
        known: Attributes of all its images, in the words of `images.rules`.
        in_order: However many entries there are, they come in the order of their time and id.
    """

    entries: tuple[Clause, ...]
    index: Table = images
    created_at: ColumnElement[Any] = images.c.created_at
    id: ColumnElement[Any] = images.c.id
    also: tuple[Clause, ...] = ()
    tells: object = None
    known: Mapping[str, str | PrincipalKey | None] = field(default_factory=dict)
    in_order: bool = True

    @property
    def rows(self) -> FromClause:
        return images if self.index is images else self.index.join(images, images.c.id == self.id)

    @property
    def columns(self) -> Mapping[str, ColumnElement[Any]]:
        return {**images.c, "created_at": self.created_at, "id": self.id}


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
    # A thousand of the largest records have 128 MiB: rows are fetched a few at a time, until the page is full.
    options = {"stream_results": query.limit > AT_ONCE, "max_row_buffer": AT_ONCE}
    with connection.execute(_statement(kind, sources, behind), values, execution_options=options) as rows:
        return full_page(map(image_of, rows), query.limit)


def _marker(connection: Connection, query: Query) -> Image:
    """The last image of the page before. It may have been deleted meanwhile, if that left its place as it was."""
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
    scope = tuple(_seen(_scope(kind), kind.rule))
    if not scope:
        return Plan(())
    for condition in kind.conditions:
        if condition.column == "id":
            return Plan((_filtering(condition, scope),))
    filters = tuple(_candidates(kind, scope))[:CANDIDATES]
    sizes: Any = select(*map(_size, [*filters, *scope]))
    return Plan(scope, filters, sizes if filters else None)


def _leading(connection: Connection, plan: Plan, values: Mapping[str, Any]) -> tuple[Source, ...]:
    """The sources to read, no source if the filters cannot all hold."""
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
    """The same branches, of images for which *rule* holds. What is known of a branch need not be asked."""
    for source in scope:
        rest = assume(rule, source.known)
        if rest is True:
            yield source
        elif rest is not False:
            yield replace(source, also=(*source.also, clause_of(rest)))


def _scope(query: Query) -> list[Source]:
    """What the principal may list, in branches. An image may be in several.

    Leaving out its own public images would cost the project that publishes most of them a look at every one.
    """
    wanted, mine = query.visibility, images.c.owner == PROJECT
    if query.sees_all:
        if wanted is not None:
            return [_branch_of(wanted)]
        not_foreign_community = or_(images.c.visibility != Visibility.COMMUNITY, mine)
        return [_branch(also=() if query.communities else (not_foreign_community,))]
    if wanted in (Visibility.PUBLIC, Visibility.COMMUNITY):
        return [_branch_of(wanted)]
    if wanted is not None:
        own = _branch(mine, images.c.visibility == wanted, known={**OWN, "visibility": wanted})
        return [own] if wanted is Visibility.PRIVATE else [own, *_shared_with(query)]
    readable = [Visibility.PUBLIC, Visibility.COMMUNITY] if query.communities else [Visibility.PUBLIC]
    return [_branch(mine, known=OWN), *map(_branch_of, readable), *_shared_with(query)]


def _branch_of(visibility: Visibility) -> Source:
    return _branch(images.c.visibility == visibility, known={"visibility": visibility})


def _branch(
    *entries: Clause, also: tuple[Clause, ...] = (), known: Mapping[str, str | PrincipalKey | None] = NOTHING
) -> Source:
    return Source((LISTED, *entries), also=also, known=known)


def _shared_with(query: Query) -> Iterable[Source]:
    for status in query.member_statuses:
        yield Source(
            (image_members.c.member_id == PROJECT, image_members.c.status == status),
            index=image_members,
            created_at=image_members.c.image_created_at,
            id=image_members.c.image_id,
            # Said by what it is not, because with an equation SQLite may begin with everybody's shared images.
            also=(images.c.visibility.not_in([other for other in Visibility if other is not Visibility.SHARED]),),
            known=SHARED,
        )


def _candidates(query: Query, scope: Sequence[Source]) -> Iterable[Source]:
    """A source for each filter that has an index."""
    also = (_in_scope(scope),)
    for name, value in query.properties:
        table = image_properties
        entries = (table.c.name == name, table.c.value == indexed_value(value))
        yield Source(entries, table, table.c.created_at, table.c.image_id, also, tells=(name, value))
    for tag in query.tags:
        table = image_tags
        yield Source((table.c.tag == tag,), table, table.c.created_at, table.c.image_id, also, tells=tag)
    for condition in query.conditions:
        if condition.column in {"name", "status"}:
            yield _filtering(condition, scope)


def _filtering(condition: Condition, scope: Sequence[Source]) -> Source:
    # Most images are active: many with one status are no reason to begin with it.
    in_order = condition.operator is Operator.EQ and condition.column == "name"
    return Source((LISTED, _holds(condition)), also=(_in_scope(scope),), tells=condition, in_order=in_order)


def _in_scope(scope: Sequence[Source]) -> Clause:
    return or_(*map(_as_condition, scope))


def _as_condition(branch: Source) -> Clause:
    if branch.index is images:
        return and_(*branch.entries, *branch.also)
    return and_(exists().where(branch.id == images.c.id, *branch.entries), *branch.also)


# The statement


@lru_cache(KEPT)
def _statement(query: Query, sources: tuple[Source, ...], behind: frozenset[str] | None) -> Select[Any]:
    """The first rows of all sources. Each is cut to a page, so that little is left to sort; IN drops repetitions.

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
        page = page.where(_after(query.order, source.columns, behind))
    return _cut(page, source.columns, query)


def _cut(page: Select[Any], columns: Mapping[str, ColumnElement[Any]], query: Query) -> Select[Any]:
    order = [_ordered(columns[key.column], key) for key in query.order]
    return page.order_by(*order).limit(_constant(query.limit))


def _constant(limit: int) -> ColumnElement[int]:
    """A limit that the planner knows, also of a prepared statement."""
    return bindparam(None, limit, type_=Integer, literal_execute=True)


def _filters(query: Query, source: Source) -> Iterable[Clause]:
    for condition in query.conditions:
        if condition != source.tells:
            yield _holds(condition, leads=source.index is images and source.tells is None)
    for tag in query.tags:
        if tag != source.tells:
            yield _is_entry(image_tags, image_tags.c.tag == tag)
    for name, value in query.properties:
        if (name, value) != source.tells:
            named = image_properties.c.name == name, image_properties.c.value == indexed_value(value)
            yield _is_entry(image_properties, *named)


def _is_entry(table: Table, *named: Clause) -> Clause:
    """The image has this tag or property: a look-up of one whole key for each image, which EXISTS need not be."""
    key = *named, table.c.created_at == images.c.created_at, table.c.image_id == images.c.id
    return select(literal_column("1", Integer)).select_from(table).where(*key).correlate(images).scalar_subquery() == 1


def _holds(condition: Condition, *, leads: bool = False) -> Clause:
    column, value = images.c[condition.column], condition.value
    if isinstance(value, tuple):
        return column.in_(value)
    if isinstance(value, bool):
        # A literal, so that a prepared statement can use an index with it. Said by what it is not, SQLite can use none.
        return column == _boolean(value) if leads else column.is_not(_boolean(not value))
    if isinstance(value, TimeRange):
        return _in_range(column, condition.operator, value)
    return COMPARE[condition.operator](column, literal(value, BigInteger) if isinstance(value, int) else value)


def _boolean(value: bool) -> Clause:
    return true() if value else false()


def _in_range(time: ColumnElement[Any], operator: Operator, moment: TimeRange) -> Clause:
    if operator is Operator.EQ:
        return and_(time >= moment.start, time < moment.end)
    if operator is Operator.NEQ:
        return or_(time < moment.start, time >= moment.end)
    bound = moment.end if operator in (Operator.GT, Operator.LTE) else moment.start
    return COMPARE[Operator.GTE if operator in (Operator.GT, Operator.GTE) else Operator.LT](time, bound)


# Order


def _ordered(column: ColumnElement[Any], key: Key) -> ColumnElement[Any]:
    """Null is less than everything. PostgreSQL has to be told, but where nothing is null that would hide the index."""
    ordered = column.desc() if key.descending else column.asc()
    if not images.c[key.column].nullable:
        return ordered
    return ordered.nulls_last() if key.descending else ordered.nulls_first()


def _after(order: Sequence[Key], columns: Mapping[str, ColumnElement[Any]], nulls: frozenset[str]) -> Clause:
    """What comes behind the marker in *order*."""
    directions = {key.descending for key in order}
    nullable = any(images.c[key.column].nullable for key in order)
    if len(directions) == 1 and not nullable:
        # Both engines find the place of a row value in an index, of the same condition in words they do not.
        here = tuple_(*[_place(key) for key in order])
        there = tuple_(*[columns[key.column] for key in order])
        return there < here if True in directions else there > here
    return _behind(order, columns, nulls)


def _behind(order: Sequence[Key], columns: Mapping[str, ColumnElement[Any]], nulls: frozenset[str]) -> Clause:
    key, *rest = order
    column, value = columns[key.column], _place(key)
    further: Clause = false()
    same: Clause = column == value
    if key.column in nulls:
        further, same = false() if key.descending else column.is_not(None), column.is_(None)
    elif key.descending:
        further = or_(column < value, column.is_(None))
    else:
        further = column > value
    return or_(further, and_(same, _behind(rest, columns, nulls))) if rest else further


def _place(key: Key) -> ColumnElement[Any]:
    return bindparam(f"after_{key.column}", type_=images.c[key.column].type)


COMPARE: Mapping[Operator, Callable[[ColumnElement[Any], Any], Clause]] = {
    Operator.EQ: eq,
    Operator.NEQ: ne,
    Operator.GT: gt,
    Operator.GTE: ge,
    Operator.LT: lt,
    Operator.LTE: le,
}
