"""What a list can be read from: sets of images, each in the order of one index."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, and_, exists, literal_column, or_

from stillage.db.list_filters import has_members, has_property, has_tag, holds, is_member
from stillage.db.rules import PROJECT, Clause
from stillage.db.tables import INDEXED, image_members, image_properties, image_tags, images
from stillage.images.access import OWNER_NAMES
from stillage.images.image import Visibility
from stillage.images.query import Condition, Operator, Query, Sharing
from stillage.images.rules import PrincipalKey

LISTED = images.c.deleted_at.is_(None)
OF_ANYBODY = images.c.created_at > literal_column("0")
"""See `ANYBODYS` of the indexes."""
LEADING = frozenset({*INDEXED, "owner"})
IN_ORDER = frozenset({"name", "owner"})
NOTHING: Mapping[str, PrincipalKey] = {}
OWN = dict.fromkeys(OWNER_NAMES, PrincipalKey("project_id"))
EITHER = (False, True)
READABLE = frozenset({Visibility.PUBLIC, Visibility.COMMUNITY})
SHARED: Mapping[str, str | PrincipalKey] = {"visibility": Visibility.SHARED, "member_id": PrincipalKey("project_id")}


@dataclass(frozen=True, eq=False)
class Walk:
    """Indexes, one for each sort key, that have some images one after the other in that order.

    Attributes:
        indexes: How their names begin.
        entries: Which entries are read.
        also: What is true of the images that are wanted, if the entries have others too.
    """

    indexes: str = "ix_images"
    entries: tuple[Clause, ...] = ()
    also: tuple[Clause, ...] = ()

    @property
    def is_exact(self) -> bool:
        """No entry is read for nothing, whether hidden images are wanted or the others."""
        return bool(self.entries) and not self.also


ALL = Walk()
OF_PROJECT = "ix_images_owner"
OF_PRIMARY_KEY = "sqlite_autoindex_images_1"


@dataclass(frozen=True, eq=False)
class Source:
    """Rows of images that one index can give.

    Attributes:
        entries: Which entries of the index.
        index: The table that it belongs to.
        created_at, id: The image's, as they stand in the index.
        also: Conditions beside *entries* that the index does not cover.
        tells: The filter that the index covers.
        known: Attributes of all its images, in the words of `images.rules`.
        in_order: The entries come in the order of time and id, however many there are.
        hidden_is_next: Whether an image is hidden stands in the index behind what *entries* say.
        walk: How its images are read in another order, if they are many.
        sorted_index: The index, which is in the order of the list's first key and not of time.
        nulls: Of *sorted_index*, only images that lack the key, or only those that have it; None if all have it.
    """

    entries: tuple[Clause, ...]
    index: Table = images
    created_at: ColumnElement[Any] = images.c.created_at
    id: ColumnElement[Any] = images.c.id
    also: tuple[Clause, ...] = ()
    tells: object = None
    known: Mapping[str, str | PrincipalKey | None] = field(default_factory=dict)
    in_order: bool = True
    hidden_is_next: bool = False
    walk: Walk = ALL
    sorted_index: str | None = None
    nulls: bool | None = None

    @property
    def rows(self) -> FromClause:
        return images if self.index is images else self.index.join(images, images.c.id == self.id)

    @property
    def columns(self) -> Mapping[str, ColumnElement[Any]]:
        return {**images.c, "created_at": self.created_at, "id": self.id}


def scope_of(query: Query) -> list[Source]:
    """What the principal may list, in branches. An image may be in several.

    Leaving out its own public images would cost the project that publishes most of them a look at every one.
    """
    wanted, is_own = query.visibility, images.c.owner == PROJECT
    if query.sharing is not None:
        return list(_shared_so(query, query.sharing))
    if query.sees_all:
        if wanted is not None:
            return [_branch_of(wanted)]
        not_foreign_community = or_(~_is(Visibility.COMMUNITY), is_own)
        return [_branch(also=() if query.communities else (not_foreign_community,))]
    if wanted in (Visibility.PUBLIC, Visibility.COMMUNITY):
        return [_branch_of(wanted)]
    if wanted is not None:
        return [*_own(wanted), *(() if wanted is Visibility.PRIVATE else _shared_with(query))]
    readable = [Visibility.PUBLIC, Visibility.COMMUNITY] if query.communities else [Visibility.PUBLIC]
    return [
        _branch(is_own, known=OWN, walk=Walk(OF_PROJECT, (is_own,))),
        *map(_branch_of, readable),
        *_shared_with(query),
    ]


def _shared_so(query: Query, sharing: Sharing) -> Iterable[Source]:
    """An administrator lists the images of every project."""
    of = _anybodys if query.sees_all else _own
    if sharing is Sharing.PRIVATE:
        yield from of(Visibility.PRIVATE)
        yield from of(Visibility.SHARED, (False,))
    elif sharing is Sharing.SHARED:
        yield from of(Visibility.COMMUNITY)
        yield from of(Visibility.SHARED, (True,))
    if sharing is not Sharing.PRIVATE:
        yield from _shared_with(query)


def _own(visibility: Visibility, members: Sequence[bool] = EITHER) -> Iterable[Source]:
    """A branch for those with members and one for those without: each is one range of the index."""
    is_own = images.c.owner == PROJECT
    for value in members:
        has = has_members(value)
        walk = Walk(OF_PROJECT, (is_own,), (*_only(visibility), has))
        yield _branch(is_own, _is(visibility), has, known={**OWN, "visibility": visibility}, walk=walk)


def _anybodys(visibility: Visibility, members: Sequence[bool] = EITHER) -> Iterable[Source]:
    also = () if members == EITHER else tuple(map(has_members, members))
    yield _branch(_is(visibility), also=also, known={"visibility": visibility}, walk=Walk(also=_only(visibility)))


def _branch_of(visibility: Visibility) -> Source:
    is_so = _is(visibility)
    walk = Walk("ix_images_visibility", (is_so,)) if visibility in READABLE else Walk(also=_only(visibility))
    return _branch(is_so, known={"visibility": visibility}, walk=walk)


def _is(visibility: Visibility) -> Clause:
    """As a literal: PostgreSQL knows how many images have it, also where it makes one plan for all values.

    And an index of a few visibilities alone can be used.
    """
    return images.c.visibility == literal_column(f"'{visibility}'", images.c.visibility.type)


def _only(visibility: Visibility) -> tuple[Clause, ...]:
    """As what it is not: given an equation, an engine may start from all images of that visibility."""
    return tuple(~_is(other) for other in Visibility if other is not visibility)


def _branch(
    *entries: Clause,
    also: tuple[Clause, ...] = (),
    known: Mapping[str, str | PrincipalKey | None] = NOTHING,
    walk: Walk = ALL,
) -> Source:
    return Source((LISTED, *entries), also=also, known=known, hidden_is_next=True, walk=walk)


def _shared_with(query: Query) -> Iterable[Source]:
    for status in query.member_statuses:
        entries = image_members.c.member_id == PROJECT, image_members.c.status == status
        yield Source(
            entries,
            index=image_members,
            created_at=image_members.c.image_created_at,
            id=image_members.c.image_id,
            also=_only(Visibility.SHARED),
            known=SHARED,
            walk=Walk(also=(is_member(*entries),)),
        )


def walking(source: Source, key: str) -> Iterable[Source]:
    """The same images in the order of *key*. Those that lack it are apart: so each part is one range of the index."""
    walk, name = source.walk, f"{source.walk.indexes}_{key}"
    for nulls in (False, True) if images.c[key].nullable else (None,):
        yield replace(
            source,
            entries=(LISTED, *(walk.entries or (OF_ANYBODY,))),
            index=images,
            created_at=images.c.created_at,
            id=images.c.id,
            also=(*source.also, *walk.also),
            hidden_is_next=bool(walk.entries),
            sorted_index=OF_PRIMARY_KEY if name == "ix_images_id" else name,
            nulls=nulls,
        )


def candidates(query: Query, scope: Sequence[Source]) -> Iterable[Source]:
    """A source for each filter that has an index."""
    also = (_in_scope(scope),)
    table = image_properties
    for name, value in query.properties:
        entries = has_property(name, value)
        yield Source(entries, table, table.c.created_at, table.c.image_id, also, tells=(name, value))
    table = image_tags
    for tag in query.tags:
        yield Source((has_tag(tag),), table, table.c.created_at, table.c.image_id, also, tells=tag)
    for condition in query.conditions:
        # No index finds a part of a name.
        if condition.column in LEADING and condition.operator is not Operator.CONTAINS:
            yield filtering(condition, scope)


def filtering(condition: Condition, scope: Sequence[Source]) -> Source:
    return Source(
        (LISTED, OF_ANYBODY, holds(condition, leads=True)),
        also=(_in_scope(scope),),
        tells=condition,
        # Most images are active, and of few formats: what many have is no good start.
        in_order=condition.operator is Operator.EQ and condition.column in IN_ORDER,
        hidden_is_next=condition.column == "owner",
    )


def _in_scope(scope: Sequence[Source]) -> Clause:
    return or_(*map(_as_condition, scope))


def _as_condition(branch: Source) -> Clause:
    if branch.index is images:
        return and_(*branch.entries, *branch.also)
    return and_(exists().where(branch.id == images.c.id, *branch.entries), *branch.also)
