"""Create several images together: one job, with a part for each image, and in the end all of them or none.

The job fills one image after the other, and only then makes them active, in one transaction. If one fails, or is
deleted meanwhile, none remains. Source: IMS API Reference, "Creating an Image": ``data_images``.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from stillage.db import Connection, imports, job_parts
from stillage.errors import ImageGone, JobCancelled
from stillage.images.job import Failure, Job, State
from stillage.operations.imports.context import Context
from stillage.operations.imports.plan import Plan, plan_of
from stillage.operations.running import Result, Run

T = TypeVar("T")


class Together:
    def __init__(
        self,
        context: Context,
        fill: Callable[[Run, Plan], Awaitable[object]],
        undo: Callable[[Connection, Job], None],
    ) -> None:
        """*fill*: gives an image its bytes, but does not make it active. *undo*: removes it, as its job has failed."""
        self._context = context
        self._fill = fill
        self._undo = undo

    async def work(self, run: Run) -> Result:
        """Do a job that consists of parts. See `operations.running.Work`."""
        read, write, clock = self._context.database.read, self._context.database.write, self._context.clock
        parts = await read(job_parts.of, run.job.id)
        for number, part in enumerate(parts):
            await write(job_parts.begin, part.id, clock())
            await self._fill(PartRun(run, part, number, len(parts)), plan_of(part))
            await write(job_parts.note_ready, part.id, clock())
        await run.step("end", partial(self._end, run.job))
        return {"images": [plan_of(part).image_id for part in parts]}

    def failed(self, connection: Connection, job: Job) -> None:
        """Remove the images of all parts, and say in each why. In the transaction in which *job* fails."""
        failures = [(part, _failure_of(part, job)) for part in _by_image(job_parts.of(connection, job.id))]
        # All images are locked before the project's usage changes: who deletes one holds it, and then wants the usage.
        for part, failure in failures:
            job_parts.fail(connection, part.id, failure, self._context.clock())
        for part, failure in failures:
            self._undo(connection, replace(part, failure=failure))

    async def _end(self, whole: Job) -> None:
        parts = await self._context.database.read(job_parts.of, whole.id)
        if all(part.state is State.DONE for part in parts):
            return  # an earlier run has done it
        for part in parts:
            await self._context.image(plan_of(part))
        await self._context.write(plan_of(parts[0]), self._activate, whole)

    def _activate(self, connection: Connection, whole: Job) -> None:
        if not job_parts.hold(connection, whole.id):
            raise JobCancelled(f"the job {whole.id} has ended")
        now = self._context.clock()
        for part in _by_image(job_parts.of(connection, whole.id)):
            plan = plan_of(part)
            if not imports.activate(connection, plan.image_id, plan.task, now):
                raise ImageGone(plan.image_id)
            imports.finish(connection, plan.image_id, plan.task, now)
            job_parts.finish(connection, part.id, {"image_id": plan.image_id}, now)


@dataclass(frozen=True, slots=True)
class PartRun:
    """Implements `operations.running.Run` for one of *count* parts, within the run of the whole job."""

    whole: Run
    job: Job
    number: int
    count: int

    @property
    def is_first(self) -> bool:
        return self.whole.is_first

    @property
    def cancelled(self) -> bool:
        return self.whole.cancelled

    async def step(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        return await self.whole.step(f"{name}, part {self.number + 1}", work)

    async def progress(self, fraction: float) -> None:
        await self.whole.progress((self.number + fraction) / self.count)


def _by_image(parts: Sequence[Job]) -> Sequence[Job]:
    """Return *parts* in the order in which every transaction locks their images."""
    return sorted(parts, key=lambda part: part.image_id or "")


def _failure_of(part: Job, whole: Job) -> Failure:
    """Return why *part* has failed: the one that was running has the reason, the others are undone for it."""
    reason = whole.failure or Failure(JobCancelled.code, "the job was given up")
    if part.state is State.RUNNING and part.progress < 1.0:
        return reason
    return Failure(reason.kind, f"undone, because the images of one request are made together: {reason.message}")
