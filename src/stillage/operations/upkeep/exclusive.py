"""Do a background job in one process of the deployment at a time, whatever the number of nodes and workers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from stillage.db import job_leases
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database

LEASE_S = 60.0
"""If the process that does a job dies with its node, the job rests for this long."""


class Exclusive:
    def __init__(
        self,
        database: Database,
        *,
        owner: LeaseOwner,
        clock: Callable[[], datetime],
        lease_s: float = LEASE_S,
    ) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock
        self._lease_s = lease_s

    async def run(self, job: str, work: Callable[[], Awaitable[object]]) -> bool:
        """Do *work*, unless another process does *job*; return whether it was done to its end.

        It is cancelled if another process has taken over, because this one was stopped for longer than the lease.

        Raises:
            Unavailable: If the database does not answer; then the work is cancelled as well.
        """
        if not await self._take(job):
            return False
        working = asyncio.ensure_future(work())
        try:
            while not working.done():
                await asyncio.wait([working], timeout=self._lease_s / 3)
                if not working.done() and not await self._take(job):
                    return False
            await working
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await self._database.write(job_leases.drop, job, self._owner)
        return True

    async def _take(self, job: str) -> bool:
        now = self._clock()
        until = now + timedelta(seconds=self._lease_s)
        return await self._database.write(job_leases.take, job, self._owner, now, until)
