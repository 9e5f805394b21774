"""The time: that of PostgreSQL on every node, so that their own clocks may differ, and of this process with SQLite."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select

from stillage.db.session import Database
from stillage.errors import Unavailable

Clock = Callable[[], datetime]
"""Returns the time, aware and UTC."""


def now() -> datetime:
    return datetime.now(UTC)


class DatabaseClock:
    """Tells the database's time without asking it each time: it counts on from the last reading.

    It counts with a clock that nobody sets, and that runs on while the machine is suspended. Until the first reading
    it tells this process's time.
    """

    def __init__(self, process: Clock = now) -> None:
        self._read_at = process()
        self._mark_s = _elapsed_s()

    def __call__(self) -> datetime:
        return self._read_at + timedelta(seconds=_elapsed_s() - self._mark_s)

    async def read(self, database: Database) -> None:
        """Set it by the database. Wrong by half the time that the answer takes, at most.

        Raises:
            Unavailable: If the database does not answer; then it counts on as before.
        """
        self._read_at, self._mark_s = await database.read(_reading)


async def clock_of(database: Database) -> Clock:
    """Return a clock for the nodes on *database*. If it does not answer now, set it later with `set_by`."""
    if database.engine.dialect.name == "sqlite":
        return now
    clock = DatabaseClock()
    with suppress(Unavailable):
        await clock.read(database)
    return clock


async def set_by(database: Database, clock: Clock) -> None:
    """Set *clock* again, if it is the database's: it drifts, and the database may have moved to another machine.

    Raises:
        Unavailable: If the database does not answer.
    """
    if isinstance(clock, DatabaseClock):
        await clock.read(database)


def _reading(connection: Connection) -> tuple[datetime, float]:
    """Return the database's time, and what `_elapsed_s` was then."""
    before = _elapsed_s()
    told: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return told.astimezone(UTC), (before + _elapsed_s()) / 2


def _elapsed_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
