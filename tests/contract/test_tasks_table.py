"""Lists of tasks in every order, page by page, on every engine."""

from dataclasses import replace

import pytest

from fakes import Clock
from job_world import accept, job_id
from stillage.db import job_runs, tasks
from stillage.db.job_runs import JobLimits
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.images.job import Failure, JobKind
from stillage.images.task import SORT_KEYS, STATUSES, TYPES, TaskQuery

KINDS = [JobKind.IMPORT_URL, JobKind.LOCATION_IMPORT]


@pytest.fixture
async def some(database: Database, clock: Clock) -> None:
    """Six tasks: two in each state but one, of two types."""
    owner = LeaseOwner.parse("node/1")
    for number in range(6):
        await accept(database, clock(), number, kind=KINDS[number % 2])
        clock.advance(number % 2)
    for number in range(4):
        taken = await database.write(job_runs.take, owner, KINDS, clock(), clock(), JobLimits(9))
        assert taken
        clock.advance(1)
        if number > 1:
            await database.write(job_runs.fail, taken.hold, Failure("gone", "it is gone"), clock())
    await accept(database, clock(), 9, kind=JobKind.COPY)


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize("descends", [True, False])
@pytest.mark.parametrize("sort_key", SORT_KEYS)
async def test_pages_of_one_order_are_the_whole(database: Database, sort_key: str, *, descends: bool) -> None:
    query = TaskQuery(sort_key=sort_key, descends=descends)
    whole = await database.read(tasks.page, query)
    assert sorted(job.id for job in whole) == [job_id(number) for number in range(6)]
    shown = {"status": lambda job: STATUSES[job.state], "type": lambda job: TYPES[job.kind]}
    values = [shown[sort_key](job) for job in whole] if sort_key in shown else []
    assert values == sorted(values, reverse=descends)
    paged, marker = [], None
    while page := await database.read(tasks.page, replace(query, limit=2, marker=marker)):
        paged += page
        marker = page[-1].id
        assert len(paged) <= len(whole)
    assert paged == whole
