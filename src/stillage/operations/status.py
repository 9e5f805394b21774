"""Says how the deployment is: stores, scrub, damage, nodes, what runs, and how many requests there are."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stillage.accounts.principal import Principal
from stillage.db import processes, status
from stillage.db.leases import LeaseOwner
from stillage.db.processes import Process
from stillage.db.session import Database
from stillage.db.status import Running, Stored, Used
from stillage.errors import StillageError, Unavailable
from stillage.ids import StoreId
from stillage.images.access import Access
from stillage.images.quota import Limits
from stillage.operations.request_rates import MINUTES, RequestRates
from stillage.stores.abilities import Measures, Rations
from stillage.stores.base import Store
from stillage.stores.catalog import Stores

COUNTED_S = 60.0
"""For so long what is stored is not counted again: that reads every blob."""
STORE_S = 5.0
PROJECTS = 100
"""Of so many, those that use most, monitoring sees the usage: each is a time series."""
SEEN_S = 600.0
"""A process that was not seen for so long, which is several sweeps, is forgotten."""


@dataclass(frozen=True, slots=True)
class Status:
    """How the deployment is.

    Attributes:
        free: Bytes that a store has left, by its id; None if it does not say, or a sentence if it does not answer.
        since: Blobs that were read since then need no scrub.
        requests: Of the last hour, by minute, the oldest first, of all processes.
    """

    now: datetime
    stored: Stored
    free: Mapping[StoreId, int | str | None]
    running: Running
    since: datetime
    processes: Sequence[Process]
    requests: Sequence[int]


@dataclass(frozen=True, slots=True)
class Measured:
    """The deployment as monitoring sees it.

    Attributes:
        free: As in `Status`.
        database_s: How long the database took to answer; None if it did not. Then nothing was counted.
        limits: Of projects that have none of their own.
    """

    free: Mapping[StoreId, int | str | None]
    database_s: float | None
    counts: "Counts | None"
    limits: Limits
    version: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What is counted once in `COUNTED_S`, because it reads a row of every blob and image."""

    stored: Stored
    used: Used
    running: Running
    processes: Sequence[Process]


class StatusReports:
    def __init__(
        self,
        database: Database,
        stores: Stores,
        *,
        access: Access,
        limits: Limits,
        owner: LeaseOwner,
        version: str,
        scrub_every_s: float,
        clock: Callable[[], datetime],
    ) -> None:
        """Prepare to count.

        Args:
            database: Of the deployment.
            stores: All of them.
            access: Who may see it.
            limits: Of projects that have none of their own.
            owner: This process, without a name if it serves nothing.
            version: Of this process.
            scrub_every_s: How often every image is read again.
            clock: The time.
        """
        self._database = database
        self._stores = stores
        self._access = access
        self._limits = limits
        self._owner = owner
        self._version = version
        self._scrub_every = timedelta(seconds=scrub_every_s)
        self._clock = clock
        self._started_at = clock()
        self._counted: tuple[datetime, Stored] | None = None
        self._counts: tuple[datetime, Counts] | None = None
        self.rates = RequestRates(clock)

    async def show(self, principal: Principal) -> Status:
        """Return how the deployment is; Forbidden if *principal* is no administrator."""
        self._access.require_role(principal, "context_is_admin", "see how the deployment is")
        now = self._clock()
        since = now - self._scrub_every
        running = await self._database.read(status.running, now, since)
        others = [one for one in await self._database.read(processes.find) if one.owner != self._owner]
        alive = [*others, self._process(now)]
        free = dict(zip((one.id for one in self._stores), await asyncio.gather(*self._rooms()), strict=True))
        return Status(now, await self._stored(now), free, running, since, alive, _by_minute(alive, now))

    async def measure(self) -> Measured:
        """Return how the deployment is, for monitoring. Never fails: what does not answer is part of it."""
        free = dict(zip((one.id for one in self._stores), await asyncio.gather(*self._rooms()), strict=True))
        begun = time.perf_counter()
        try:
            await self._database.check()
            database_s = time.perf_counter() - begun
            counts = await self._count()
        except Unavailable:
            return Measured(free, None, None, self._limits, self._version)
        return Measured(free, database_s, counts, self._limits, self._version)

    async def _count(self) -> Counts:
        now = self._clock()
        if self._counts is None or now - self._counts[0] > timedelta(seconds=COUNTED_S):
            read, since = self._database.read, now - self._scrub_every
            used, alive = await read(status.used, PROJECTS), await read(processes.find)
            counts = Counts(await self._stored(now), used, await read(status.running, now, since), alive)
            self._counts = now, counts
        return self._counts[1]

    async def report(self) -> None:
        """Tell the other processes of this one. For the sweep."""
        now = self._clock()
        await self._database.write(processes.report, self._process(now), now - timedelta(seconds=SEEN_S))

    def _process(self, now: datetime) -> Process:
        return Process(self._owner, self._version, self._started_at, now, self.rates.by_minute())

    async def _stored(self, now: datetime) -> Stored:
        if self._counted is None or now - self._counted[0] > timedelta(seconds=COUNTED_S):
            self._counted = now, await self._database.read(status.stored)
        return self._counted[1]

    def _rooms(self) -> Sequence[asyncio.Future[int | str | None]]:
        return [asyncio.ensure_future(_room(one.store)) for one in self._stores]


async def _room(store: Store) -> int | str | None:
    """Return how many bytes *store* has left; None if it does not say, a sentence if it does not answer."""
    try:
        async with asyncio.timeout(STORE_S):
            if isinstance(store, Rations):
                return max(0, await store.left_bytes())
            return await store.free_bytes() if isinstance(store, Measures) else None
    except TimeoutError:
        return f"the store did not answer within {STORE_S:g} seconds"
    except StillageError as error:
        return str(error)


def _by_minute(alive: Sequence[Process], now: datetime) -> Sequence[int]:
    last = int(now.timestamp()) // 60
    minutes = range(last - MINUTES + 1, last + 1)
    return [sum(process.requests.get(minute, 0) for process in alive) for minute in minutes]
