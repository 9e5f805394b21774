"""Jobs in the database: who may take one, what outlives a crash, and that whoever has lost one changes nothing."""

from datetime import timedelta

import pytest

import builders
from fakes import Clock
from job_world import ONE, TWO, accept, job_id, must_hold, must_take, new_job, take
from stillage.db import images, job_parts, job_runs, lifecycle
from stillage.db import jobs as db
from stillage.db.job_runs import JobLimits, News
from stillage.db.jobs import Filter
from stillage.db.leases import NodeId
from stillage.db.session import Database
from stillage.errors import JobNotFound
from stillage.images.job import Failure, State

WHY = Failure("source_gone", "the source does not exist any more")


async def test_a_job_with_the_key_of_another_is_that_one(database: Database, clock: Clock) -> None:
    first = await accept(database, clock(), 1, key="import of an image", input={"url": "http://source/"})
    again = await accept(database, clock(), 2, key="import of an image")
    assert again == first
    assert first.state is State.ACCEPTED
    assert first.input == {"url": "http://source/"}
    with pytest.raises(JobNotFound):
        await database.read(db.load, job_id(2))


async def test_the_oldest_is_taken_first(database: Database, clock: Clock) -> None:
    await accept(database, clock() - timedelta(seconds=1), 3)
    await accept(database, clock(), 1)
    assert [(await must_take(database, clock())).job.id for _ in range(2)] == [job_id(3), job_id(1)]
    assert await take(database, clock()) is None


async def test_a_project_with_many_jobs_does_not_delay_another(database: Database, clock: Clock) -> None:
    for number in range(1, 5):
        await accept(database, clock(), number, project_id="busy")
    clock.advance(1)
    await accept(database, clock(), 9, project_id="small")
    taken = [(await must_take(database, clock())).job.project_id for _ in range(3)]
    assert taken == ["busy", "small", "busy"]


async def test_a_project_and_a_node_have_limits(database: Database, clock: Clock) -> None:
    for number in range(1, 4):
        await accept(database, clock(), number)
    await accept(database, clock(), 4, project_id="other")
    limits = JobLimits(node=2, project=1)
    assert await take(database, clock(), ONE, limits)
    other = await take(database, clock(), ONE, limits)
    assert other
    assert other.job.project_id == "other"
    assert await take(database, clock(), ONE, limits) is None
    assert await take(database, clock(), TWO, limits) is None
    assert await take(database, clock(), TWO, JobLimits(node=1))


async def test_another_process_continues_after_the_last_finished_step(database: Database, clock: Clock) -> None:
    hold = await must_hold(database, clock())
    assert await database.write(job_runs.finish_step, hold, "fetch", {"bytes": 5}, clock())
    assert await take(database, clock(), TWO) is None
    clock.advance(6)
    taken = await must_take(database, clock(), TWO)
    assert taken.results == {"fetch": {"bytes": 5}}
    assert taken.job.state is State.RUNNING
    assert taken.job.losses == 1


async def test_who_has_lost_a_job_changes_nothing(database: Database, clock: Clock) -> None:
    hold = await must_hold(database, clock())
    clock.advance(6)
    await must_take(database, clock(), ONE)  # even the same process, later
    before = await database.read(db.load, hold.job_id)
    assert not await database.write(job_runs.finish_step, hold, "fetch", None, clock())
    assert not await database.write(job_runs.renew, [News(hold, "fetch", 0.5)], clock(), clock())
    assert not await database.write(job_runs.retry, hold, clock(), clock())
    assert not await database.write(job_runs.give_back, hold, clock())
    assert await database.write(job_runs.finish, hold, None, clock()) is None
    assert await database.write(job_runs.fail, hold, WHY, clock()) is None
    assert await database.read(db.load, hold.job_id) == before


async def test_a_renewed_lease_keeps_the_job_and_its_progress(database: Database, clock: Clock) -> None:
    hold = await must_hold(database, clock())
    clock.advance(5)
    news = News(hold, "fetch", 0.25)
    assert await database.write(job_runs.renew, [news], clock(), clock() + timedelta(seconds=6)) == {hold}
    clock.advance(5)
    assert await take(database, clock(), TWO) is None
    job = await database.read(db.load, hold.job_id)
    assert (job.step, job.progress) == ("fetch", 0.25)


async def test_a_job_that_waits_to_be_tried_again_is_not_taken_before(database: Database, clock: Clock) -> None:
    hold = await must_hold(database, clock())
    assert await database.write(job_runs.retry, hold, clock() + timedelta(seconds=30), clock())
    clock.advance(29)
    assert await take(database, clock()) is None
    assert (await database.read(db.load, hold.job_id)).state is State.RUNNING
    clock.advance(1)
    taken = await must_take(database, clock())
    assert (taken.job.attempts, taken.job.losses) == (1, 0)


