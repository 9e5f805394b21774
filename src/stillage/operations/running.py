"""What the function of a job gets to work with: steps that are never repeated, progress, and cancellation.

A job is an async function of a `Run`. It may be called again, in this process or another: after a crash, after a stop,
or after a passing problem. So what it changes it changes in a step, and a step can be repeated until it is finished:

    async def copy(run: Run) -> Result:
        blob = await run.step("copy", lambda: copy_bytes(run.job.input["store"], run.progress))
        await run.step("publish", lambda: publish(run.job.image_id, blob))
        return {"blob": blob}
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from stillage.db import Connection
from stillage.images.job import Job

Result = Mapping[str, Any] | None
"""What a job has led to, as JSON."""
T = TypeVar("T")


class Run(Protocol):
    """One run of a job, of which there may be several, one after the other."""

    @property
    def job(self) -> Job:
        """The job, as it was when this run began."""

    @property
    def is_first(self) -> bool:
        """False if there was a run before, which may have done any part of the step that it did not finish."""

    @property
    def cancelled(self) -> bool:
        """True if the job is no longer this run's: it was cancelled, its image was deleted, or another process has it.

        The task of the run is cancelled as well. This is for threads, which cannot be.
        """

    async def step(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return what *work* returns, from the database if an earlier run has finished this step.

        Args:
            name: Unique within the job, and the same in every run; shown to users.
            work: What it returns must be JSON, and come back from JSON as it was: lists, not tuples.

        Raises:
            JobCancelled: If the job is no longer this run's. Do not catch it.
        """

    async def progress(self, fraction: float) -> None:
        """Note how much of the whole job is done, from 0 to 1. Costs nothing: it is written once a second at most.

        Raises:
            JobCancelled: As `step`.
        """


Work = Callable[[Run], Awaitable[Result]]
"""Does a job. What it raises ends the job:

* `PassingTrouble` and `Unavailable`: it is tried again after a pause; the third time ends it.
* Any other `StillageError` ends it at once, with the error's code and `reason`.
* Anything else is a bug: it is logged, and ends the job with `InternalError`.
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """How jobs of one kind are done.

    Attributes:
        work: Does one.
        failed: Called in the transaction in which a job fails, also one that is cancelled: the place to say why on the
            image. The row of the job's image is locked. Not called if the image was deleted.
    """

    work: Work
    failed: Callable[[Connection, Job], None] | None = None


Kinds = Mapping[str, Kind]
"""By the names in `images.job.JobKind`."""
