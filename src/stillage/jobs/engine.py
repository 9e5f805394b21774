"""Runs jobs in a process: takes those that are due, keeps their leases, tries them again, ends them.

Every process of every node may run an engine. A job that was accepted in this process begins at once, others within a
second. If a process dies, another takes its jobs when their leases have run out, and continues after their last step.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import structlog

from stillage import traces
from stillage.db import Connection, job_runs
from stillage.db.job_runs import Hold, JobLimits
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.errors import InternalError, JobInterrupted, PassingTrouble, StillageError, Unavailable
from stillage.images.job import Failure, Job
from stillage.jobs.run import LiveRun
from stillage.operations.jobs import Queue, Report
from stillage.operations.running import Kinds, Result

log = structlog.get_logger()

LEASE_S = 6.0
"""How long a job rests if the process that runs it dies. Clients are promised 10 s."""
RENEW_EVERY_S = 2.0
BEAT_S = 1.0
"""How often progress is written, if there is any, and lost leases are noticed."""
LOOK_EVERY_S = 0.9
"""How often to look for jobs that other processes have accepted or left."""
PAUSES_S = (5.0, 60.0)
"""Before the second and the third attempt."""
MOST_LOSSES = 10
"""After how many deaths of its processes, all in one step, a job is given up: it may be what kills them."""
STOP_S = 5.0
"""How long a stop waits for the tasks of jobs."""


class Engine:
    def __init__(
        self,
        database: Database,
        queue: Queue,
        kinds: Kinds,
        *,
        owner: LeaseOwner,
        clock: Callable[[], datetime],
        limits: JobLimits,
        report: Report,
        gauge: Callable[[float], None],
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        """*gauge*: called with the number of jobs that run here. *pauses_s*: before the second attempt, and so on."""
        self._database = database
        self._bell = queue.bell
        self._kinds = kinds
        self._owner = owner
        self._clock = clock
        self._limits = limits
        self._report = report
        self._gauge = gauge
        self._pauses_s = pauses_s
        self._runs: dict[Hold, LiveRun] = {}
        self._is_stopping = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run jobs in the background. At the end, leave those that run to other processes."""
        taking = asyncio.create_task(self._take_again_and_again())
        keeping = [asyncio.create_task(self._renew_again_and_again()), asyncio.create_task(self._give_up_lost())]
        try:
            yield
        finally:
            self._is_stopping = True
            self._bell.set()
            await taking
            tasks = [run.task for run in self._runs.values() if run.task is not None]
            for run in self._runs.values():
                run.stop()
            for task in keeping:
                task.cancel()
            await asyncio.wait([*tasks, *keeping], timeout=STOP_S)

    async def _take_again_and_again(self) -> None:
        while not self._is_stopping:
            self._bell.clear()
            try:
                # A lookup costs little; a transaction that finds nothing to take would be in the way of one that does.
                while await self._database.look_up(job_runs.is_due, self._clock()) and await self._take_one():
                    pass
            except StillageError as error:
                log.warning("no job could be taken; trying again", why=str(error))
            except Exception:
                log.exception("no job could be taken; trying again")
            # Jitter, so that processes started together do not look at the same moments.
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S * random.uniform(0.8, 1.0)):  # noqa: S311 - no secret
                    await self._bell.wait()

    async def _take_one(self) -> bool:
        """Begin a job that is due; False if there is none, or this process has enough, or stops."""
        if self._is_stopping or len(self._runs) >= self._limits.node:
            return False
        kinds, now = list(self._kinds), self._clock()
        until = now + timedelta(seconds=LEASE_S)
        taken = await self._database.write(job_runs.take, self._owner, kinds, now, until, self._limits)
        if taken is None:
            return False
        run = LiveRun(self._database, taken, until, clock=self._clock)
        earlier = [other.task for other in self._runs.values() if other.job.id == run.job.id and other.task is not None]
        self._runs[run.hold] = run
        run.task = asyncio.create_task(self._carry_out(run, earlier))
        self._gauge(len(self._runs))
        run.task.add_done_callback(lambda _: self._forget(run))
        return True

    def _forget(self, run: LiveRun) -> None:
        del self._runs[run.hold]
        self._gauge(len(self._runs))
        self._bell.set()  # its place is free

    async def _renew_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self._renew()
            except StillageError as error:
                log.warning("leases of jobs could not be renewed; trying again", why=str(error))
            except Exception:
                log.exception("leases of jobs could not be renewed; trying again")

    async def _renew(self) -> None:
        now = self._clock()
        soon = now + timedelta(seconds=LEASE_S - RENEW_EVERY_S)
        runs = [run for run in self._runs.values() if run.has_news or run.until <= soon]
        if not runs:
            return
        until, news = now + timedelta(seconds=LEASE_S), [run.news for run in runs]
        held = await self._database.write(job_runs.renew, news, now, until)
        for run, each in zip(runs, news, strict=True):
            if run.hold in held:
                run.renewed(each, until)
            else:
                run.lose()

    async def _give_up_lost(self) -> None:
        """Stop runs whose lease has run out, also while the database hangs: another process may have the job."""
        while True:
            await asyncio.sleep(BEAT_S)
            for run in list(self._runs.values()):
                if run.cancelled:
                    run.lose()

    async def _carry_out(self, run: LiveRun, earlier: Sequence[asyncio.Task[None]]) -> None:
        try:
            if earlier:  # this process has lost the job and taken it again
                await asyncio.wait(earlier)
            await self._do(run)
        except asyncio.CancelledError:
            if self._is_stopping and not run.cancelled:
                await self._give_back(run)
            raise  # otherwise the lease runs out
        except Unavailable as error:  # of the database: the lease will run out
            log.warning("the state of a job could not be written", job_id=run.job.id, why=str(error))
        except Exception:
            log.exception("the state of a job could not be written", job_id=run.job.id)

    async def _do(self, run: LiveRun) -> None:
        job = run.job
        if run.hold.run == 1:
            await self._report(job)
        log.info("job begins", job_id=job.id, kind=job.kind, run=run.hold.run)
        try:
            result = await self._work(run)
        except (PassingTrouble, Unavailable) as error:
            await self._try_again(run, error)
        except StillageError as error:
            await self._fail(run, error)
        except Exception:
            log.exception("a job failed", job_id=job.id, kind=job.kind, request_id=job.request_id)
            await self._fail(run, InternalError())
        else:
            await self._tell(await self._database.write(job_runs.finish, run.hold, result, self._clock()))

    async def _work(self, run: LiveRun) -> Result:
        job = run.job
        try:
            if job.losses > MOST_LOSSES:
                raise JobInterrupted(job.losses)
            with traces.whole(f"job {job.kind}", facts={"stillage.job_id": job.id}):
                return await self._kinds[job.kind].work(run)
        finally:
            run.end()

    async def _try_again(self, run: LiveRun, error: StillageError) -> None:
        attempts = run.job.attempts
        if attempts >= len(self._pauses_s):
            await self._fail(run, error)
            return
        now = self._clock()
        due = now + timedelta(seconds=self._pauses_s[attempts] * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
        if await self._database.write(job_runs.retry, run.hold, due, now):
            log.warning("a job will be tried again", job_id=run.job.id, why=error.reason, at=due.isoformat())

    async def _fail(self, run: LiveRun, error: StillageError) -> None:
        if run.cancelled:
            return
        failure = Failure(error.code, error.reason)
        try:
            ended = await self._database.write(self._end, run.hold, failure)
        except Unavailable:
            raise
        except Exception:  # a bug must not keep the job for ever
            log.exception("what a failed job leaves could not be cleared up", job_id=run.job.id, kind=run.job.kind)
            ended = await self._database.write(job_runs.fail, run.hold, failure, self._clock())
        await self._tell(ended)

    def _end(self, connection: Connection, hold: Hold, failure: Failure) -> Job | None:
        job = job_runs.fail(connection, hold, failure, self._clock())
        if job is not None and (failed := self._kinds[job.kind].failed) is not None:
            failed(connection, job)
        return job

    async def _tell(self, job: Job | None) -> None:
        """Report a job that has ended; None if it was lost."""
        if job is None:
            return
        why = job.failure.message if job.failure else None
        log.info("job ended", job_id=job.id, kind=job.kind, state=job.state, why=why)
        await self._report(job)

    async def _give_back(self, run: LiveRun) -> None:
        with suppress(StillageError):  # the lease will run out
            await asyncio.shield(self._database.write(job_runs.give_back, run.hold, self._clock()))
