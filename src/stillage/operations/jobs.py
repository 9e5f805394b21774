"""Accept, show and cancel jobs: work that outlives the request that asked for it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from stillage.accounts.principal import Principal
from stillage.db import Connection, job_parts
from stillage.db import jobs as db
from stillage.db.jobs import Filter
from stillage.db.session import Database
from stillage.errors import InvalidInput, JobCancelled, JobEnded
from stillage.ids import JobId
from stillage.images.access import Access
from stillage.images.job import Failure, Job, NewJob
from stillage.images.job_query import JobQuery
from stillage.operations.running import Kinds

Report = Callable[[Job], Awaitable[None]]
"""Called when a job was accepted, has begun, or has ended: for metrics and the audit."""


class Queue:
    """Accepts jobs."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime], report: Report) -> None:
        self._database = database
        self._clock = clock
        self._report = report
        self.bell = asyncio.Event()
        """Set when a job may be waiting, so that this process need not wait until it looks the next time."""

    async def enqueue(self, new: NewJob) -> Job:
        """Accept a job and return it; the earlier one, if there is one with the same key. It is durable by then."""
        job = await self._database.write(db.enqueue, new, self._clock())
        if job.id == new.id:
            await self.accepted(job)
        return job

    async def accepted(self, job: Job) -> None:
        """Have a job begun that another transaction has accepted with `db.jobs.enqueue`. Call it after the commit."""
        self.bell.set()
        await self._report(job)


class Jobs:
    """Shows jobs, and cancels them."""

    def __init__(
        self,
        database: Database,
        kinds: Kinds,
        *,
        access: Access,
        clock: Callable[[], datetime],
        report: Report,
        keep_s: float,
    ) -> None:
        """*keep_s*: how long a job is kept after its end."""
        self._database = database
        self._kinds = kinds
        self._access = access
        self._clock = clock
        self._report = report
        self.keep_s = keep_s

    async def get(self, job_id: JobId) -> Job:
        """Return the job; JobNotFound if there is none."""
        return await self._database.read(db.load, job_id)

    async def list_of(self, those: Filter, limit: int, after: Job | None = None) -> Sequence[Job]:
        """Return at most *limit* jobs, the newest first, that come *after* that one."""
        return await self._database.read(db.list_of, those, limit, after)

    async def page(self, principal: Principal, query: JobQuery) -> Sequence[Job]:
        """Return a page of the jobs that the principal's project asked for; an administrator sees those of all.

        Raises:
            InvalidInput: If the marker is none of them.
        """
        project = None if self._access.is_admin(principal) else principal.project_id
        states = None if query.state is None else (query.state,)
        those = Filter(project_id=project, image_id=query.image_id, states=states)
        return await self._database.read(_page, those, query)

    async def parts_of(self, job_id: JobId) -> Sequence[Job]:
        """Return the parts of a job, in order."""
        return await self._database.read(job_parts.of, job_id)

    async def cancel(self, job_id: JobId, why: str) -> Job:
        """End a job. The process that runs it stops within seconds.

        Raises:
            JobNotFound: If there is none.
            JobEnded: If it has ended already.
        """
        job = await self._database.write(self._cancel, job_id, Failure(JobCancelled.code, why))
        await self._report(job)
        return job

    async def forget_old(self) -> None:
        """Forget jobs that ended long ago. For the sweep."""
        before = self._clock() - timedelta(seconds=self.keep_s)
        while await self._database.write(db.forget_ended, before) == db.FORGOTTEN_AT_ONCE:
            pass

    def _cancel(self, connection: Connection, job_id: JobId, failure: Failure) -> Job:
        job = db.cancel(connection, job_id, failure, self._clock())
        if job is None:
            raise JobEnded(job_id, db.load(connection, job_id).state)
        if (kind := self._kinds.get(job.kind)) is not None and kind.failed is not None:
            kind.failed(connection, job)
        return job


def _page(connection: Connection, those: Filter, query: JobQuery) -> Sequence[Job]:
    after = None if query.marker is None else db.find(connection, query.marker)
    if query.marker is not None and (after is None or those.project_id not in (None, after.project_id)):
        raise InvalidInput(f"marker {query.marker[:36]!r} is not a job; start again without marker")
    return db.list_of(connection, those, query.limit, after)
