"""Scrub: read stored blobs again and compare them with their digests, to detect bit rot and lost files.

If they differ, the blob is marked as damaged and no longer served; an image of which no copy is good is marked as well.
If the bytes are right again (a disk came back, a file was restored), they are served again.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from stillage.db import blobs
from stillage.db.blobs import Stored
from stillage.db.session import Database
from stillage.errors import BlobNotFound, StoreFailed, StoreReadOnly, Unavailable
from stillage.ids import ImageId, StoreId
from stillage.lanes import Lane
from stillage.stores.base import BlobReader
from stillage.stores.catalog import Stores

log = structlog.get_logger()

T = TypeVar("T")

BLOCK = 1 << 20
GONE = "its bytes are gone"
WERE_STORED = "were stored"


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """The result for one blob.

    Attributes:
        image_ids: The images that have it.
        damage: None if it is intact.
    """

    stored: Stored
    image_ids: Sequence[ImageId]
    damage: str | None


@dataclass(frozen=True, slots=True)
class _Found:
    damage: str | None
    sha256: str | None = None


class Scrub:
    def __init__(self, database: Database, stores: Stores, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._stores = stores
        self._clock = clock
        self._unfinished: set[Stored] = set()  # not yet recorded in the database

    async def __call__(
        self, *, older_than_s: float, bytes_per_s: float | None = None, damaged_only: bool = False
    ) -> AsyncIterator[Scrubbed]:
        """Scrub every blob that was not scrubbed for *older_than_s*, the longest overdue first.

        Any number of scrubs may run at once, on any node; each takes other blobs. Unfinished blobs are due again.

        Args:
            older_than_s: 0 scrubs everything once.
            bytes_per_s: Reading rate, to leave the disk to others; None for no limit.
            damaged_only: Only blobs marked as damaged, to find those that were repaired.

        Raises:
            Unavailable: If the database does not answer now, or a store; then the others were scrubbed.
        """
        await self._give_back()
        before = self._clock() - timedelta(seconds=older_than_s)
        away: dict[StoreId, Unavailable] = {}
        while (stored := await self._take(away, before, damaged_only=damaged_only)) is not None:
            try:
                found = await self._giving_back(stored, self._read(stored, bytes_per_s))
            except Unavailable as error:
                away[stored.blob.store] = error
                continue
            image_ids = await self._giving_back(stored, self._record(stored, found))
            if not image_ids:
                continue  # deleted while being read: the store is not at fault
            if found.damage is not None:
                facts = {"store": stored.blob.store, "key": stored.blob.key, "damage": found.damage}
                log.error("bytes are damaged at rest", image_ids=image_ids, **facts)
            yield Scrubbed(stored, image_ids, found.damage)
        for why in away.values():
            raise why

    async def _take(self, away: Collection[StoreId], before: datetime, *, damaged_only: bool) -> Stored | None:
        there = [named.id for named in self._stores if named.id not in away]
        now = self._clock()
        return await self._database.write(blobs.take_for_scrub, there, before, now, damaged_only=damaged_only)

    async def _give_back(self) -> None:
        for stored in list(self._unfinished):
            await self._database.write(blobs.give_back_to_scrub, stored)
            self._unfinished.discard(stored)

    async def _giving_back(self, stored: Stored, work: Awaitable[T]) -> T:
        """Return what *work* does. If it fails, the blob is due again."""
        try:
            return await work
        except BaseException:  # including a cancellation by a stop
            self._unfinished.add(stored)
            with suppress(Unavailable):  # the next scrub retries
                await asyncio.shield(self._give_back())
            raise

    async def _record(self, stored: Stored, found: _Found) -> Sequence[ImageId]:
        if found.sha256 is not None:
            # The upload may not have declared SHA-256. Instant uploads look up stored bytes by it.
            await self._database.write(blobs.learn_sha256, stored.blob.key, found.sha256)
        return await self._database.write(blobs.set_damage, stored.blob, found.damage)

    async def _read(self, stored: Stored, bytes_per_s: float | None) -> _Found:
        try:
            async with self._stores.uncached(stored.blob) as reader:
                return await self._compare(stored, reader, bytes_per_s)
        except BlobNotFound:
            return _Found(GONE)
        except (StoreFailed, StoreReadOnly) as error:  # the latter for a file without read permission
            return _Found(f"its bytes cannot be read: {error}")

    async def _compare(self, stored: Stored, reader: BlobReader, bytes_per_s: float | None) -> _Found:
        digests = {name: hashlib.new(name, usedforsecurity=False) for name in (stored.os_hash_algo, "sha256")}
        begun, offset = asyncio.get_running_loop().time(), 0
        stream = reader.stream(0, reader.size, BLOCK)
        async with Lane(f"scrub-{stored.blob.key[:8]}") as hashing, aclosing(stream) as blocks:
            async for block in blocks:
                for digest in digests.values():
                    await hashing.submit(digest.update, block)
                offset += len(block)
                if bytes_per_s is not None:
                    await asyncio.sleep(begun + offset / bytes_per_s - asyncio.get_running_loop().time())
            hash_value = await hashing.call(digests[stored.os_hash_algo].hexdigest)
        if offset != stored.size:
            return _Found(of_other_size(offset, stored.size))
        if hash_value != stored.os_hash_value:
            return _Found(f"their {stored.os_hash_algo} is {hash_value}, and was {stored.os_hash_value}")
        return _Found(None, digests["sha256"].hexdigest())


def of_other_size(found: int, stored: int) -> str:
    """Return the damage of a blob of which *found* bytes are there, and *stored* bytes were."""
    return f"{found} bytes are there, {stored} {WERE_STORED}"
