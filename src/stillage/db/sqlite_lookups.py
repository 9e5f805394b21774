"""Look up records of SQLite on the event loop: going to a thread and back costs several times what the rows do.

In WAL mode a reader waits for nobody. Should it have to after all, as while another process recovers the log after a
crash, it gives up at once.
"""

import sqlite3
from concurrent.futures import Executor
from typing import Any

from sqlalchemy import Engine

from stillage.db.lookups import Connecting, Keys, Lookup, Rows, Statements


class SqliteLookups:
    """Implements `lookups.OnLoop` with one connection. SQLite begins and ends a transaction for each statement."""

    def __init__(self, engine: Engine, threads: Executor) -> None:
        """*threads*: as those of `lookups.Connecting`."""
        self._statements = Statements(engine.dialect)
        self._connecting = Connecting(engine, threads, _never_wait)
        self._connection: sqlite3.Connection | None = None

    async def find(self, lookup: Lookup[..., Any], keys: Keys) -> Rows | None:
        """See `lookups.OnLoop`."""
        if self._connection is None:
            self._connection = self._connecting.take()
            if self._connection is None:
                return None
        statement = self._statements.of(lookup)
        try:
            # All of them: only with the last row does the transaction end.
            found = self._connection.execute(statement.text, statement.parameters(keys)).fetchall()
        except sqlite3.Error:
            self._disconnect()
            return None
        return statement.rows(found)

    def close(self) -> None:
        self._disconnect()
        self._connecting.close()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _never_wait(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA busy_timeout=0")
