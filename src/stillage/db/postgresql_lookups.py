"""Look up records of PostgreSQL on the event loop: prepared statements in pipeline mode, on one connection.

Requests that run at the same time share it: each sends its statement at once, and the answers come in that order. It
speaks to libpq through psycopg's wrapper, because psycopg's own asynchronous connections cost six times as much.

Source: PostgreSQL, "libpq", "Asynchronous Command Processing" and "Pipeline Mode".
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import psycopg
from psycopg import pq
from sqlalchemy import Engine, event
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine import ExceptionContext

from stillage.db.lookups import Compiled, Connecting, Keys, Lookup, Rows, Statements

ANSWER_WITHIN_S = 2.0
"""A lookup waits for no lock. If the server is silent for so long, threads ask it, which time out and say so."""
# Object ids of types, from pg_type.dat. Values of all others are text for SQLAlchemy to read.
READERS: Mapping[int, Callable[[bytes], Any]] = {16: lambda text: text == b"t", 20: int, 23: int}


class PostgresqlLookups:
    """Implements `lookups.OnLoop`."""

    def __init__(self, engine: Engine, threads: Executor) -> None:
        """*threads*: as those of `lookups.Connecting`."""
        self._statements = Statements(PGDialect(paramstyle="numeric_dollar"))  # type: ignore[no-untyped-call]
        self._connecting = Connecting(engine, threads, _use_utf8)
        self._pipeline: Pipeline | None = None
        self._is_left = False
        event.listen(engine, "handle_error", self._leave_with_pool)

    async def find(self, lookup: Lookup[..., Any], keys: Keys) -> Rows | None:
        """See `lookups.OnLoop`."""
        if self._is_left and self._pipeline is not None:
            self._pipeline.close()
        if self._pipeline is None or self._pipeline.closed:
            connection = self._connecting.take()
            if connection is None:
                return None
            self._pipeline, self._is_left = Pipeline(connection), False
        statement = self._statements.of(lookup)
        values = _written(statement.parameters(keys))
        result = None if values is None else await self._pipeline.ask(statement, values)
        return None if result is None else statement.rows(_read(result))

    def close(self) -> None:
        if self._pipeline is not None:
            self._pipeline.close()
        self._connecting.close()

    def _leave_with_pool(self, context: ExceptionContext) -> None:
        """Leave a server that the pool leaves. Called in any thread."""
        self._is_left = self._is_left or context.is_disconnect


class Pipeline:
    """A connection that sends each statement without waiting for the answers to those before."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """Take over *connection*, and close it at the end."""
        self.closed = False
        self._connection = connection
        self._pg = connection.pgconn
        self._pg.nonblocking = 1
        self._pg.enter_pipeline_mode()
        self._loop = asyncio.get_running_loop()
        self._names: dict[Compiled, bytes] = {}
        self._waiting: deque[tuple[asyncio.Future[pq.abc.PGresult | None], float]] = deque()
        self._answer: pq.abc.PGresult | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._socket = self._pg.socket  # libpq forgets it when the connection breaks
        self._loop.add_reader(self._socket, self._receive)

    async def ask(self, statement: Compiled, values: Sequence[bytes | None]) -> pq.abc.PGresult | None:
        """Return the rows; None if the statement failed or the connection broke."""
        future: asyncio.Future[pq.abc.PGresult | None] = self._loop.create_future()
        self._waiting.append((future, self._loop.time()))
        if self._timer is None:
            self._timer = self._loop.call_later(ANSWER_WITHIN_S, self._require_answers)
        try:
            self._send(statement, values)
        except psycopg.Error:
            self.close()
        return await future

    def close(self) -> None:
        """Close the connection. Whoever waits for an answer gets None."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        if self._timer is not None:
            self._timer.cancel()
        self._connection.close()
        while self._waiting:
            self._give(None)

    def _send(self, statement: Compiled, values: Sequence[bytes | None]) -> None:
        name = self._names.get(statement)
        if name is None:
            name = self._names[statement] = f"lookup_{len(self._names)}".encode()
            self._pg.send_prepare(name, statement.text.encode())
        self._pg.send_query_prepared(name, values)
        self._pg.pipeline_sync()
        self._flush()

    def _flush(self) -> None:
        """Write as much as the socket takes, and the rest when it takes more."""
        if self._pg.flush():
            self._loop.add_writer(self._socket, self._flush_rest)

    def _flush_rest(self) -> None:
        try:
            if not self._pg.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.Error:
            self.close()

    def _receive(self) -> None:
        try:
            self._pg.consume_input()
            while self._waiting and self._pg.status == pq.ConnStatus.OK and not self._pg.is_busy():
                self._take(self._pg.get_result())
        except psycopg.Error:
            self.close()
        if self._pg.status != pq.ConnStatus.OK:
            self.close()

    def _take(self, result: pq.abc.PGresult | None) -> None:
        """Take the next part of an answer: what a command returned, or the end of what one lookup sent."""
        if result is None:
            return  # the end of one command
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            answer, self._answer = self._answer, None
            self._give(answer)
        elif result.status == pq.ExecStatus.TUPLES_OK:
            self._answer = result

    def _give(self, answer: pq.abc.PGresult | None) -> None:
        future, _ = self._waiting.popleft()
        if not future.done():  # unless whoever asked has been cancelled
            future.set_result(answer)

    def _require_answers(self) -> None:
        """Close a connection on which the oldest question has no answer yet. Runs once in a while, not for each."""
        self._timer = None
        if not self._waiting:
            return
        left_s = self._waiting[0][1] + ANSWER_WITHIN_S - self._loop.time()
        if left_s <= 0:
            self.close()
        else:
            self._timer = self._loop.call_later(left_s, self._require_answers)


def _use_utf8(connection: psycopg.Connection) -> None:
    connection.autocommit = True
    connection.execute("SET client_encoding TO 'UTF8'")


def _written(values: Sequence[Any]) -> list[bytes | None] | None:
    """Return *values* as PostgreSQL reads them; None if one cannot be text there, which a thread will report."""
    try:
        written = [None if value is None else str(value).encode() for value in values]
    except UnicodeEncodeError:
        return None
    return None if any(text is not None and b"\0" in text for text in written) else written


def _read(result: pq.abc.PGresult) -> list[list[Any]]:
    readers = [READERS.get(result.ftype(column), bytes.decode) for column in range(result.nfields)]
    return [
        [None if (text := result.get_value(row, column)) is None else read(text) for column, read in enumerate(readers)]
        for row in range(result.ntuples)
    ]
