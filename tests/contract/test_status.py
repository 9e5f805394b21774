"""What processes tell one another, and what a status counts, on every engine."""

from datetime import UTC, datetime, timedelta

from job_world import ONE, TWO, new_job
from stillage.accounts.principal import Principal
from stillage.db import job_leases, job_runs, jobs, processes, status
from stillage.db.job_runs import JobLimits
from stillage.db.processes import Process
from stillage.db.session import Database
from stillage.ids import ProjectId, StoreId, UserId
from stillage.images.access import Access
from stillage.images.quota import Limits
from stillage.operations.request_rates import RequestRates
from stillage.operations.status import StatusReports
from stillage.stores.catalog import NamedStore, Stores
from stillage.stores.memory import MemoryStore

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MINUTE = int(NOW.timestamp()) // 60


async def test_a_process_is_seen_until_it_says_nothing_for_long(database: Database) -> None:
    for owner, seen in ((ONE, NOW), (TWO, NOW + timedelta(seconds=30)), (ONE, NOW + timedelta(seconds=60))):
        one = Process(owner, "0.1.0", NOW, seen, {MINUTE: 3})
        await database.write(processes.report, one, seen - timedelta(seconds=45))
    found = await database.read(processes.find)
    assert [(one.owner, one.seen_at, one.requests) for one in found] == [
        (ONE, NOW + timedelta(seconds=60), {MINUTE: 3}),
        (TWO, NOW + timedelta(seconds=30), {MINUTE: 3}),
    ]
    await database.write(processes.report, found[0], NOW + timedelta(seconds=31))
    assert [one.owner for one in await database.read(processes.find)] == [ONE]


async def test_the_requests_of_all_processes_are_added_up(database: Database) -> None:
    stores = Stores([NamedStore(StoreId("memory"), MemoryStore(), "memory", "")], StoreId("memory"))

    def reports(owner: object) -> StatusReports:
        return StatusReports(
            database,
            stores,
            access=Access({}),
            limits=Limits(),
            owner=owner,  # type: ignore[arg-type]
            version="0.1.0",
            scrub_every_s=60,
            clock=lambda: NOW,
        )

    here, there = reports(ONE), reports(TWO)
    for one, count in ((here, 2), (there, 3)):
        for _ in range(count):
            one.rates.count()
        await one.report()
    here.rates.count()  # not reported yet, but its own
    admin = Principal(UserId("ada"), ProjectId("ops"), frozenset({"admin"}))
    found = await here.show(admin)
    assert (list(found.requests[:-1]), found.requests[-1]) == ([0] * 59, 6)
    assert [one.owner for one in found.processes] == [TWO, ONE]


async def test_leases_count_for_the_node_that_holds_them(database: Database) -> None:
    later = NOW + timedelta(seconds=60)
    for number in (1, 2):
        await database.write(jobs.enqueue, new_job(number), NOW)
    await database.write(job_runs.take, ONE, {"test"}, NOW, later, JobLimits(9))
    await database.write(job_leases.take, "scrub", TWO, NOW, later)
    found = await database.read(status.running, NOW, NOW)
    assert found.leases == {"here": 1, "there": 1}
    assert found.jobs == {"accepted": 1, "running": 1}
    assert found.scrub == (TWO, 0, 0, None, None)
    assert (await database.read(status.running, later, NOW)).leases == {}


def test_rates_keep_an_hour() -> None:
    time = NOW
    rates = RequestRates(lambda: time)
    for minute in range(90):
        time = NOW + timedelta(minutes=minute)
        rates.count()
        rates.count()
    assert rates.by_minute() == {MINUTE + minute: 2 for minute in range(30, 90)}
