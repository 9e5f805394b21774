"""Runs a worker's background jobs: a sweep every minute, and a slow scrub all the time.

Every process of every node sweeps, which does no harm; one of them scrubs, one looks at what is in buckets, and one
makes digests of what is new.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from stillage.errors import StillageError
from stillage.operations.upkeep.exclusive import Exclusive
from stillage.operations.upkeep.look import Look
from stillage.operations.upkeep.scrub import Scrub
from stillage.operations.upkeep.sweep import Sweep
from stillage.stores.abilities import SHARDS

log = structlog.get_logger()

LOOK_EVERY_S = 86400.0
"""How often stores are asked what they have of each blob, if they can say that."""

Work = Callable[[], Awaitable[object]]
NOTHING: Mapping[str, Work] = {}


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often and how fast the background jobs run.

    Attributes:
        sweep_s: Interval between sweeps.
        orphan_age_s: Longer than any upload can take.
        scrub_every_s: How often to read every image again; None for never.
        scrub_bytes_per_s: Speed of the scrub, of the whole deployment.
    """

    sweep_s: float
    orphan_age_s: float
    scrub_every_s: float | None
    scrub_bytes_per_s: float


class Upkeep:
    def __init__(
        self,
        sweep: Sweep,
        scrub: Scrub,
        look: Look,
        exclusive: Exclusive,
        *,
        schedule: Schedule,
        first: Work | None = None,
        also: Sequence[Work] = (),
        alone: Mapping[str, Work] = NOTHING,
    ) -> None:
        """*first* is called before every sweep, *also* after it; of *alone* one process does each by its name."""
        self._exclusive = exclusive
        self._first = first
        self._sweep = sweep
        self._scrub = scrub
        self._look = look
        self._schedule = schedule
        self._also = also
        self._alone = alone
        self._shard = random.randrange(SHARDS)  # noqa: S311 - no secret; nodes begin at different places

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run in the background."""
        # Separate tasks, so that a hanging store keeps no image in `saving`.
        works: list[Work] = [self._end_once, self._remove_once]
        works += [partial(self._exclusive.run, name, work) for name, work in self._alone.items()]
        if self._schedule.scrub_every_s is not None:
            works.append(self._scrub_once)
            if self._look.has_stores:
                works.append(self._look_once)
        tasks = [asyncio.create_task(self._again_and_again(work, self._schedule.sweep_s)) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _again_and_again(self, work: Work, interval_s: float) -> None:
        while True:
            # Jitter, so that nodes started together do not run at the same moments.
            await asyncio.sleep(interval_s * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            try:
                await work()
            except StillageError as error:
                log.warning("upkeep failed; trying again", why=str(error))
            except Exception:
                log.exception("upkeep failed; trying again")

    async def _end_once(self) -> None:
        if self._first is not None:
            await self._first()
        await self._sweep.end_dead_uploads()
        for work in self._also:
            await work()

    async def _remove_once(self) -> None:
        await self._sweep.remove_pending_blobs()
        await self._sweep.remove_orphans(self._shard, older_than_s=self._schedule.orphan_age_s)
        self._shard = (self._shard + 1) % SHARDS

    async def _scrub_once(self) -> None:
        await self._exclusive.run("scrub", self._scrub_all)

    async def _look_once(self) -> None:
        await self._exclusive.run("look", self._look_at_all)

    async def _look_at_all(self) -> None:
        await self._look(older_than_s=LOOK_EVERY_S)

    async def _scrub_all(self) -> None:
        every_s = self._schedule.scrub_every_s or 0
        async for _ in self._scrub(older_than_s=every_s, bytes_per_s=self._schedule.scrub_bytes_per_s):
            pass
