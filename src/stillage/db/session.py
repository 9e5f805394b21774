"""The database: units of work, each one thread hop and one transaction.

A unit of work is a plain function of a SQLAlchemy connection. It never waits for bytes or for the network beyond the
database itself, so that no transaction is ever open while data moves.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError

from stillage.db.trouble import is_passing, translated
from stillage.errors import Unavailable

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

LOCK_TIMEOUT_S = 8.0
"""How long a unit of work waits for a thread in this process, and then as long again for locks of others."""
CONNECT_WITHIN_S = 8  # an address where nobody answers would hold a thread for minutes; the URL may say otherwise
ON_LOOP = 1
SQLITE_READERS = 4
SQLITE_WRITERS = 1  # SQLite has one writer at a time; queueing here beats busy-waiting there
CONNECTIONS = 8
"""To PostgreSQL, of one process, half of them for units that write."""
READ_ONLY = "25006"  # Source: PostgreSQL, "Error Codes", read_only_sql_transaction


class Database:
    """Runs units of work on SQLite or PostgreSQL, as the URL says."""

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        """*connections*: how many to PostgreSQL, at least 2. SQLite, which is a file, has its own number."""
        self.engine = make_engine(url, connections=connections)
        self._on_loop: Connection | None = None
        self._connecting = threading.Lock()
        is_sqlite = self.engine.dialect.name == "sqlite"
        self.writers = SQLITE_WRITERS if is_sqlite else connections // 2
        readers = SQLITE_READERS if is_sqlite else connections - self.writers
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="db-read")
        self._writers = ThreadPoolExecutor(self.writers, thread_name_prefix="db-write")

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``work(connection, …)``, run in a transaction that is rolled back."""
        return await self._in_time(self._readers, partial(self._read, work, *args, **kwargs))

    async def look_up(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``work(connection, …)``, which is one SELECT of a few rows by their keys, and nothing more.

        It has no transaction, and on SQLite no thread: going to one and back costs several times what the rows do. It
        waits for no lock there. Should it have to, it becomes a `read`.
        """
        if self.engine.dialect.name != "sqlite":
            return await self._in_time(self._readers, partial(self._read, work, *args, **kwargs))
        try:
            while (connection := self._on_loop) is None:
                await self._in_time(self._readers, self._connect_for_loop)
            return work(connection, *args, **kwargs)
        except DBAPIError as error:
            self._leave_loop()
            if not is_passing(error):
                raise
        return await self.read(work, *args, **kwargs)

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``work(connection, …)``, run in a transaction that is committed if it returns.

        Once begun it runs to its end, also when the principal is cancelled meanwhile.
        """
        return await self._in_time(self._writers, partial(self._write, work, *args, **kwargs))

    async def check(self) -> None:
        """Raise Unavailable unless the database answers."""
        await self.read(lambda connection: connection.execute(text("SELECT 1")).scalar())

    def close(self) -> None:
        self._leave_loop()
        self._readers.shutdown()
        self._writers.shutdown()
        self.engine.dispose()

    def _connect_for_loop(self) -> None:
        """Connect, which may wait for a lock, so in a thread."""
        with self._connecting:
            if self._on_loop is None:
                connection = self.engine.connect().execution_options(has_transactions=False)
                connection.exec_driver_sql("PRAGMA busy_timeout=0")
                self._on_loop = connection

    def _leave_loop(self) -> None:
        if self._on_loop is not None:
            self._on_loop.invalidate()  # its pragma is for nobody else
            self._on_loop.close()
            self._on_loop = None

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

    def _write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
                return work(connection, *args, **kwargs)
        except DBAPIError as error:
            raise translated(error) from error


def make_engine(url: str, *, connections: int = CONNECTIONS) -> Engine:
    """Return an engine with our settings. *url*: ``sqlite:///PATH`` or ``postgresql+psycopg://…``."""
    if (parsed := make_url(url)).get_backend_name() != "sqlite":
        timeouts: dict[str, Any] = {} if "connect_timeout" in parsed.query else {"connect_timeout": CONNECT_WITHIN_S}
        if "options" not in parsed.query:
            timeouts["options"] = f"-c lock_timeout={round(LOCK_TIMEOUT_S * 1000)}"
        engine = create_engine(url, pool_size=connections, max_overflow=0, pool_pre_ping=True, connect_args=timeouts)
        event.listen(engine, "handle_error", _leave_standby)
        return engine
    engine = create_engine(
        url,
        pool_size=ON_LOOP + SQLITE_READERS + SQLITE_WRITERS,
        max_overflow=0,
        connect_args={"check_same_thread": False},
    )
    if parsed.database:
        event.listen(engine, "do_connect", partial(_make_private, Path(parsed.database)))
    event.listen(engine, "connect", _prepare_sqlite)
    if parsed.database:
        event.listen(engine, "connect", partial(_close_to_others, Path(parsed.database)))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _leave_standby(context: ExceptionContext) -> None:
    """Count a server that only reads as gone: after a fail-over the pool would keep its connections to it."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


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
    cursor.execute("PRAGMA journal_mode=WAL")
    # An acknowledged commit must survive a power cut; with NORMAL, WAL may lose the last ones.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("has_transactions", True):
        return
    # An ordinary BEGIN takes the write lock at the first write, and then fails instead of waiting for it.
    writes = options.get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
