"""Blobs as objects of an S3 bucket: each image is one plain object, ``<prefix><key>``.

What is published is said by the database, not by the bucket: an object is there a little before its row says so. Pieces
of unfinished images are objects under ``<prefix><key>.partial/``, see `stores.s3.partial`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import datetime, timedelta

import botocore.session

from stillage.errors import BlobNotFound
from stillage.ids import BlobKey
from stillage.spans import Span
from stillage.stores.abilities import Cached, Glimpse, OldBlobs, Recall, Source, recall_nothing
from stillage.stores.base import Block
from stillage.stores.s3.assembly import Assembly
from stillage.stores.s3.buffers import BUFFERS, Blocks, Buffers
from stillage.stores.s3.cache import Object, SliceCache, SlicePart
from stillage.stores.s3.client import Missing, S3Client, Stored
from stillage.stores.s3.partial import S3PartialBlob
from stillage.stores.s3.parts import Parts
from stillage.stores.s3.pieces import BEGUN, FOLDER, key_in, object_of
from stillage.stores.s3.reading import Reading
from stillage.stores.s3.settings import S3Settings
from stillage.stores.s3.transfers import Transfers
from stillage.stores.s3.writer import S3Writer
from stillage.stores.sources import FileSource

ANSWER_S = 10.0
"""How long the server may take to answer before an upload or a download begins."""
ASSEMBLIES = 1000
"""Unfinished images whose assembly is remembered. Those of others begin again."""
PROBE = ".probe"


class S3Store:
    """A bucket, which must exist. *session*: botocore's, with credentials; None for the machine's."""

    def __init__(
        self,
        settings: S3Settings,
        session: botocore.session.Session | None = None,
        *,
        timeout_s: float = ANSWER_S,
        buffers: Buffers = BUFFERS,
        cache: SliceCache | None = None,
    ) -> None:
        self._settings = settings
        self.client = S3Client(settings, session)
        self._cache = cache
        self._transfers = Transfers(self.client, timeout_s, buffers)
        self._assemblies: dict[BlobKey, Assembly] = {}
        self._probing: Future[None] | None = None
        self._looking: dict[BlobKey, Future[Stored]] = {}

    @asynccontextmanager
    async def writer(self, key: BlobKey, size: int | None = None) -> AsyncIterator[S3Writer]:
        writer = S3Writer(self._transfers, key, self._parts(size), self._settings.parts_at_once)
        try:
            yield writer
        finally:
            await writer.end()

    @asynccontextmanager
    async def reader(self, key: BlobKey) -> AsyncIterator["_S3Reader"]:
        yield _S3Reader(self._transfers, key, await self._stored(key), self._cache)

    @asynccontextmanager
    async def uncached(self, key: BlobKey) -> AsyncIterator["_S3Reader"]:
        yield _S3Reader(self._transfers, key, await self._stored(key), None)

    async def look(self, key: BlobKey) -> Glimpse:
        stored = await self._stored(key)
        return Glimpse(stored.size, stored.etag)

    async def begin(self, key: BlobKey) -> None:
        await self._transfers.soon(self.client.put, object_of(key, BEGUN), Blocks([]))

    @asynccontextmanager
    async def partial(
        self, key: BlobKey, recall: Recall = recall_nothing, size: int | None = None
    ) -> AsyncIterator[S3PartialBlob]:
        try:
            await self._transfers.soon(self.client.head, object_of(key, BEGUN))
        except Missing:
            raise BlobNotFound(key) from None
        at_once, parts = self._settings.parts_at_once, self._parts(size)
        assembly = self._assembly(key, parts)
        partial = S3PartialBlob(self._transfers, key, parts, recall, assembly, size=size, at_once=at_once)
        try:
            yield partial
        finally:
            await partial.end()
            if assembly.has_failed:
                await self._forget(key)

    async def drop_partial(self, key: BlobKey) -> None:
        await self._forget(key)
        await self._transfers.call(self._drop, key)

    async def delete(self, key: BlobKey) -> None:
        await self._forget(key)
        await self._transfers.call(self._delete, key)

    async def find_old(self, shard: int, older_than_s: float) -> OldBlobs:
        return await self._transfers.call(self._find_old, f"{shard:02x}", older_than_s)

    def late_by_s(self) -> float:
        """As `ActsLate` says: the server may go on with a request whose bytes it has when its client is gone."""
        return self._settings.timeout_s

    async def locate(self, key: BlobKey, seconds: int) -> str | None:
        return await self._transfers.soon(self.client.url_of, key, seconds) if self._settings.redirect else None

    @property
    def has_cache(self) -> bool:
        return self._cache is not None

    async def cached(self) -> Sequence[Cached]:
        return [] if self._cache is None else await self._cache.contents()

    async def forget_cached(self, key: BlobKey) -> None:
        if self._cache is not None:
            await self._cache.forget(key)

    async def check(self) -> None:
        # One probe for all that ask at the same time: while the server hangs each would occupy a thread.
        if self._probing is None or self._probing.done():
            self._probing = self._transfers.submit(self._probe)
        await self._transfers.in_time(self._probing)

    def close(self) -> None:
        self._transfers.close()
        if self._cache is not None:
            self._cache.close()

    async def _stored(self, key: BlobKey) -> Stored:
        """Look at an object, once for all that ask at the same time: a herd of readers would wait for one another."""
        looking = self._looking.get(key)
        if looking is None:
            looking = self._looking[key] = self._transfers.submit(self.client.head, key)
            looking.add_done_callback(lambda _: self._looking.pop(key, None))
        try:
            return await self._transfers.in_time(looking)
        except Missing:
            raise BlobNotFound(key) from None

    def _parts(self, size: int | None) -> Parts:
        return Parts.of(self._settings.part_size, size, equal=self._settings.equal_parts)

    def _assembly(self, key: BlobKey, parts: Parts) -> Assembly:
        """Return what is assembled of an image already: its pieces are verified now and then, as they come."""
        assembly = self._assemblies.pop(key, None) or Assembly(
            self._transfers, key, parts, self._settings.parts_at_once
        )
        self._assemblies[key] = assembly
        if len(self._assemblies) > ASSEMBLIES:
            del self._assemblies[next(iter(self._assemblies))]  # its upload at the server goes with the partial blob
        return assembly

    async def _forget(self, key: BlobKey) -> None:
        assembly = self._assemblies.pop(key, None)
        if assembly is not None:
            await asyncio.shield(assembly.abort())

    def _probe(self) -> None:
        self.client.put(PROBE, Blocks([b"?"]))
        with suppress(Missing):  # another process has just removed it
            self.client.head(PROBE)

    def _drop(self, key: BlobKey) -> None:
        pieces, _ = self.client.objects(f"{key}{FOLDER}")
        self.client.delete([piece.key for piece in pieces])
        for upload in self.client.open_uploads(key):
            if upload.key == key:  # others may begin with the same characters
                self.client.abort(upload.key, upload.id)

    def _delete(self, key: BlobKey) -> None:
        # Uploads first: one that is completed meanwhile becomes an object, which is deleted next.
        self._drop(key)
        self.client.delete([key])

    def _find_old(self, prefix: str, older_than_s: float) -> OldBlobs:
        """Find objects and open uploads by the server's clock."""
        found, now = self.client.objects(prefix)
        uploads = self.client.open_uploads(prefix)
        touched: dict[tuple[BlobKey, bool], datetime] = {}

        def see(name: str, when: datetime, *, is_partial: bool) -> None:
            if (key := key_in(name)) is not None:  # what is found may be removed
                second = when.replace(microsecond=0)  # as in the time of its answers
                touched[key, is_partial] = max(second, touched.get((key, is_partial), second))

        for stored in found:
            see(stored.key, stored.changed_at, is_partial="." in stored.key)
        for upload in uploads:
            see(upload.key, upload.begun_at, is_partial=True)
        before = now - timedelta(seconds=older_than_s)
        old = {what for what, when in touched.items() if when <= before}
        return OldBlobs({key for key, partial in old if not partial}, {key for key, partial in old if partial})


