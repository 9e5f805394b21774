"""Statements of units of work that SQLAlchemy compiles once and the driver runs, as those of `lookups`.

For what nearly every change of an image does: SQLAlchemy's share of each execution is several times the driver's.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, ReturnsRows

from stillage.db.lookups import Compiled, Keys


class Prepared:
    """One statement, with parameters that each execution names.

    It is part of the connection's transaction, and fails as if SQLAlchemy had run it. SQLAlchemy's events are for the
    statements that it runs itself.
    """

    def __init__(self, statement: ReturnsRows) -> None:
        self._statement = statement
        self._compiled: dict[str, Compiled] = {}

    def run(self, connection: Connection, keys: Keys) -> Sequence[Any]:
        """Return the rows: tuples, with the columns' names as attributes. None of them if it only writes.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        dbapi: Any = connection.dialect.loaded_dbapi
        compiled = self.on(connection.dialect)
        values = compiled.parameters(keys)
        if not connection.in_transaction():
            connection.begin()
        driver: Any = connection.connection.driver_connection
        try:
            cursor = driver.execute(compiled.text, values)
            return compiled.all(cursor.fetchall()) if compiled.returns_rows else ()
        except dbapi.Error as error:
            # Wraps it, tells those who listen, and gives up a connection that is lost. There is no public way to this.
            connection._handle_dbapi_exception(error, compiled.text, values, None, None)  # noqa: SLF001
            raise

    def on(self, dialect: Dialect) -> Compiled:
        """Return it for the driver of *dialect*, compiled when it is first asked for."""
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = Compiled(self._statement, dialect)
        return compiled
