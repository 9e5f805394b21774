"""Look up records of SQLite on the event loop: going to a thread and back costs several times what the rows do.

In WAL mode a reader waits for nobody. Should it have to after all, as while another process recovers the log after a
crash, it gives up at once. It also gives up if the rows take long to find, as those of a list that has to be sorted, or
to read from a slow disk.
"""

import sqlite3
import time
from concurrent.futures import Executor

from sqlalchemy import Engine

from stillage.db.lookups import Connecting, Memory, Question, Rows, Statements

STEPS = 10_000
"""How many steps of SQLite's machine are between two looks at how long it takes: half a millisecond."""
LOOKS = 10
"""A list of 25 takes one or two."""
LONG_S = 0.010
"""A disk may be slow, or another process may have the core; that says nothing about the statement."""


class SqliteLookups:
    """Implements `lookups.OnLoop` with one connection. SQLite begins and ends a transaction for each statement."""

    def __init__(self, engine: Engine, threads: Executor) -> None:
        """*threads*: as those of `lookups.Connecting`."""
        self.memory: Memory = {}
        self._statements = Statements(engine.dialect)
        self._connecting = Connecting(engine, threads, _never_wait)
        self._connection: sqlite3.Connection | None = None
        self._looks, self._until = 0, 0.0

    async def find(self, question: Question) -> Rows | None:
        """See `lookups.OnLoop`."""
        if self._connection is None:
            self._connect()
            if self._connection is None:
                return None
        statement, now = self._statements.of(question.statement), time.monotonic()
        if now < statement.avoided_until:
            return None
        self._looks, self._until = 0, now + LONG_S
        try:
            cursor = self._connection.execute(statement.text, statement.parameters(question.keys))
            try:
                return statement.rows(cursor)
            finally:
                cursor.close()  # unless all rows were read, only this ends the transaction
        except sqlite3.Error as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                self._disconnect()
            elif self._looks > LOOKS:
                statement.avoid()
            return None

    def close(self) -> None:
        self._disconnect()
        self._connecting.close()

    def _connect(self) -> None:
        self._connection = self._connecting.take()
        if self._connection is not None:
            self._connection.set_progress_handler(self._takes_long, STEPS)

    def _takes_long(self) -> bool:
        self._looks += 1
        return self._looks > LOOKS or time.monotonic() > self._until

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _never_wait(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA busy_timeout=0")
