"""A row in every table of any schema, whatever its columns are: what an upgrade has to keep."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    inspect,
    select,
)

ALEMBICS = "alembic_version"
Row = dict[str, Any]
VALUES: tuple[tuple[Any, Any], ...] = (
    (Boolean, True),
    (DateTime, datetime(2026, 1, 2, 3, 4, 5, 678901)),  # noqa: DTZ001 - as the column has it
    (Integer | Float | Numeric, 7),
    (JSON, {"a": [1]}),
    (LargeBinary, b"bytes"),
)


def fill(connection: Connection) -> dict[str, Row]:
    """Add a row with a value in every column to every table, and return them by table."""
    found = MetaData()
    found.reflect(connection)
    rows: dict[str, Row] = {}
    for table in found.sorted_tables:
        if table.name != ALEMBICS:
            rows[table.name] = _row(table, rows)
            connection.execute(table.insert(), rows[table.name])
    return rows


def is_there(connection: Connection, table: str, row: Row) -> bool:
    """Return whether *table* has *row*; columns that it lost meanwhile do not count."""
    if not inspect(connection).has_table(table):
        return False
    found = Table(table, MetaData(), autoload_with=connection)
    kept = {name: value for name, value in row.items() if name in found.columns}
    held = connection.execute(select(*(found.c[name] for name in kept))).mappings()
    return any(dict(one) == kept for one in held)


def _row(table: Table, rows: dict[str, Row]) -> Row:
    return {column.name: _value(column, rows) for column in table.columns}


def _value(column: Column[Any], rows: dict[str, Row]) -> Any:
    for key in column.foreign_keys:
        named, _, of = key.target_fullname.rpartition(".")
        if named in rows:  # a table that names itself has no row yet
            return rows[named][of]
        return None
    for kinds, value in VALUES:
        if isinstance(column.type, kinds):
            return value
    return f"some {column.name}"[: getattr(column.type, "length", None)]
