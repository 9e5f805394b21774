"""The order of a list in SQL, and the place in it at which a page begins."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, false, or_, true, tuple_

from stillage.db.rules import Clause
from stillage.db.tables import images
from stillage.images.query import Key

Columns = Mapping[str, ColumnElement[Any]]


def ordered(column: ColumnElement[Any], key: Key, part: bool | None = None) -> ColumnElement[Any]:
    """Null is less than everything. PostgreSQL has to be told, but where nothing is null that would hide the index.

    *part*: All of them are null, or none is.
    """
    direction = column.desc() if key.descending else column.asc()
    if part is not None or not images.c[key.column].nullable:
        return direction
    return direction.nulls_last() if key.descending else direction.nulls_first()


def after(order: Sequence[Key], columns: Columns, nulls: frozenset[str], part: bool | None = None) -> Clause:
    """What comes after the marker in *order*.

    *part*: Only of the images whose first key is null, or of those where it is not; None: of all.
    """
    first, *rest = order
    if part is None:
        return _after(order, columns, nulls, nullable=any(images.c[key.column].nullable for key in order))
    if part is not (first.column in nulls):
        return true()  # `reaches` says whether they come before it
    if part:
        return after(rest, columns, nulls)
    return _after(order, columns, nulls, nullable=any(images.c[key.column].nullable for key in rest))


def reaches(part: bool | None, first: Key, nulls: frozenset[str]) -> bool:
    """Whether any image of *part* (see `after`) can come after the marker."""
    return part in (None, first.column in nulls) or part == first.descending


def _after(order: Sequence[Key], columns: Columns, nulls: frozenset[str], *, nullable: bool) -> Clause:
    directions = {key.descending for key in order}
    if len(directions) == 1 and not nullable:
        # Both engines look up a row value in an index, but not the equivalent condition with AND and OR.
        place = tuple_(*[_place(key) for key in order])
        row = tuple_(*[columns[key.column] for key in order])
        return row < place if True in directions else row > place
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
