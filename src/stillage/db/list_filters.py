"""The filters of a list as SQL conditions. Texts and numbers in them are names of parameters of the statement."""

from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Table,
    and_,
    bindparam,
    false,
    literal,
    literal_column,
    or_,
    select,
    true,
)

from stillage.db.rules import Clause
from stillage.db.tables import image_members, image_properties, image_tags, images
from stillage.images.query import Condition, Operator, TimeRange

COLUMNS: Mapping[str, ColumnElement[Any]] = {**images.c}


def is_entry(table: Table, *named: Clause) -> Clause:
    """The image has this tag or property: a look-up of one whole key for each image, which EXISTS need not be."""
    return _entry(table, *named) == 1


def is_no_entry(table: Table, *named: Clause) -> Clause:
    """The image does not have this tag or property: a look-up, as `is_entry`."""
    # PostgreSQL takes IS NULL of a subquery for true of few images, and then reads all of them.
    return (_entry(table, *named) == 1).is_not(true())


def has_tag(parameter: str) -> Clause:
    return image_tags.c.tag == bindparam(parameter, type_=image_tags.c.tag.type)


def has_property(name: str, value: str) -> tuple[Clause, Clause]:
    table = image_properties.c
    return table.name == bindparam(name, type_=table.name.type), table.value == bindparam(value, type_=table.value.type)


def is_property(name: str, value: str) -> tuple[Clause, Clause]:
    """As `has_property`, of one that is the same in every such list."""
    table = image_properties.c
    return table.name == literal(name, table.name.type), table.value == literal(value, table.value.type)


def is_member(*named: Clause) -> Clause:
    """The image is shared so with one project: a look-up, as `is_entry`."""
    return _row(image_members, *named, image_members.c.image_id == images.c.id) == 1


def _entry(table: Table, *named: Clause) -> ColumnElement[int]:
    return _row(table, *named, table.c.created_at == images.c.created_at, table.c.image_id == images.c.id)


def _row(table: Table, *key: Clause) -> ColumnElement[int]:
    """1 if there is such a row, else NULL."""
    return select(literal_column("1", Integer)).select_from(table).where(*key).correlate(images).scalar_subquery()


def has_members(value: bool) -> Clause:
    """As a literal: it stands in the indexes by visibility, so that no record is read in vain."""
    return images.c.has_members == _boolean(value)


def holds(condition: Condition, columns: Mapping[str, ColumnElement[Any]] = COLUMNS, *, leads: bool = False) -> Clause:
    """*columns*: where a source has what is compared; its own index, if it can."""
    column, value = columns[condition.column], condition.value
    if isinstance(value, tuple):
        return column.in_([literal(each, column.type) for each in value])
    if isinstance(value, bool):
        # A literal, so that a prepared statement can use an index. SQLite uses none for IS NOT.
        return column == _boolean(value) if leads else column.is_not(_boolean(not value))
    if isinstance(value, TimeRange):
        return _in_range(column, condition.operator, value)
    if condition.operator is Operator.CONTAINS:
        return column.ilike(bindparam(str(value), type_=column.type), escape="\\")
    # A number may be larger than the column's type, which PostgreSQL would refuse.
    kind = BigInteger() if isinstance(column.type, Integer) else column.type
    return COMPARE[condition.operator](column, bindparam(str(value), type_=kind))


def _boolean(value: bool) -> Clause:
    return true() if value else false()


def _in_range(time: ColumnElement[Any], operator: Operator, moment: TimeRange) -> Clause:
    if operator is Operator.EQ:
        return and_(time >= moment.start, time < moment.end)
    if operator is Operator.NEQ:
        return or_(time < moment.start, time >= moment.end)
    bound = moment.end if operator in (Operator.GT, Operator.LTE) else moment.start
    return COMPARE[Operator.GTE if operator in (Operator.GT, Operator.GTE) else Operator.LT](time, bound)


COMPARE: Mapping[Operator, Callable[[ColumnElement[Any], Any], Clause]] = {
    Operator.EQ: eq,
    Operator.NEQ: ne,
    Operator.GT: gt,
    Operator.GTE: ge,
    Operator.LT: lt,
    Operator.LTE: le,
}