class _S3Reader:
    def __init__(self, transfers: Transfers, key: BlobKey, stored: Stored, cache: SliceCache | None) -> None:
        self.size = stored.size
        self._transfers = transfers
        self._key = key
        self._etag = stored.etag
        self._cache = cache

    async def read(self, offset: int, length: int) -> bytes:
        async with aclosing(self.stream(offset, length, length)) as blocks:
            return b"".join([block async for block in blocks])

    async def stream(self, first: int, length: int, block: int) -> AsyncGenerator[Block]:
        async with aclosing(self._parts(Span(first, min(first + length, self.size)))) as parts:
            async for part in parts:
                async with aclosing(self._blocks(part, block)) as blocks:
                    async for data in blocks:
                        yield data

    async def sources(self, first: int, length: int) -> AsyncGenerator[Source]:
        async with aclosing(self._parts(Span(first, first + length))) as parts:
            async for part in parts:
                if part.descriptor is None:
                    yield self._transfers.source(self._reading(part.span), part.span.length)
                else:
                    yield FileSource(part.descriptor, Span(part.first, part.first + part.span.length))

    async def _parts(self, span: Span) -> AsyncGenerator[SlicePart]:
        if self._cache is None:
            yield SlicePart(span, None, 0)
            return
        source = Object(self._key, self._etag, self.size, self._reading)
        async with aclosing(self._cache.slices(source, span)) as slices:
            async for part in slices:
                yield part

    def _blocks(self, part: SlicePart, block: int) -> AsyncGenerator[Block]:
        if self._cache is None or part.descriptor is None:
            return self._transfers.stream(self._reading(part.span), block)
        return self._cache.read(part, part.descriptor, block)

    def _reading(self, span: Span) -> Reading:
        return self._transfers.reading(self._key, span, BlobNotFound(self._key), self._etag)
