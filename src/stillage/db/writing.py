"""Group commit: units of work that wait while others are made durable are then committed together, with one sync.

Each unit in a group has a savepoint, so that one that raises undoes only itself, and is answered after the commit. To
whoever calls, it is as if the units had run one after the other, each in a transaction of its own.

* The first unit of a group waits for locks as it would alone: the group holds none yet. The others wait for none. One
  that would have to is undone, the group is committed, and that unit is the first of the next. So a group never waits
  for a lock while it holds others, and adds no deadlock to those that single units have.
* If the engine gives up the whole transaction, on a full disk, nothing of it was done; each unit has another one then.

So a unit may run twice, and only what its last run did and returned counts.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from stillage.db.trouble import translated
from stillage.errors import Unavailable

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

GROUP = 32
"""How many units one commit has at most: the first one waits for the last."""
JOINS_WITHIN_S = 0.025
"""For so long a unit waits for a thread that works already, before another thread begins a transaction for it.

Small groups on many threads cost half as much again as large ones on one: each has a BEGIN and a COMMIT, and the
threads share one interpreter. A thread that waits for a lock does not keep others waiting for longer than this.
"""
WOULD_WAIT = frozenset({"55P03", "40P01"})
"""PostgreSQL's codes for a lock that was not to be had in time, and for a deadlock."""
HARDLY_WAIT = "SET LOCAL lock_timeout = 20"
"""In milliseconds, far below the second after which PostgreSQL looks for deadlocks: it takes the group for none."""


@dataclass(slots=True, eq=False)
class Unit:
    """A unit of work, and who waits for it on which loop.

    Attributes:
        until: It is not begun later, on the monotonic clock.
        is_taken: A thread has it.
    """

    work: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    until: float
    answer: "asyncio.Future[None]"
    is_taken: bool = False
    result: Any = None
    error: BaseException | None = None

    def run(self, connection: Connection) -> None:
        self.result = self.work(connection, *self.args, **self.kwargs)


class Writers:
    """Runs units of work in transactions that are committed, on a few threads."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._waiting: deque[Unit] = deque()
        self._lock = threading.Lock()
        self._count = self._idle = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="db-write")

    async def run(
        self, until: float, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return ``work(connection, …)`` when it is committed.

        Raises:
            Unavailable: If the database does not answer, or the work was not begun by the time *until*.
        """
        loop = asyncio.get_running_loop()
        unit = Unit(work, args, kwargs, until, loop.create_future())
        with self._lock:
            self._waiting.append(unit)
            is_alone = self._idle == self._count
        if is_alone:
            self._call_thread(unit)
        else:
            loop.call_later(JOINS_WITHIN_S, self._call_thread, unit)
        await unit.answer
        try:
            if unit.error is not None:
                raise unit.error
            result: T = unit.result
            return result
        finally:
            del unit  # its error refers to this frame

    def _call_thread(self, unit: Unit) -> None:
        """Let one more thread work, if *unit* still waits and there is one."""
        with self._lock:
            is_called = self._idle > 0 and not unit.is_taken
            self._idle -= is_called
        if is_called:
            self._threads.submit(self._work_off)

    def close(self) -> None:
        """Finish what waits."""
        self._threads.shutdown()

    def _work_off(self) -> None:
        with closing(_Held(self._engine)) as held:
            while units := self._take():
                while units:
                    done = _commit_or_fail(held, units)
                    answer(units[:done])
                    del units[:done]

    def _take(self) -> list[Unit]:
        with self._lock:
            units = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
            for unit in units:
                unit.is_taken = True
            self._idle += not units
            return units


