"""Scrub: read stored blobs again and compare them with their digests, to detect bit rot and lost files.

If they differ, the image is marked as damaged and its data is no longer served. If the bytes are right again (a disk
came back, a file was restored), it is served again.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from stillage.db import blobs
from stillage.db.blobs import Stored
from stillage.db.session import Database
from stillage.errors import BlobNotFound, StoreFailed, StoreReadOnly, Unavailable
from stillage.lanes import Lane
from stillage.stores.base import BlobReader, Store

log = structlog.get_logger()

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """The result for one blob. *damage* is None if it is intact."""

    blob: Stored
    damage: str | None


class Scrub:
    def __init__(self, database: Database, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._store = store
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
            Unavailable: If the database or the store does not answer now.
        """
        await self._give_back()
        before = self._clock() - timedelta(seconds=older_than_s)
        while (blob := await self._take(before, damaged_only=damaged_only)) is not None:
            try:
                damage = await self._damage_of(blob, bytes_per_s)
                is_there = await self._database.write(blobs.set_damage, blob, damage)
            except BaseException:  # including a cancellation by a stop
                self._unfinished.add(blob)
                with suppress(Unavailable):  # the next scrub retries
                    await asyncio.shield(self._give_back())
                raise
            if not is_there:
                continue  # deleted while being read: the store is not at fault
            if damage is not None:
                log.error("an image is damaged at rest", image_id=blob.image_id, key=blob.key, damage=damage)
            yield Scrubbed(blob, damage)

    async def _take(self, before: datetime, *, damaged_only: bool) -> Stored | None:
        return await self._database.write(blobs.take_for_scrub, before, self._clock(), damaged_only=damaged_only)

    async def _give_back(self) -> None:
        for blob in list(self._unfinished):
            await self._database.write(blobs.give_back_to_scrub, blob)
            self._unfinished.discard(blob)

    async def _damage_of(self, blob: Stored, bytes_per_s: float | None) -> str | None:
        try:
            async with self._store.reader(blob.key) as reader:
                return await self._compare(blob, reader, bytes_per_s)
        except BlobNotFound:
            return "its bytes are gone"
        except (StoreFailed, StoreReadOnly) as error:  # the latter for a file without read permission
            return f"its bytes cannot be read: {error}"

    async def _compare(self, blob: Stored, reader: BlobReader, bytes_per_s: float | None) -> str | None:
        digests = {name: hashlib.new(name, usedforsecurity=False) for name in (blob.os_hash_algo, "sha256")}
        begun, offset = asyncio.get_running_loop().time(), 0
        stream = reader.stream(0, reader.size, BLOCK)
        async with Lane(f"scrub-{blob.key[:8]}") as hashing, aclosing(stream) as blocks:
            async for block in blocks:
                for digest in digests.values():
                    await hashing.submit(digest.update, block)
                offset += len(block)
                if bytes_per_s is not None:
                    await asyncio.sleep(begun + offset / bytes_per_s - asyncio.get_running_loop().time())
            hash_value = await hashing.call(digests[blob.os_hash_algo].hexdigest)
        if offset != blob.size:
            return f"{offset} bytes are there, {blob.size} were stored"
        if hash_value != blob.os_hash_value:
            return f"their {blob.os_hash_algo} is {hash_value}, and was {blob.os_hash_value}"
        # The upload may not have declared SHA-256. Instant uploads look up stored bytes by it.
        await self._database.write(blobs.learn_sha256, blob.key, digests["sha256"].hexdigest())
        return None
