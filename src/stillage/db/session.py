"""The database: units of work, each one thread hop and, as far as it can tell, one transaction.

Lookups of single records and short lists are on the event loop, without either.

A unit of work is a plain function of a SQLAlchemy connection. It never waits for bytes or for the network beyond the
database itself, so that no transaction is ever open while data moves.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, Engine, FromClause, create_engine, event, text
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError

from stillage import traces
from stillage.db.columns import decoded
from stillage.db.lookups import Inquiry, OnLoop
from stillage.db.sqlite_lookups import SqliteLookups
from stillage.db.trouble import translated
from stillage.db.writing import Writers
from stillage.errors import BadSettings, Unavailable

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

LOCK_TIMEOUT_S = 8.0
"""How long a unit of work waits for a thread in this process, and then as long again for locks of others."""
CONNECT_WITHIN_S = 8  # an address where nobody answers would hold a thread for minutes; the URL may say otherwise
SQLITE_READERS = 4
SQLITE_WRITERS = 1  # SQLite has one writer at a time; queueing here beats busy-waiting there
CONNECTIONS = 8
"""To PostgreSQL, of one process, half of them for units that write and one for lookups."""
ON_LOOP = 1
WAL_PAUSE_S = 0.02
"""Between two tries to switch a new SQLite file to a write-ahead log."""
UNIT = "stillage.unit"
READ_ONLY = "25006"  # Source: PostgreSQL, "Error Codes", read_only_sql_transaction


class Database:
    """Runs units of work on SQLite or PostgreSQL, as the URL says."""

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        """*connections*: how many to PostgreSQL, at least 3. SQLite, which is a file, has its own number."""
        self.engine = make_engine(url, connections=connections)
        is_sqlite = self.engine.dialect.name == "sqlite"
        self.writers = SQLITE_WRITERS if is_sqlite else connections // 2
        readers = SQLITE_READERS if is_sqlite else connections - self.writers - ON_LOOP
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="db-read")
        self._writers = Writers(self.engine, self.writers)
        self._on_loop = _on_loop(self.engine, self._readers)

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``work(connection, …)``, run in a transaction that is rolled back."""
        with traces.part("database read", {UNIT: name_of(work)}):
            return await self._in_time(self._readers, partial(self._read, work, *args, **kwargs))

    async def look_up(self, inquiry: Inquiry[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *inquiry* finds, as a rule without a thread. A `read` if that would take long or have to wait."""
        if inquiry.is_short(*args, **kwargs):
            questions = inquiry.questions(self._on_loop.memory, *args, **kwargs)
            with traces.part("database lookup"):
                try:
                    question = next(questions)
                    while (rows := await self._on_loop.find(question)) is not None:
                        question = questions.send(rows)
                except StopIteration as end:
                    value: T = end.value
                    return value
        return await self.read(inquiry, *args, **kwargs)

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``work(connection, …)``, run in a transaction that is committed if it returns.

        Once begun it runs to its end, also when the principal is cancelled meanwhile. It may run twice, undone between:
        see `writing`.
        """
        with traces.part("database write", {UNIT: name_of(work)}):
            return await self._writers.run(time.monotonic() + LOCK_TIMEOUT_S, work, *args, **kwargs)

    async def check(self) -> None:
        """Raise Unavailable unless the database answers."""
        await self.read(lambda connection: connection.execute(text("SELECT 1")).scalar())

    def close(self) -> None:
        self._readers.shutdown()
        self._writers.close()
        self._on_loop.close()
        self.engine.dispose()

    async def _in_time(self, threads: ThreadPoolExecutor, run: Callable[[], T]) -> T:
        until = time.monotonic() + LOCK_TIMEOUT_S

        def begin() -> T:
            # While a lock stays, each unit in the queue would wait for it in turn, for minutes in total.
            if time.monotonic() >= until:
                log.warning("the database does not answer", why="those who asked before wait for it")
                raise Unavailable("the database is busy; try again later")
            return run()

        return await asyncio.get_running_loop().run_in_executor(threads, begin)

    def _read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            with self.engine.connect() as connection:
                return work(connection, *args, **kwargs)
        except DBAPIError as error:
            raise translated(error) from error


def name_of(work: Any) -> str:
    """Return what a trace calls a unit of work."""
    return str(getattr(work, "__name__", type(work).__name__))


def make_engine(url: str, *, connections: int = CONNECTIONS) -> Engine:
    """Return an engine with our settings. *url*: ``sqlite:///PATH`` or ``postgresql+psycopg://…``.

    Raises:
        BadSettings: If what speaks with the database is not installed.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    try:
        return _postgresql(parsed, connections)
    except ModuleNotFoundError as error:
        raise BadSettings(
            f"database_url names PostgreSQL, and {error.name} is missing; run: pip install 'stillage[postgresql]'"
        ) from error


def _postgresql(url: URL, connections: int) -> Engine:
    timeouts: dict[str, Any] = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_WITHIN_S}
    if "options" not in url.query:
        timeouts["options"] = f"-c lock_timeout={round(LOCK_TIMEOUT_S * 1000)}"
    engine = create_engine(
        url,
        pool_size=connections - ON_LOOP,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args=timeouts,
        json_deserializer=decoded,
    )
    event.listen(engine, "handle_error", _leave_standby)
    return engine


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=SQLITE_READERS + SQLITE_WRITERS,
        max_overflow=0,
        connect_args={"check_same_thread": False},
        json_deserializer=decoded,
    )
    engine.dialect.statement_compiler = _SqliteCompiler
    if url.database:
        event.listen(engine, "do_connect", partial(_make_private, Path(url.database)))
    event.listen(engine, "connect", _prepare_sqlite)
    if url.database:
        event.listen(engine, "connect", partial(_close_to_others, Path(url.database)))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


class _SqliteCompiler(SQLiteCompiler):
    """Writes the hint which index a list is read from: SQLAlchemy leaves hints for SQLite out."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002
        return text


def _leave_standby(context: ExceptionContext) -> None:
    """Count a server that only reads as gone: after a fail-over the pool would keep its connections to it."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


def _on_loop(engine: Engine, threads: Executor) -> OnLoop:
    if engine.dialect.name == "sqlite":
        return SqliteLookups(engine, threads)
    from stillage.db.postgresql_lookups import PostgresqlLookups  # noqa: PLC0415 - SQLite needs no psycopg

    return PostgresqlLookups(engine, threads)


def _make_private(path: Path, *_: object) -> None:
    """Create the database file with access for its owner only. SQLite would apply the umask."""
    with suppress(OSError):  # it exists, or SQLite will report the error
        # Never an existing file: closing it would release the locks that SQLite holds on it in this process.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _close_to_others(path: Path, *_: object) -> None:
    """Remove the access of others that an earlier start left; SQLite gives its journals the mode of the file.

    Only after SQLite has found that the file is a database: a setting may name another file by mistake.
    """
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError, PermissionError):
            file = path.with_name(f"{path.name}{suffix}")
            if file.stat().st_mode & 0o077:
                file.chmod(0o600)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver opens no transaction of its own; _begin_sqlite begins the kind that we want.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={round(LOCK_TIMEOUT_S * 1000)}")
    _use_wal(cursor)
    # An acknowledged commit must survive a power cut; with NORMAL, WAL may lose the last ones.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # A savepoint keeps the old content of pages that change after it: by default in a temporary file, with two system
    # calls for each. What a group of units changes, and what our queries sort, is no larger than what is answered.
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.close()


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Switch the file to a write-ahead log, if it has none. SQLite itself does not wait here for one who writes."""
    until = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(WAL_PAUSE_S)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # An ordinary BEGIN takes the write lock at the first write, and then fails instead of waiting for it.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
