"""Look at stored blobs without reading them: ask each store that can tell what it has, which costs it next to nothing.

A blob that is gone, or has another size, is damaged. One that the store calls otherwise than before was stored again by
somebody; a scrub reads it before others, and decides. So what happens to a bucket behind our back is known in a day.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from stillage.db import blobs, looks
from stillage.db.looks import Due, Seen
from stillage.db.session import Database
from stillage.errors import BlobNotFound, StillageError
from stillage.ids import StoreId
from stillage.operations.upkeep.scrub import GONE, WERE_STORED, of_other_size
from stillage.stores.abilities import Looks
from stillage.stores.catalog import Stores

log = structlog.get_logger()

AT_ONCE = 100
"""How many looks are remembered together."""
PER_S = 50.0


class Look:
    def __init__(self, database: Database, stores: Stores, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._stores = stores
        self._clock = clock

    @property
    def has_stores(self) -> bool:
        """Whether any of the stores can tell what it has."""
        return any(isinstance(named.store, Looks) for named in self._stores)

    async def __call__(self, *, older_than_s: float) -> int:
        """Look at every blob that was not looked at for *older_than_s*; return how many there were.

        A store that does not answer now, or refuses to, is left for the next time.
        """
        count = 0
        for named in self._stores:
            if isinstance(named.store, Looks):
                try:
                    count += await self._look_through(named.id, named.store, older_than_s)
                except StillageError as error:
                    log.warning("a store does not say what it has; trying again", store=named.id, why=error.reason)
        return count

    async def _look_through(self, store_id: StoreId, store: Looks, older_than_s: float) -> int:
        before, count = self._clock() - timedelta(seconds=older_than_s), 0
        while some := await self._database.read(looks.due, store_id, before, AT_ONCE):
            seen: list[Seen] = []
            try:
                for due in some:
                    seen.append(await self._look_at(store, due))
                    await asyncio.sleep(1 / PER_S)
            finally:
                await self._database.write(looks.note, seen, self._clock())
            count += len(seen)
        return count

    async def _look_at(self, store: Looks, due: Due) -> Seen:
        try:
            glimpse = await store.look(due.blob.key)
        except BlobNotFound:
            await self._mark(due, GONE)
            return Seen(due.blob.key, due.version)
        if glimpse.size != due.size:
            await self._mark(due, of_other_size(glimpse.size, due.size))
            return Seen(due.blob.key, due.version)
        if due.damage == GONE and glimpse.version == due.version:
            await self._database.write(blobs.set_damage, due.blob, None)
            log.info("bytes that were gone are there again", store=due.blob.store, key=due.blob.key)
            return Seen(due.blob.key, glimpse.version)
        is_another = due.version not in (None, glimpse.version)
        return Seen(due.blob.key, glimpse.version, read_again=is_another or _shows_without_reading(due.damage))

    async def _mark(self, due: Due, damage: str) -> None:
        if due.damage is not None:
            return
        image_ids = await self._database.write(blobs.set_damage, due.blob, damage)
        if image_ids:  # otherwise they were deleted meanwhile
            facts = {"store": due.blob.store, "key": due.blob.key, "damage": damage}
            log.error("bytes are damaged at rest", image_ids=image_ids, **facts)


def _shows_without_reading(damage: str | None) -> bool:
    """Whether a look finds this damage: a blob on which it finds none may have been restored."""
    return damage is not None and (damage == GONE or damage.endswith(WERE_STORED))