class _Held:
    """A connection for as long as there is work: before it gives one, the pool asks PostgreSQL whether it is there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(writes=True)
        try:
            with self._connection.begin():
                yield self._connection
        except BaseException:
            self.close()  # it may be what failed
            raise

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _commit_or_fail(held: _Held, units: Sequence[Unit]) -> int:
    """`_commit`; whatever goes wrong in here itself, nobody waits for ever."""
    try:
        return _commit(held, units)
    except BaseException as error:
        for unit in units:
            unit.error = unit.error or error
        with suppress(Exception):
            log.exception("a unit of work could not even fail")
        return len(units)


def _commit(held: _Held, units: Sequence[Unit]) -> int:
    """Run and commit the first of *units*, and those behind it that need not wait; return how many."""
    if not _may_begin(units[0]):
        return 1
    if len(units) == 1:
        _commit_alone(held, units[0])
        return 1
    try:
        return _commit_together(held, units)
    except _Undone:
        for unit in units:
            if _may_begin(unit):
                _commit_alone(held, unit)
        return len(units)


def _commit_alone(held: _Held, unit: Unit) -> None:
    unit.error = None
    try:
        with held.transaction() as connection:
            unit.run(connection)
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
        unit.error = _shown(error)


def _commit_together(held: _Held, units: Sequence[Unit]) -> int:
    done = 0
    try:
        with held.transaction() as connection:
            savepoint = _Savepoint(connection)
            while done < len(units) and (not _may_begin(units[done]) or savepoint.run(units[done])):
                done += 1
    except _Undone:
        raise
    except BaseException as error:  # noqa: BLE001 - of BEGIN or COMMIT, so it belongs to all of them
        done, shown = done or len(units), _shown(error)
        for unit in units[:done]:
            unit.error = unit.error or shown
    return done


class _Undone(Exception):
    """The transaction has ended without being asked to, and nothing that was done in it is left."""


class _Savepoint:
    """Runs units in one transaction, one after the other. One that raises undoes only itself."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._driver: Any = connection.connection.driver_connection
        self._is_postgresql = connection.dialect.name == "postgresql"
        self._before = ["SAVEPOINT unit"]
        self._may_wait = True

    def run(self, unit: Unit) -> bool:
        """Run *unit*, and keep what it returns or raises. False if it would have to wait: nothing of it is done then.

        Raises:
            _Undone: If the transaction has ended.
        """
        self._execute(self._before)
        try:
            unit.run(self._connection)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            self._execute(["ROLLBACK TO SAVEPOINT unit"])
            if not self._may_wait and _would_wait(error):
                return False
            unit.error = _shown(error)
        self._before = ["RELEASE SAVEPOINT unit", "SAVEPOINT unit"]
        if self._may_wait and self._is_postgresql:
            self._before.insert(1, HARDLY_WAIT)
        self._may_wait = False
        return True

    def _execute(self, statements: Sequence[str]) -> None:
        """Ask the driver itself, of PostgreSQL in one round trip: SQLAlchemy's share would be several times theirs."""
        dbapi: Any = self._connection.dialect.loaded_dbapi
        try:
            if self._is_postgresql:
                self._driver.execute("; ".join(statements), prepare=False)
                return
            for statement in statements:
                self._driver.execute(statement)
        except dbapi.Error as error:
            raise _Undone from error


def _may_begin(unit: Unit) -> bool:
    if unit.answer.cancelled():
        return False
    if time.monotonic() < unit.until:
        return True
    # While a lock stays, each unit in the queue would wait for it in turn, for minutes in total.
    log.warning("the database does not answer", why="those who asked before wait for it")
    unit.error = Unavailable("the database is busy; try again later")
    return False


def _shown(error: BaseException) -> BaseException:
    if not isinstance(error, DBAPIError):
        return error
    shown = translated(error)
    if shown is not error:
        shown.__cause__ = error
    return shown


def _would_wait(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in WOULD_WAIT


def answer(units: Sequence[Unit]) -> None:
    """Wake whoever waits for *units*, from this thread and with one call for all."""
    for loop, waking in groupby(units, lambda unit: unit.answer.get_loop()):
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_wake, [unit.answer for unit in waking])


def _wake(answers: Sequence["asyncio.Future[None]"]) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_result(None)
