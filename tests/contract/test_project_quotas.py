"""Limits that a project has alone, on every engine: they go before those of the settings."""

from datetime import UTC, datetime, timedelta

import pytest

from job_world import ONE, new_job
from stillage.db import job_runs, jobs, quotas, usage
from stillage.db.job_runs import JobLimits, Taken
from stillage.db.session import Database
from stillage.errors import QuotaExceeded, TooManyUploads
from stillage.ids import ProjectId
from stillage.images.quota import NO_LIMIT, Limits, Usage, scope_of_project

LAB, WORKS = ProjectId("lab"), ProjectId("works")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
SETTINGS = Limits(bytes=100, images=1, uploads=1)


async def use(database: Database, by: Usage, project: ProjectId = LAB, limits: Limits | None = SETTINGS) -> None:
    await database.write(usage.change, scope_of_project(project), by, limits)


async def test_a_projects_own_limits_go_before_those_of_the_settings(database: Database) -> None:
    await database.write(quotas.change, LAB, Limits(bytes=10, images=NO_LIMIT))
    with pytest.raises(QuotaExceeded, match="10 bytes"):
        await use(database, Usage(bytes=11))
    await use(database, Usage(bytes=10, images=50, uploads=1))
    with pytest.raises(TooManyUploads):
        await use(database, Usage(uploads=1))
    await use(database, Usage(bytes=100), WORKS)
    await use(database, Usage(bytes=5), limits=None)  # of what is given back or handed over nothing is refused
    await database.write(quotas.change, LAB, Limits(uploads=0))
    with pytest.raises(QuotaExceeded, match="100 bytes"):
        await use(database, Usage(bytes=90))
    with pytest.raises(TooManyUploads):
        await use(database, Usage(uploads=1))
    await use(database, Usage(uploads=1), limits=Limits(uploads=NO_LIMIT))  # jobs have limits of their own


async def test_a_page_has_what_is_used_and_what_may_be(database: Database) -> None:
    await database.write(quotas.change, LAB, Limits(bytes=10))
    await use(database, Usage(3, 1, 0), WORKS)
    await database.write(usage.change, "node:a", Usage(uploads=1))
    found = await database.read(quotas.page, SETTINGS, 10)
    assert [(quota.project_id, quota.usage, quota.limits.bytes) for quota in found] == [
        (LAB, Usage(), 10),
        (WORKS, Usage(3, 1, 0), 100),
    ]
    assert [quota.project_id for quota in await database.read(quotas.page, SETTINGS, 1)] == [LAB]
    assert [quota.project_id for quota in await database.read(quotas.page, SETTINGS, 9, LAB)] == [WORKS]
    assert [quota.project_id for quota in await database.read(quotas.page, SETTINGS, 9, with_own=True)] == [LAB]
    unknown = await database.read(quotas.find, ProjectId("none"), SETTINGS)
    assert (unknown.usage, unknown.own, unknown.limits) == (Usage(), Limits(), SETTINGS)


async def test_a_projects_own_limit_of_jobs_decides_how_many_run(database: Database) -> None:
    for number in range(1, 4):
        await database.write(jobs.enqueue, new_job(number, project_id=LAB), NOW)

    async def take(most: int | None) -> Taken | None:
        limits = JobLimits(10, most)
        return await database.write(job_runs.take, ONE, {"test"}, NOW, NOW + timedelta(60), limits)

    await database.write(quotas.change, LAB, Limits(jobs=1))
    assert await take(None) is not None
    assert await take(None) is None
    assert (await database.read(quotas.find, LAB, SETTINGS)).jobs == 1
    await database.write(quotas.change, LAB, Limits(jobs=NO_LIMIT))
    assert await take(1) is not None
    await database.write(quotas.change, LAB, Limits())
    assert await take(2) is None
    assert await take(3) is not None
