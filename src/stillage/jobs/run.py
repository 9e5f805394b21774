"""One run of a job in this process: its task, what it has reported, and whether it still has the job."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from stillage.db import job_runs
from stillage.db.job_runs import Hold, News, Taken
from stillage.db.session import Database
from stillage.errors import JobCancelled
from stillage.images.job import Job

T = TypeVar("T")


class LiveRun:
    """Implements `operations.running.Run`."""

    def __init__(self, database: Database, taken: Taken, until: datetime, *, clock: Callable[[], datetime]) -> None:
        """*until*: when the lease runs out, unless it is `renewed`."""
        self._database = database
        self._clock = clock
        self._results = dict(taken.results)
        self._job = taken.job
        self._step, self._progress = taken.job.step, taken.job.progress
        self._written = (self._step, self._progress)
        self._lost = False
        self._is_ending = False
        self.hold: Hold = taken.hold
        self.until = until
        self.task: asyncio.Task[None] | None = None

    @property
    def job(self) -> Job:
        return self._job

    @property
    def is_first(self) -> bool:
        return self.hold.run == 1

    @property
    def cancelled(self) -> bool:
        return self._lost or self._clock() >= self.until

    async def step(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        if name in self._results:
            finished: T = self._results[name]
            return finished
        self._require_held()
        self._step = name
        result = await work()
        self._require_held()
        if not await self._database.write(job_runs.finish_step, self.hold, name, result, self._clock()):
            self._lost = True
        self._require_held()
        self._results[name] = result
        return result

    async def progress(self, fraction: float) -> None:
        self._require_held()
        self._progress = min(max(fraction, 0.0), 1.0)

    @property
    def news(self) -> News:
        return News(self.hold, self._step, self._progress)

    @property
    def has_news(self) -> bool:
        return (self._step, self._progress) != self._written

    def renewed(self, news: News, until: datetime) -> None:
        """Note that the lease was renewed, and *news* written."""
        self._written = (news.step, news.progress)
        self.until = until

    def lose(self) -> None:
        """Stop the task: the job has ended, or another process has it."""
        self._lost = True
        self.stop()

    def stop(self) -> None:
        """Stop the task, unless its work is over: how that ended is still written and reported."""
        if self.task is not None and not self._is_ending:
            self.task.cancel()

    def end(self) -> None:
        """Note that the work is over, however it ended."""
        self._is_ending = True

    def _require_held(self) -> None:
        if self.cancelled:
            raise JobCancelled(f"this process no longer has the job {self._job.id}")
