"""Make the digests of the pieces of new images, by which later uploads find bytes that they need not send.

Uploads make those of the first 256 MiB and do not wait for the others: stored bytes are read again, the newest first,
in a thread that gives way to all others; or at once, when an upload has brought pieces of the same beginning. What is
made so far is kept from time to time, so that another process goes on where one has died.
"""

import asyncio
from contextlib import aclosing, suppress

from stillage.db import piece_digests
from stillage.db.piece_digests import Due
from stillage.db.session import Database
from stillage.errors import BlobNotFound, StillageError, StoreFailed, StoreReadOnly, Unavailable
from stillage.formats.piece_digests import LENGTH, PIECE, PieceHasher, first_unknown
from stillage.ids import BlobKey, StoreId
from stillage.lanes import Lane
from stillage.spans import Span
from stillage.stores.catalog import Stores

BLOCK = 1 << 20
AT_ONCE = 256
"""How many pieces are made before they are kept, and a newer image may go first: 1 GiB."""
BYTES_PER_S = 128 << 20
"""How fast the bytes are read, to leave the disk to others."""
LOWEST = 19
"""How nice the thread is."""
WAIT_S = 10.0
"""How long somebody waits for digests that were not made yet; about 10 GiB on a quiet machine."""


class Digesting:
    """In upkeep, one process of the deployment does it at a time: see `Exclusive`. Two only waste work."""

    def __init__(
        self, database: Database, stores: Stores, *, bytes_per_s: float = BYTES_PER_S, nice: int = LOWEST
    ) -> None:
        self._database = database
        self._stores = stores
        self._bytes_per_s = bytes_per_s
        self._nice = nice
        self._turn = asyncio.Lock()

    async def __call__(self) -> None:
        """Make all digests that are missing. Those in a store that cannot be reached now are left for the next time."""
        there: list[StoreId] = [named.id for named in self._stores]
        while (due := await self._database.read(piece_digests.newest_due, there)) is not None:
            try:
                await self._advance(due)
            except (BlobNotFound, StoreFailed, StoreReadOnly):  # a scrub finds out why, unless it was deleted
                await self._database.write(piece_digests.give_up, due.blob.key)
            except Unavailable:
                there.remove(due.blob.store)

    async def finish(self, key: BlobKey) -> None:
        """Make the missing digests of one blob while somebody waits, for at most `WAIT_S`; upkeep does the rest."""
        with suppress(TimeoutError, StillageError):
            async with asyncio.timeout(WAIT_S), self._turn:
                while (due := await self._database.read(piece_digests.due_of, key)) is not None:
                    await self._advance(due)

    async def _advance(self, due: Due) -> None:
        numbers = first_unknown(due.known, due.size, AT_ONCE)
        if not numbers:
            await self._database.write(piece_digests.complete, due)
            return
        packed = await self._digests_of(due, Span(numbers.start * PIECE, min(numbers.stop * PIECE, due.size)))
        if len(packed) < len(numbers) * LENGTH:
            raise BlobNotFound(due.blob.key)
        await self._database.write(piece_digests.note, due.blob.key, numbers.start, packed)

    async def _digests_of(self, due: Due, span: Span) -> bytes:
        hasher, clock = PieceHasher(), asyncio.get_running_loop().time
        begun, at = clock(), 0
        async with self._stores.uncached(due.blob) as reader, Lane("piece-digests", nice=self._nice) as hashing:
            async with aclosing(reader.stream(span.first, span.length, BLOCK)) as blocks:
                async for block in blocks:
                    await hashing.submit(hasher.feed, bytes(block))
                    at += len(block)
                    await asyncio.sleep(begun + at / self._bytes_per_s - clock())
            return await hashing.call(hasher.packed)