async def test_jobs_of_a_dead_process_can_be_taken_at_once(database: Database, clock: Clock) -> None:
    await must_hold(database, clock())
    assert await database.write(job_runs.give_back_of, NodeId("there"), clock()) == 0
    assert await database.write(job_runs.give_back_of, ONE, clock()) == 1
    assert (await must_take(database, clock(), TWO)).job.losses == 1


async def test_an_end_is_final(database: Database, clock: Clock) -> None:
    await accept(database, clock(), sealed="only for the worker")
    hold = (await must_take(database, clock())).hold
    clock.advance(1)
    done = await database.write(job_runs.finish, hold, {"stores": ["files"]}, clock())
    assert done
    assert (done.state, done.progress, done.result, done.ended_at) == (State.DONE, 1, {"stores": ["files"]}, clock())
    assert done.sealed is None
    assert await database.write(db.cancel, hold.job_id, WHY, clock()) is None
    assert await database.write(job_runs.fail, hold, WHY, clock()) is None
    assert await database.read(db.load, hold.job_id) == done


async def test_a_cancelled_job_is_not_taken_and_who_runs_it_has_lost_it(database: Database, clock: Clock) -> None:
    hold = await must_hold(database, clock(), 1)
    await accept(database, clock(), 2)
    for number in (1, 2):
        cancelled = await database.write(db.cancel, job_id(number), WHY, clock())
        assert cancelled
        assert (cancelled.state, cancelled.failure) == (State.FAILED, WHY)
    assert not await database.write(job_runs.renew, [News(hold, "", 0)], clock(), clock())
    clock.advance(60)
    assert await take(database, clock()) is None


async def test_the_jobs_of_a_deleted_image_fail(database: Database, clock: Clock) -> None:
    image = builders.image()
    await database.write(images.add, image)
    await accept(database, clock(), 1, image_id=image.id)
    await accept(database, clock(), 2)
    await database.write(lifecycle.mark_deleted, image.id, clock())
    job = await database.read(db.load, job_id(1))
    assert job.failure == lifecycle.IMAGE_DELETED
    assert (await database.read(db.load, job_id(2))).state is State.ACCEPTED


async def test_a_list_has_the_newest_first_and_continues(database: Database, clock: Clock) -> None:
    for number in range(5):
        await accept(database, clock() + timedelta(seconds=number // 2), number)
    await accept(database, clock(), 8, project_id="other", kind="another")
    those = Filter(project_id=new_job().project_id, states=[State.ACCEPTED], kinds=["test"])
    first = await database.read(db.list_of, those, 3)
    rest = await database.read(db.list_of, those, 3, first[-1])
    assert [job.id for job in (*first, *rest)] == [job_id(number) for number in (4, 3, 2, 1, 0)]
    assert await database.read(db.count_open, new_job().project_id, ["test"]) == 0, "none of them is about an image"
    await database.write(images.add, builders.image(id="an-image"))
    await accept(database, clock(), 9, image_id="an-image")
    assert await database.read(db.count_open, new_job().project_id, ["test"]) == 1


async def test_a_job_is_forgotten_with_its_steps(database: Database, clock: Clock) -> None:
    hold = await must_hold(database, clock())
    await database.write(job_runs.finish_step, hold, "fetch", 1, clock())
    await database.write(job_runs.finish, hold, None, clock())
    assert await database.write(db.forget_ended, clock()) == 0
    assert await database.write(db.forget_ended, clock() + timedelta(seconds=1)) == 1
    assert await database.read(db.find, hold.job_id) is None
    assert await database.read(job_runs.results_of, hold.job_id) == {}


async def test_no_process_takes_a_part_of_a_job(database: Database, clock: Clock) -> None:
    await accept(database, clock(), 1)
    for number in (3, 2):
        await accept(database, clock(), number, parent=job_id(1))
    assert (await must_take(database, clock())).job.id == job_id(1)
    clock.advance(1)
    assert await take(database, clock()) is None
    assert not await database.look_up(job_runs.is_due, clock())
    await database.write(job_parts.begin, job_id(2), clock())
    await database.write(job_parts.note_ready, job_id(2), clock())
    await database.write(job_parts.finish, job_id(2), {"image_id": "a"}, clock())
    await database.write(job_parts.fail, job_id(2), WHY, clock())
    await database.write(job_parts.fail, job_id(3), WHY, clock())
    await database.write(job_parts.finish, job_id(3), {}, clock())
    parts = await database.read(job_parts.of, job_id(1))
    assert [(part.id, part.state, part.failure) for part in parts] == [
        (job_id(2), State.DONE, None), (job_id(3), State.FAILED, WHY),
    ]  # fmt: skip
    assert await database.write(job_parts.hold, job_id(1))
    await database.write(db.cancel, job_id(1), WHY, clock())
    assert not await database.write(job_parts.hold, job_id(1))
