"""Lookups that share a connection to PostgreSQL: each gets its own answer, and none waits for one that never comes."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from sqlalchemy import Connection, Integer, Text, bindparam, cast, func, literal_column, select, text

from postgres import PostgresServer
from stillage.db import postgresql_lookups
from stillage.db.lookups import Inquiry, Lookup, Memory, Question, Questions
from stillage.db.session import Database

Answer = tuple[str, int, bool]
"""The text that was asked for, the server process that answered, and whether it did so to the loop."""


def asked(given: str) -> dict[str, str]:
    return {"given": given}


echo = Lookup(
    select(cast(bindparam("given"), Text).label("given"), func.pg_backend_pid().label("pid")),
    asked,
    lambda rows: (rows[0][0], rows[0][1], threading.current_thread() is threading.main_thread()),
)


PLANNED = select(
    func.current_setting("plan_cache_mode").label("mode"),
    func.pg_backend_pid().label("pid"),
    (literal_column("1") / bindparam("divisor", type_=Integer)).label("one"),
)


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    with postgres.migrated() as url, closing(Database(url)) as made:
        yield made


async def reach_the_loop(database: Database) -> int:
    """Return the server process behind the loop's connection."""
    while not (answer := await database.look_up(echo, ""))[2]:
        pass
    return int(answer[1])


async def test_lookups_at_the_same_time_get_their_own_answers(database: Database) -> None:
    pid = await reach_the_loop(database)
    texts = [f"{number}" * 1000 for number in range(300)]
    answers = await asyncio.gather(*(database.look_up(echo, one) for one in texts))
    assert answers == [(one, pid, True) for one in texts]


async def test_a_cancelled_lookup_does_not_shift_the_answers(database: Database) -> None:
    pid = await reach_the_loop(database)
    tasks = [asyncio.create_task(database.look_up(echo, f"{number}")) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [answer for answer in answers if isinstance(answer, tuple)] == [
        (f"{number}", pid, True) for number in range(20) if number % 3
    ]


async def test_a_broken_connection_is_replaced_and_nobody_notices(database: Database) -> None:
    pid = await reach_the_loop(database)
    texts = [f"{number}" for number in range(50)]
    lookups = asyncio.gather(*(database.look_up(echo, one) for one in texts))
    os.kill(pid, signal.SIGTERM)
    assert [answer[0] for answer in await lookups] == texts
    assert await reach_the_loop(database) != pid


async def test_a_silent_connection_is_left(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql_lookups, "ANSWER_WITHIN_S", 0.1)
    pid = await reach_the_loop(database)
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = await database.look_up(echo, "a")
        assert answer[0] == "a"
        assert answer[1] != pid
        assert await reach_the_loop(database) != pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def test_a_failing_statement_does_not_fail_those_beside_it(database: Database) -> None:
    broken = Lookup(select(literal_column("1 / 0").label("nothing")), dict, list)
    pid = await reach_the_loop(database)
    lookups = [database.look_up(echo, "a"), database.look_up(broken), database.look_up(echo, "b")]
    before, failed, after = await asyncio.gather(*lookups, return_exceptions=True)
    assert (before, after) == (("a", pid, True), ("b", pid, True))
    assert "division by zero" in str(failed)


async def test_a_plan_is_for_all_values_unless_the_question_depends_on_them(database: Database) -> None:
    def ask(_memory: Memory, by_value: bool, divisor: int) -> Questions[tuple[str, int]]:
        ((mode, pid, _),) = yield Question(PLANNED, {"divisor": divisor}, by_value=by_value)
        return mode, pid

    planned = Inquiry(ask)
    pid = await reach_the_loop(database)
    with pytest.raises(Exception, match="division by zero"):
        await database.look_up(planned, True, 0)
    for by_value in (True, True, False, True):
        mode = "auto" if by_value else "force_generic_plan"
        assert await database.look_up(planned, by_value, 1) == (mode, pid)


@pytest.mark.parametrize("given", ["a\0b", "\ud800"], ids=["NUL", "half of a surrogate pair"])
async def test_text_that_postgresql_cannot_hold_is_refused_and_not_cut(database: Database, given: str) -> None:
    await reach_the_loop(database)
    with pytest.raises(Exception, match=r"NUL|surrogates") as refused:
        await database.look_up(echo, given)
    with pytest.raises(type(refused.value)):
        await database.read(echo, given)


async def test_a_server_that_the_pool_leaves_is_left(database: Database) -> None:
    def be_disconnected(connection: Connection) -> None:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    pid = await reach_the_loop(database)
    with suppress(Exception):
        await database.write(be_disconnected)
    assert await reach_the_loop(database) != pid
