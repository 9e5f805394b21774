"""Jobs for tests: new ones, and two processes that take them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from stillage.db import job_runs
from stillage.db import jobs as db
from stillage.db.job_runs import Hold, JobLimits, Taken
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.ids import JobId, ProjectId, UserId
from stillage.images.job import Job, NewJob

ONE, TWO = LeaseOwner.parse("here/1"), LeaseOwner.parse("there/1")
LIMITS = JobLimits(node=8)
LEASE = timedelta(seconds=6)


def job_id(number: int) -> JobId:
    return JobId(str(UUID(int=number)))


def new_job(number: int = 1, **changes: Any) -> NewJob:
    return replace(NewJob(job_id(number), "test", ProjectId("lab"), UserId("erin")), **changes)


async def accept(database: Database, now: datetime, number: int = 1, **changes: Any) -> Job:
    return await database.write(db.enqueue, new_job(number, **changes), now)


async def take(database: Database, now: datetime, owner: LeaseOwner = ONE, limits: JobLimits = LIMITS) -> Taken | None:
    return await database.write(job_runs.take, owner, ["test"], now, now + LEASE, limits)


async def must_take(database: Database, now: datetime, owner: LeaseOwner = ONE) -> Taken:
    taken = await take(database, now, owner)
    assert taken is not None
    return taken


async def must_hold(database: Database, now: datetime, number: int = 1) -> Hold:
    """Accept a job and take it."""
    await accept(database, now, number)
    return (await must_take(database, now)).hold


async def eventually(ask: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await ask():  # noqa: ASYNC110 - what it waits for happens in a database
            await asyncio.sleep(0.01)
