"""The engine that runs jobs: steps are not repeated, trouble that passes is tried again, and all else ends a job."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

import builders
from job_world import LEASE, LIMITS, ONE, TWO, accept, eventually, must_take, new_job
from stillage.db import Connection, images, job_runs, lifecycle
from stillage.db.clock import now
from stillage.db.job_runs import JobLimits
from stillage.db.jobs import Filter
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.errors import InvalidInput, JobEnded, PassingTrouble
from stillage.images.access import Access
from stillage.images.job import Job, State
from stillage.jobs import engine as engine_module
from stillage.jobs.engine import Engine
from stillage.operations.jobs import Jobs, Queue
from stillage.operations.running import Kind, Result, Run

PAUSES_S = (0.01, 0.01)
WITHIN_S = 60.0


@dataclass
class Node:
    """A process that runs jobs of the kind ``test``."""

    database: Database
    work: Callable[[Run], Awaitable[Result]]
    owner: LeaseOwner = ONE
    limits: JobLimits = LIMITS
    pauses_s: Sequence[float] = PAUSES_S
    reported: list[Job] = field(default_factory=list)
    cleared: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        kinds = {"test": Kind(self.work, self.clear_up)}
        self.queue = Queue(self.database, clock=now, report=self.report)
        self.jobs = Jobs(self.database, kinds, access=Access({}), clock=now, report=self.report, keep_s=3600)
        self.engine = Engine(
            self.database,
            self.queue,
            kinds,
            owner=self.owner,
            clock=now,
            limits=self.limits,
            report=self.report,
            gauge=lambda _: None,
            pauses_s=self.pauses_s,
        )

    def running(self) -> AbstractAsyncContextManager[None]:
        return self.engine.running()

    async def report(self, job: Job) -> None:
        self.reported.append(job)

    def clear_up(self, _connection: Connection, job: Job) -> None:
        self.cleared.append(job)

    async def end_of(self, job: Job) -> Job:
        async def has_ended() -> bool:
            return (await self.jobs.get(job.id)).has_ended

        await eventually(has_ended)
        return await self.jobs.get(job.id)

    async def outcome(self) -> Job:
        """Run one job to its end."""
        async with self.running():
            return await self.end_of(await self.queue.enqueue(new_job()))


class Doing:
    """Counts how often each step is done. A step in `held` does not end by itself."""

    def __init__(self, *held: str) -> None:
        self.done: list[str] = []
        self.held = set(held)
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, run: Run) -> Result:
        for name in ("one", "two", "three"):
            await run.step(name, lambda name=name: self.do(name))  # type: ignore[misc]
        return {"steps": [await run.step(name, lambda: self.do("again")) for name in ("one", "two")]}

    async def has_done(self, steps: int) -> bool:
        return len(self.done) == steps

    async def do(self, name: str) -> str:
        self.done.append(name)
        if name in self.held:
            self.begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        return name.upper()


async def test_a_job_is_done_step_by_step(database: Database) -> None:
    doing = Doing()
    node = Node(database, doing)
    job = await node.outcome()
    assert (job.state, job.result) == (State.DONE, {"steps": ["ONE", "TWO"]})
    assert doing.done == ["one", "two", "three"]
    assert [reported.state for reported in node.reported] == [State.ACCEPTED, State.RUNNING, State.DONE]


async def test_the_end_of_a_job_is_reported_though_its_process_stops_then(database: Database) -> None:
    is_ending, goes_on = asyncio.Event(), asyncio.Event()

    class Held(Node):
        async def report(self, job: Job) -> None:
            if job.has_ended:
                is_ending.set()
                await goes_on.wait()
            await super().report(job)

    node = Held(database, Doing())
    async with node.running():
        await node.queue.enqueue(new_job())
        await is_ending.wait()
        asyncio.get_running_loop().call_later(0.2, goes_on.set)
    assert [reported.state for reported in node.reported] == [State.ACCEPTED, State.RUNNING, State.DONE]


async def test_a_process_that_stops_leaves_its_jobs_to_others_at_once(database: Database) -> None:
    doing = Doing("two")
    first = Node(database, doing)
    async with first.running():
        job = await first.queue.enqueue(new_job())
        await doing.begun.wait()
    assert doing.cancelled.is_set()
    doing.held.clear()
    second = Node(database, doing, TWO)
    async with second.running():
        ended = await second.end_of(job)
    assert ended.state is State.DONE
    assert (ended.losses, ended.attempts) == (0, 0)
    assert doing.done == ["one", "two", "two", "three"]


async def test_a_job_of_a_dead_process_goes_on_after_its_last_finished_step(database: Database) -> None:
    job = await accept(database, now() - LEASE)
    hold = (await must_take(database, now() - LEASE)).hold
    await database.write(job_runs.finish_step, hold, "one", "ONE", now())
    doing = Doing()
    node = Node(database, doing, TWO)
    async with node.running():
        ended = await node.end_of(job)
    assert ended.result == {"steps": ["ONE", "TWO"]}
    assert doing.done == ["two", "three"]


async def test_what_passes_is_tried_again_and_the_third_time_is_the_last(database: Database) -> None:
    tried = 0

    async def work(_: Run) -> Result:
        nonlocal tried
        tried += 1
        raise PassingTrouble("the source does not answer")

    job = await Node(database, work).outcome()
    assert tried == 3
    assert job.failure
    assert (job.failure.kind, job.failure.message) == ("passing_trouble", "the source does not answer")


@pytest.mark.parametrize("error", [InvalidInput("no such source"), ValueError("a bug")])
async def test_all_else_ends_it_with_the_reason(database: Database, error: Exception) -> None:
    async def work(_: Run) -> Result:
        raise error

    node = Node(database, work)
    job = await node.outcome()
    assert job.failure
    assert job.failure.kind == ("invalid_input" if isinstance(error, InvalidInput) else "internal_error")
    assert "a bug" not in job.failure.message
    assert [cleared.id for cleared in node.cleared] == [job.id]


async def test_a_job_that_kills_its_processes_is_given_up(database: Database) -> None:
    job = await accept(database, now() - 20 * LEASE)
    for number in range(20, 20 - engine_module.MOST_LOSSES - 2, -1):
        await must_take(database, now() - number * LEASE)
    node = Node(database, Doing())
    async with node.running():
        ended = await node.end_of(job)
    assert ended.failure
    assert ended.failure.kind == "job_interrupted"


@asynccontextmanager
async def held(database: Database, **changes: Any) -> AsyncIterator[tuple[Node, Job, Doing]]:
    """A job that is in the middle of a step."""
    doing = Doing("one")
    node = Node(database, doing)
    async with node.running():
        job = await node.queue.enqueue(new_job(**changes))
        await doing.begun.wait()
        yield node, job, doing


async def test_a_cancelled_job_stops(database: Database) -> None:
    async with held(database) as (node, job, doing):
        cancelled = await node.jobs.cancel(job.id, "an operator cancelled it")
        assert cancelled.failure
        assert cancelled.failure.message == "an operator cancelled it"
        await asyncio.wait_for(doing.cancelled.wait(), WITHIN_S)
        with pytest.raises(JobEnded):
            await node.jobs.cancel(job.id, "again")
    assert await node.jobs.get(job.id) == cancelled
    assert node.cleared == [cancelled]


async def test_the_job_of_a_deleted_image_stops(database: Database) -> None:
    image = builders.image()
    await database.write(images.add, image)
    async with held(database, image_id=image.id) as (_, _job, doing):
        await database.write(lifecycle.mark_deleted, image.id, now())
        await asyncio.wait_for(doing.cancelled.wait(), WITHIN_S)


async def test_a_run_whose_lease_was_lost_stops_and_its_step_does_not_count(database: Database) -> None:
    async with held(database) as (_, job, doing):
        later = now() + 2 * LEASE
        taken = await database.write(job_runs.take, TWO, ["test"], later, later + LEASE, LIMITS)
        assert taken
        await asyncio.wait_for(doing.cancelled.wait(), WITHIN_S)
        assert await database.read(job_runs.results_of, job.id) == {}


async def test_no_more_run_at_once_than_the_node_has_slots(database: Database) -> None:
    doing = Doing("one")
    node = Node(database, doing, limits=JobLimits(node=2))
    async with node.running():
        for number in range(3):
            await node.queue.enqueue(new_job(number))
        await eventually(lambda: doing.has_done(2))
        for number in range(2):
            await node.jobs.cancel(new_job(number).id, "no reason")
        await eventually(lambda: doing.has_done(3))


async def test_progress_is_written_while_a_job_runs(database: Database) -> None:
    async def work(run: Run) -> Result:
        await run.progress(0.5)
        await asyncio.Event().wait()
        return None

    node = Node(database, work)
    async with node.running():
        job = await node.queue.enqueue(new_job())

        async def half() -> bool:
            return (await node.jobs.get(job.id)).progress == 0.5

        await eventually(half)


async def test_what_another_process_accepts_begins_without_a_bell(database: Database) -> None:
    node = Node(database, Doing())
    async with node.running():
        assert (await node.end_of(await accept(database, now()))).state is State.DONE


async def test_ended_jobs_are_forgotten(database: Database) -> None:
    node = Node(database, Doing())
    job = await node.outcome()
    await node.jobs.forget_old()
    assert await node.jobs.get(job.id) == job
    later = now() + timedelta(hours=2)
    access = Access({})
    forgetful = Jobs(database, {}, access=access, clock=lambda: later, report=node.report, keep_s=3600)
    await forgetful.forget_old()
    assert await node.jobs.list_of(Filter(), 10) == []
