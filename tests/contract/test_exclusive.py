"""Background jobs that one process of the deployment does at a time, on every engine."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, select

from fakes import Clock
from stillage.db import job_leases, tables
from stillage.db.leases import LeaseOwner, NodeId
from stillage.db.session import Database
from stillage.operations.upkeep.exclusive import LEASE_S, Exclusive
from stillage.operations.upkeep.sweep import Sweep
from stillage.stores.memory import MemoryStore
from stores import only

TIMEOUT_S = 60.0


class Work:
    """Work that goes on until it is told to end, or is cancelled."""

    def __init__(self) -> None:
        self.began, self.may_end = asyncio.Event(), asyncio.Event()
        self.was_cancelled = False

    async def __call__(self) -> None:
        self.began.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


def process(database: Database, clock: Clock, name: str, lease_s: float = LEASE_S) -> Exclusive:
    return Exclusive(database, owner=LeaseOwner.parse(name), clock=clock, lease_s=lease_s)


async def begun(process: Exclusive) -> tuple["asyncio.Task[bool]", Work]:
    work = Work()
    task = asyncio.create_task(process.run("scrub", work))
    await asyncio.wait_for(work.began.wait(), TIMEOUT_S)
    return task, work


async def nothing() -> None:
    """Work that is done at once."""


async def test_one_process_does_it_and_then_another(database: Database, clock: Clock) -> None:
    first, second = (process(database, clock, f"node{number}/1") for number in (1, 2))
    doing, work = await begun(first)
    assert not await second.run("scrub", nothing)
    assert await second.run("another job", nothing)
    work.may_end.set()
    assert await doing
    assert await second.run("scrub", nothing)


async def test_who_works_for_long_keeps_the_lease(database: Database, clock: Clock) -> None:
    def expiry(connection: Connection) -> datetime:
        expires_at: datetime = connection.execute(select(tables.job_leases.c.lease_expires_at)).scalar_one()
        return expires_at

    first, second = process(database, clock, "node1/1", lease_s=0.03), process(database, clock, "node2/1")
    doing, work = await begun(first)
    for _ in range(5):
        clock.advance(0.02)
        async with asyncio.timeout(TIMEOUT_S):
            while await database.read(expiry) < clock() + timedelta(seconds=0.03):  # noqa: ASYNC110 - the database has no event
                await asyncio.sleep(0.01)
    assert not await second.run("scrub", nothing)
    work.may_end.set()
    assert await doing


async def test_who_was_stopped_for_too_long_is_cancelled(database: Database, clock: Clock) -> None:
    doing, work = await begun(process(database, clock, "node1/1", lease_s=0.03))
    later, other = clock() + timedelta(days=1), LeaseOwner.parse("node2/1")
    assert await database.write(job_leases.take, "scrub", other, later, later)
    assert not await asyncio.wait_for(doing, TIMEOUT_S)
    assert work.was_cancelled


async def test_work_that_fails_leaves_the_job_to_others(database: Database, clock: Clock) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await process(database, clock, "node1/1").run("scrub", fail)
    assert await process(database, clock, "node2/1").run("scrub", nothing)


async def test_what_a_dead_node_did_is_free_at_once(database: Database, clock: Clock) -> None:
    dead, other = process(database, clock, "node1/1"), process(database, clock, "node2/1")
    doing, work = await begun(dead)
    await Sweep(database, only(MemoryStore()), clock=clock).end_dead_uploads(dead=NodeId("node1"))
    assert await other.run("scrub", nothing)
    work.may_end.set()
    await doing
