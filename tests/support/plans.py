"""How an engine goes about what it is asked."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event, text


def plans_of(connection: Connection, work: Callable[[Connection], object]) -> list[str]:
    """Do *work*; return the plan of each of its statements, as one text."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        asked.append((statement, values))

    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        connection.execute(text("SET LOCAL enable_seqscan = off"))  # as it is with many rows
    event.listen(connection, "before_cursor_execute", note)
    work(connection)
    event.remove(connection, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
    return [str(connection.exec_driver_sql(explain + sql, values).fetchall()) for sql, values in asked]
