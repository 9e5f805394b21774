"""Look up records of PostgreSQL on the event loop: prepared statements in pipeline mode, on one connection.

Requests that run at the same time share it: each sends its statement at once, and the answers come in that order. It
speaks to libpq through psycopg's wrapper, because psycopg's own asynchronous connections cost six times as much.

Source: PostgreSQL, "libpq", "Asynchronous Command Processing" and "Pipeline Mode".
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from concurrent.futures import Executor
from itertools import count
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.types.string import TextLoader
from sqlalchemy import Engine, event
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine import ExceptionContext

from stillage.db.columns import decoded
from stillage.db.lookups import KEPT, Compiled, Connecting, Memory, Question, Rows, Statements

ANSWER_WITHIN_S = 2.0
"""A lookup waits for no lock. If the server is silent for so long, threads ask it, which time out and say so."""
LONG_MS = 100
"""After which the server gives up a statement: those of other requests wait behind it. A thread asks it then."""
FOR_ALL, BY_VALUE = b"force_generic_plan", b"auto"
"""How statements are planned: once for all values, or as PostgreSQL sees fit. It sees fit to plan each page of a list,
which takes longer than to read it.

Source: PostgreSQL, "Server Configuration", plan_cache_mode.
"""
PLANNING = ("enable_seqscan = off",)
"""Each lookup has an index, and a plan for all values may be wrong about how many rows one of them has."""
GIVEN_UP, NOT_PREPARED = b"57014", b"26000"
"""Source: PostgreSQL, "Error Codes", query_canceled and invalid_sql_statement_name."""


Found = Sequence[Sequence[Any]]
"""Rows as psycopg reads them."""


class PostgresqlLookups:
    """Implements `lookups.OnLoop`."""

    def __init__(self, engine: Engine, threads: Executor) -> None:
        """*threads*: as those of `lookups.Connecting`."""
        dialect = PGDialect(paramstyle="numeric_dollar", json_deserializer=decoded)  # type: ignore[no-untyped-call]
        self.memory: Memory = {}
        self._statements = Statements(dialect)
        self._connecting = Connecting(engine, threads, _prepare)
        self._pipeline: Pipeline | None = None
        self._is_left = False
        event.listen(engine, "handle_error", self._leave_with_pool)

    async def find(self, question: Question) -> Rows | None:
        """See `lookups.OnLoop`."""
        if self._is_left and self._pipeline is not None:
            self._pipeline.close()
        if self._pipeline is None or self._pipeline.closed:
            connection = self._connecting.take()
            if connection is None:
                return None
            self._pipeline, self._is_left = Pipeline(connection), False
        statement = self._statements.of(question.statement)
        if time.monotonic() < statement.avoided_until:
            return None
        values = _written(statement.parameters(question.keys))
        found = None if values is None else await self._pipeline.ask(statement, values, question.by_value)
        return None if found is None else statement.rows(found)

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
        self._reader = Transformer(connection)
        self._names: OrderedDict[Compiled, bytes] = OrderedDict()
        self._numbers = count()
        self._planning: bytes | None = None
        self._waiting: deque[tuple[asyncio.Future[Found | None], Compiled, float]] = deque()
        self._answer: Found | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._socket = self._pg.socket  # libpq forgets it when the connection breaks
        self._loop.add_reader(self._socket, self._receive)

    async def ask(self, statement: Compiled, values: Sequence[bytes | None], by_value: bool = False) -> Found | None:
        """Return the rows; None if the statement failed, took long, or the connection broke."""
        future: asyncio.Future[Found | None] = self._loop.create_future()
        self._waiting.append((future, statement, self._loop.time()))
        if self._timer is None:
            self._timer = self._loop.call_later(ANSWER_WITHIN_S, self._require_answers)
        try:
            self._send(statement, values, by_value)
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

    def _send(self, statement: Compiled, values: Sequence[bytes | None], by_value: bool) -> None:
        self._plan(BY_VALUE if by_value else FOR_ALL)
        name = self._names.get(statement) or self._prepare(statement)
        self._names.move_to_end(statement)
        self._pg.send_query_prepared(name, values)
        self._pg.pipeline_sync()
        self._flush()

    def _plan(self, how: bytes) -> None:
        if how != self._planning:
            self._planning = how
            self._pg.send_query_params(b"SET plan_cache_mode = " + how, [])

    def _prepare(self, statement: Compiled) -> bytes:
        name = self._names[statement] = f"lookup_{next(self._numbers)}".encode()
        self._pg.send_prepare(name, statement.text.encode())
        if len(self._names) > KEPT:
            _, oldest = self._names.popitem(last=False)
            self._pg.send_query_params(b"DEALLOCATE " + oldest, [])
        return name

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
            self._reader.set_pgresult(result)
            self._answer = self._reader.load_rows(0, result.ntuples, tuple)
        elif result.status == pq.ExecStatus.FATAL_ERROR:
            self._planning = None  # undone if it was set for this statement
            self._learn(result.error_field(pq.DiagnosticField.SQLSTATE))

    def _learn(self, sqlstate: bytes | None) -> None:
        """Take note of why the statement that is answered now has failed."""
        _, statement, _ = self._waiting[0]
        if sqlstate == GIVEN_UP:
            statement.avoid()
        elif sqlstate == NOT_PREPARED:
            self._names.pop(statement, None)

    def _give(self, answer: Found | None) -> None:
        future, *_ = self._waiting.popleft()
        if not future.done():  # unless whoever asked has been cancelled
            future.set_result(answer)

    def _require_answers(self) -> None:
        """Close a connection on which the oldest question has no answer yet. Runs once in a while, not for each."""
        self._timer = None
        if not self._waiting:
            return
        left_s = self._waiting[0][-1] + ANSWER_WITHIN_S - self._loop.time()
        if left_s <= 0:
            self.close()
        else:
            self._timer = self._loop.call_later(left_s, self._require_answers)


def _prepare(connection: psycopg.Connection) -> None:
    connection.autocommit = True
    connection.execute("SET client_encoding TO 'UTF8'")
    connection.execute(f"SET statement_timeout = {LONG_MS}")
    for setting in PLANNING:
        connection.execute(f"SET {setting}")
    connection.adapters.register_loader("json", TextLoader)  # SQLAlchemy reads it


def _written(values: Sequence[Any]) -> list[bytes | None] | None:
    """Return *values* as PostgreSQL reads them; None if one cannot be text there, which a thread will report."""
    try:
        written = [None if value is None else str(value).encode() for value in values]
    except UnicodeEncodeError:
        return None
    return None if any(text is not None and b"\0" in text for text in written) else written
