"""Writes that are committed in groups are as if each had a transaction of its own, on every engine."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Any
from unittest.mock import DEFAULT, patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from stillage.db.tables import projects
from stillage.db.writing import Writers
from stillage.errors import Unavailable

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Work = Callable[[Connection], Any]


def add(connection: Connection, name: str) -> list[str]:
    connection.execute(insert(projects).values(id=name, name=name, enabled=True, created_at=NOW))
    return names(connection)


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(projects.c.name).order_by(projects.c.name)).scalars())


def disable(connection: Connection, name: str) -> int:
    return connection.execute(update(projects).where(projects.c.id == name).values(enabled=False)).rowcount


def add_and_fail(connection: Connection, name: str) -> None:
    add(connection, name)
    raise ZeroDivisionError


def remove(connection: Connection, name: str) -> int:
    return connection.execute(delete(projects).where(projects.c.id == name)).rowcount


def misspelt(connection: Connection, name: str) -> None:
    connection.execute(text(f"SELECT {name} FROM no_such_table"))


@asynccontextmanager
async def writers_of(engine: Engine, threads: int = 1) -> AsyncIterator[Writers]:
    """A single thread, as for SQLite, so that units are begun in the order in which they were asked for."""
    writers = Writers(engine, threads)
    try:
        yield writers
    finally:
        await asyncio.to_thread(writers.close)


async def in_a_group(writers: Writers, units: Sequence[Callable[[], Any]]) -> list[Any]:
    """The answers to *units*, all of which wait when the first is begun."""
    waiting, go_on = threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        waiting.set()
        assert go_on.wait(60)

    holding = asyncio.ensure_future(writers.run(monotonic() + 60, hold))
    await asyncio.to_thread(waiting.wait, 60)
    running = [asyncio.ensure_future(unit()) for unit in units]
    for _ in range(5):
        await asyncio.sleep(0)  # until each stands in the queue, or was given up there
    go_on.set()
    answers = await asyncio.gather(*running, return_exceptions=True)
    await holding
    return answers


def asking(writers: Writers, work: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    return lambda: writers.run(monotonic() + 60, work, *args)


def shown(answer: Any) -> Any:
    return type(answer) if isinstance(answer, BaseException) else answer


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    asked=st.lists(
        st.tuples(st.sampled_from([add, add, disable, add_and_fail, remove, misspelt]), st.sampled_from("abc")),
        min_size=2,
        max_size=8,
    )
)
def test_any_mix_of_units_does_what_they_do_one_by_one(
    engine: Engine, asked: Sequence[tuple[Callable[..., Any], str]]
) -> None:
    async def run(together: bool) -> tuple[list[Any], list[str]]:
        async with writers_of(engine) as writers:
            await writers.run(monotonic() + 60, lambda connection: connection.execute(delete(projects)))
            units = [asking(writers, work, name) for work, name in asked]
            if together:
                answers = await in_a_group(writers, units)
            else:
                answers = [(await asyncio.gather(unit(), return_exceptions=True))[0] for unit in units]
            return list(map(shown, answers)), await writers.run(monotonic() + 60, names)

    assert asyncio.run(run(together=True)) == asyncio.run(run(together=False))


async def test_units_that_wait_are_committed_together(engine: Engine) -> None:
    async with writers_of(engine) as writers:
        with patch.object(engine.dialect, "do_commit", wraps=engine.dialect.do_commit) as commit:
            await in_a_group(writers, [asking(writers, add, name) for name in "abcdef"])
        assert commit.call_count == 2, "of the unit that held the others up, and of all of these"


@pytest.mark.parametrize("failing", [0, 1, 2])
async def test_where_the_transaction_is_lost_each_unit_gets_its_own(engine: Engine, failing: int) -> None:
    def lose(connection: Connection) -> None:
        add(connection, "lost")
        if engine.dialect.name == "sqlite":  # as SQLite does itself when the disk is full
            driver: Any = connection.connection.driver_connection
            driver.execute("ROLLBACK")
            raise ZeroDivisionError
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    async with writers_of(engine) as writers:
        units = [asking(writers, add, name) for name in "ab"]
        units.insert(failing, asking(writers, lose))
        answers = await in_a_group(writers, units)
        assert isinstance(answers.pop(failing), ZeroDivisionError | Unavailable)
        assert answers == [["a"], ["a", "b"]]
        assert await writers.run(monotonic() + 60, names) == ["a", "b"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_if_the_commit_fails_nobody_is_told_that_it_is_done(engine: Engine) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    async with writers_of(engine) as writers:
        await writers.run(monotonic() + 60, add, "a")
        real = engine.dialect.do_commit
        with patch.object(engine.dialect, "do_commit", wraps=real, side_effect=[DEFAULT, full]):
            answers = await in_a_group(writers, [asking(writers, add, name) for name in "abc"])
        assert list(map(shown, answers)) == [IntegrityError, Unavailable, Unavailable]
        assert await writers.run(monotonic() + 60, names) == ["a"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_unit_that_would_wait_for_a_lock_waits_in_a_group_that_holds_none(engine: Engine) -> None:
    async with writers_of(engine) as writers:
        for name in "abc":
            await writers.run(monotonic() + 60, add, name)
        with engine.connect() as other:
            disable(other, "b")

            async def unlock_when_done() -> int:
                done = await writers.run(monotonic() + 60, disable_at_any_time, "a")
                other.rollback()
                return done

            units = [unlock_when_done, asking(writers, disable, "b"), asking(writers, disable, "c")]
            assert await asyncio.wait_for(in_a_group(writers, units), 60) == [1, 1, 1]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_thread_that_waits_for_a_lock_keeps_no_others_waiting(engine: Engine) -> None:
    begun = threading.Event()

    def wait(connection: Connection) -> int:
        begun.set()
        return disable_at_any_time(connection, "b")

    async with writers_of(engine, threads=2) as writers:
        for name in "ab":
            await writers.run(monotonic() + 60, add, name)
        with engine.connect() as other:
            disable(other, "b")
            waits = asyncio.ensure_future(writers.run(monotonic() + 60, wait))
            assert await asyncio.to_thread(begun.wait, 60)
            assert await asyncio.wait_for(writers.run(monotonic() + 60, disable, "a"), 60) == 1
            other.rollback()
        assert await asyncio.wait_for(waits, 60) == 1


def disable_at_any_time(connection: Connection, name: str) -> int:
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    return disable(connection, name)


async def test_a_unit_given_up_while_it_waits_is_not_begun(engine: Engine) -> None:
    async with writers_of(engine) as writers:

        async def given_up() -> None:
            running = asyncio.ensure_future(writers.run(monotonic() + 60, add, "given-up"))
            await asyncio.sleep(0)
            running.cancel()

        late = asking(writers, add, "late")
        units = [asking(writers, add, "a"), given_up, lambda: writers.run(monotonic() - 1, add, "late"), late]
        answers = await in_a_group(writers, units)
        assert list(map(shown, answers)) == [["a"], None, Unavailable, ["a", "late"]]


WRITING = """
import asyncio, sys
from stillage.db.session import Database
from stillage.db.tables import projects
from sqlalchemy import insert
from stillage.db.tables import EPOCH

def add(connection, name):
    connection.execute(insert(projects).values(id=name, name=name, enabled=True, created_at=EPOCH))

async def write(database, writer):
    for number in range(10_000):
        await database.write(add, f"{writer}-{number}")
        print(f"{writer}-{number}", flush=True)

async def main():
    database = Database(sys.argv[1])
    await asyncio.gather(*(write(database, writer) for writer in range(16)))

asyncio.run(main())
"""


def test_what_was_answered_survives_a_kill(engine: Engine, database_url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITING, database_url], stdout=subprocess.PIPE, text=True) as writing:
        assert writing.stdout is not None
        answered = [line.strip() for line, _ in zip(writing.stdout, range(200), strict=False)]
        writing.send_signal(signal.SIGKILL)
        answered += [line.strip() for line in writing.stdout if line.endswith("\n")]
    with engine.connect() as connection:
        assert set(answered) <= set(names(connection))
