"""Metadata definitions. Plain functions of a connection, as in `db.images`.

Who may change a namespace is decided within the transaction that changes it: each function takes a `Check`, which
returns the namespace or raises what its principal is to be told.
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from stillage.db.tables import metadef_definitions as definitions
from stillage.db.tables import metadef_namespaces as namespaces
from stillage.errors import AlreadyExists, NotFound, TooLarge
from stillage.ids import ProjectId
from stillage.images.metadefs.definitions import (
    MAX_ASSOCIATIONS,
    MAX_DEFINITIONS,
    MAX_NAMESPACE_BYTES,
    MAX_NAMESPACES,
    Contents,
    Definition,
    Kind,
    Namespace,
    NamespaceVisibility,
    definition_not_found,
)
from stillage.images.metadefs.query import NamespaceQuery, Page

Check = Callable[[Namespace | None], Namespace]
Columns = Any  # of either table: both have a name and times


def add(connection: Connection, contents: Contents) -> None:
    """Store a namespace with everything in it.

    Raises:
        AlreadyExists: If the name is taken, also by a namespace that the principal cannot see.
        TooLarge: If there are too many namespaces, or too much is in it.
    """
    if connection.execute(select(func.count()).select_from(namespaces)).scalar_one() >= MAX_NAMESPACES:
        raise TooLarge(f"too many namespaces: the service keeps {MAX_NAMESPACES}; delete one first")
    row = _row(contents.namespace) | {"created_at": contents.namespace.created_at}
    try:
        namespace_id = connection.execute(insert(namespaces).values(row).returning(namespaces.c.id)).scalar_one()
    except IntegrityError as error:
        raise _taken(contents.namespace.name) from error
    _insert(connection, namespace_id, contents.namespace.name, contents.definitions)


def load(connection: Connection, contents: Contents, *, replaces: bool) -> bool:
    """Store a namespace with everything in it, whoever it belongs to. False if it is here already and stays.

    *replaces*: then it goes, with everything in it.
    """
    its_own = namespaces.c.name == contents.namespace.name
    if connection.execute(select(namespaces.c.id).where(its_own).with_for_update()).first() is not None:
        if not replaces:
            return False
        connection.execute(delete(namespaces).where(its_own))
    add(connection, contents)
    return True


def page(connection: Connection, query: NamespaceQuery, viewer: ProjectId | None, check: Check) -> list[Contents]:
    """Return a page of namespaces that *check* shows, with the resource types that are associated with them.

    *viewer*: only public ones and those of this project; None for all.
    """
    if query.page.marker is not None:
        _checked(connection, query.page.marker, check)
    chosen = select(namespaces).where(*_conditions(query, viewer), *_after(connection, namespaces.c, query.page, ()))
    rows = connection.execute(chosen.order_by(*_order(namespaces.c, query.page)))
    shown: list[tuple[int, Namespace]] = []
    for row in rows:
        if len(shown) == query.page.limit:
            break
        with suppress(NotFound):
            shown.append((row.id, check(_namespace(row))))
    associated = _associations(connection, [namespace_id for namespace_id, _ in shown])
    return [Contents(namespace, associated.get(namespace_id, [])) for namespace_id, namespace in shown]


def show(connection: Connection, name: str, check: Check) -> Contents:
    """Return a namespace and everything in it."""
    namespace_id, namespace = _checked(connection, name, check)
    rows = connection.execute(
        select(definitions).where(definitions.c.namespace_id == namespace_id).order_by(*definitions.primary_key)
    )
    return Contents(namespace, [_definition(row) for row in rows])


def page_of(connection: Connection, name: str, kind: Kind, query: Page, check: Check) -> list[Definition]:
    """Return a page of the definitions of one kind in a namespace."""
    namespace_id, namespace = _checked(connection, name, check)
    its_own = (definitions.c.namespace_id == namespace_id, definitions.c.kind == kind)
    if query.marker is not None:
        _find(connection, namespace_id, namespace, kind, query.marker)
    chosen = select(definitions).where(*its_own, *_after(connection, definitions.c, query, its_own))
    rows = connection.execute(chosen.order_by(*_order(definitions.c, query)).limit(query.limit))
    return [_definition(row) for row in rows]


def find(connection: Connection, name: str, kind: Kind, definition: str, check: Check) -> Definition:
    """Return one definition; NotFound if there is none."""
    namespace_id, namespace = _checked(connection, name, check)
    return _find(connection, namespace_id, namespace, kind, definition)


def save(connection: Connection, name: str, after: Namespace, check: Check) -> Namespace:
    """Replace what a namespace says of itself, also its name; AlreadyExists if another has that."""
    namespace_id, _ = _checked(connection, name, check, lock=True)
    changed = update(namespaces).where(namespaces.c.id == namespace_id).values(_row(after)).returning(namespaces)
    try:
        return _namespace(connection.execute(changed).one())
    except IntegrityError as error:
        raise _taken(after.name) from error


def remove(connection: Connection, name: str, check: Check) -> None:
    """Remove a namespace and everything in it."""
    namespace_id, _ = _checked(connection, name, check, lock=True)
    connection.execute(delete(namespaces).where(namespaces.c.id == namespace_id))


def put(
    connection: Connection, name: str, made: Sequence[Definition], check: Check, *, instead_of: Kind | None
) -> None:
    """Add definitions to a namespace, in place of all of kind *instead_of*.

    Raises:
        AlreadyExists: If there is one of this name already.
        TooLarge: If too much would be in the namespace.
    """
    namespace_id, namespace = _checked(connection, name, check, lock=True)
    if instead_of is not None:
        _remove_all(connection, namespace_id, instead_of)
    _insert(connection, namespace_id, namespace.name, made)


def change(connection: Connection, name: str, before: str, after: Definition, check: Check) -> Definition:
    """Put *after* in the place of the definition called *before*, which keeps its time of creation."""
    namespace_id, namespace = _checked(connection, name, check, lock=True)
    after = replace(after, created_at=_find(connection, namespace_id, namespace, after.kind, before).created_at)
    connection.execute(delete(definitions).where(_is(namespace_id, after.kind, before)))
    _insert(connection, namespace_id, namespace.name, [after])
    return after


def remove_one(connection: Connection, name: str, kind: Kind, definition: str, check: Check) -> None:
    """Remove one definition; NotFound if there is none."""
    namespace_id, namespace = _checked(connection, name, check, lock=True)
    if not connection.execute(delete(definitions).where(_is(namespace_id, kind, definition))).rowcount:
        raise definition_not_found(namespace.name, kind, definition)


def remove_all(connection: Connection, name: str, kind: Kind, check: Check) -> None:
    """Remove all definitions of one kind."""
    namespace_id, _ = _checked(connection, name, check, lock=True)
    _remove_all(connection, namespace_id, kind)


def resource_types(connection: Connection, viewer: ProjectId | None) -> list[tuple[str, datetime, datetime]]:
    """Return the resource types that namespaces are associated with: since when, and when that was last changed.

    *viewer*: as in `page`.
    """
    return [
        (row.name, row.created_at, row.updated_at)
        for row in connection.execute(
            select(
                definitions.c.name,
                func.min(definitions.c.created_at).label("created_at"),
                func.max(definitions.c.updated_at).label("updated_at"),
            )
            .join(namespaces, namespaces.c.id == definitions.c.namespace_id)
            .where(definitions.c.kind == Kind.RESOURCE_TYPE, *_seen_by(viewer))
            .group_by(definitions.c.name)
            .order_by(definitions.c.name)
        )
    ]


def _checked(connection: Connection, name: str, check: Check, *, lock: bool = False) -> tuple[int, Namespace]:
    """Return the namespace if *check* does. *lock*: nobody else changes it, or anything in it, meanwhile."""
    wanted = select(namespaces).where(namespaces.c.name == name)
    row = connection.execute(wanted.with_for_update() if lock else wanted).first()
    namespace = check(None if row is None else _namespace(row))
    assert row is not None  # noqa: S101 - the check would have raised
    return row.id, namespace


def _find(connection: Connection, namespace_id: int, namespace: Namespace, kind: Kind, name: str) -> Definition:
    row = connection.execute(select(definitions).where(_is(namespace_id, kind, name))).first()
    if row is None:
        raise definition_not_found(namespace.name, kind, name)
    return _definition(row)


def _insert(connection: Connection, namespace_id: int, name: str, made: Iterable[Definition]) -> None:
    rows = [
        {
            "namespace_id": namespace_id,
            "kind": each.kind,
            "name": each.name,
            "members": each.members,
            "size": len(json.dumps(each.members)),
            "created_at": each.created_at,
            "updated_at": each.updated_at,
        }
        for each in made
    ]
    try:
        if rows:
            connection.execute(insert(definitions), rows)
    except IntegrityError as error:
        names = ", ".join(repr(row["name"]) for row in rows[:3])
        raise AlreadyExists(f"the namespace {name!r} has a {rows[0]['kind']} {names} already") from error
    _require_room(connection, namespace_id, name)


def _require_room(connection: Connection, namespace_id: int, name: str) -> None:
    rows = connection.execute(
        select(definitions.c.kind, func.count().label("number"), func.sum(definitions.c.size).label("size"))
        .where(definitions.c.namespace_id == namespace_id)
        .group_by(definitions.c.kind)
    ).all()
    for row in rows:
        limit = MAX_ASSOCIATIONS if row.kind == Kind.RESOURCE_TYPE else MAX_DEFINITIONS
        if row.number > limit:
            raise TooLarge(f"the namespace {name!r} would have {row.number} of {row.kind}; the limit is {limit}")
    size = sum(row.size for row in rows)
    if size > MAX_NAMESPACE_BYTES:
        raise TooLarge(f"the namespace {name!r} would have {size} bytes; the limit is {MAX_NAMESPACE_BYTES}")


def _remove_all(connection: Connection, namespace_id: int, kind: Kind) -> None:
    its_own = definitions.c.namespace_id == namespace_id
    connection.execute(delete(definitions).where(its_own, definitions.c.kind == kind))


def _conditions(query: NamespaceQuery, viewer: ProjectId | None) -> Iterable[ColumnElement[bool]]:
    yield from _seen_by(viewer)
    if query.visibility is not None:
        yield namespaces.c.visibility == query.visibility
    if query.resource_types:
        associated = definitions.c.kind == Kind.RESOURCE_TYPE
        named = definitions.c.name.in_(query.resource_types)
        yield namespaces.c.id.in_(select(definitions.c.namespace_id).where(associated, named))


def _seen_by(viewer: ProjectId | None) -> Iterable[ColumnElement[bool]]:
    if viewer is not None:
        yield or_(namespaces.c.visibility == NamespaceVisibility.PUBLIC, namespaces.c.owner == viewer)


def _order(columns: Columns, page: Page) -> list[ColumnElement[Any]]:
    keys = [columns[page.sort_key]] + ([] if page.sort_key == "name" else [columns.name])
    return [key.desc() if page.descending else key for key in keys]


def _after(
    connection: Connection, columns: Columns, page: Page, among: Collection[ColumnElement[bool]]
) -> Iterable[ColumnElement[bool]]:
    """Yield the condition that a row comes after the marker."""
    if page.marker is None:
        return
    key = columns[page.sort_key]
    value = connection.execute(select(key).where(columns.name == page.marker, *among)).scalar()
    after = key < value if page.descending else key > value
    name_after = columns.name < page.marker if page.descending else columns.name > page.marker
    yield or_(after, and_(key == value, name_after))


def _associations(connection: Connection, namespace_ids: list[int]) -> dict[int, list[Definition]]:
    found: dict[int, list[Definition]] = {}
    rows = connection.execute(
        select(definitions)
        .where(definitions.c.namespace_id.in_(namespace_ids), definitions.c.kind == Kind.RESOURCE_TYPE)
        .order_by(definitions.c.name)
    )
    for row in rows:
        found.setdefault(row.namespace_id, []).append(_definition(row))
    return found


def _is(namespace_id: int, kind: Kind, name: str) -> ColumnElement[bool]:
    return and_(definitions.c.namespace_id == namespace_id, definitions.c.kind == kind, definitions.c.name == name)


def _taken(name: str) -> AlreadyExists:
    return AlreadyExists(f"a namespace {name!r} exists already")


def _row(namespace: Namespace) -> dict[str, Any]:
    return {
        "name": namespace.name,
        "display_name": namespace.display_name,
        "description": namespace.description,
        "visibility": namespace.visibility,
        "protected": namespace.protected,
        "owner": namespace.owner,
        "updated_at": namespace.updated_at,
    }


def _namespace(row: Row[Any]) -> Namespace:
    return Namespace(
        row.name,
        None if row.owner is None else ProjectId(row.owner),
        row.created_at,
        row.updated_at,
        row.display_name,
        row.description,
        NamespaceVisibility(row.visibility),
        row.protected,
    )


def _definition(row: Row[Any]) -> Definition:
    return Definition(Kind(row.kind), row.name, row.members, row.created_at, row.updated_at)
