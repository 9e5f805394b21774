"""A cache of slices of objects on the local disk, so that many readers of an image cost the S3 server one read.

One file without a name has a place for each slice: it needs no more room than it was given, and is gone with the
process, however that ends. The slice that nobody has read for the longest time gives its place to the next one.
"""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from stillage.ids import BlobKey
from stillage.spans import Span
from stillage.stores.abilities import Cached
from stillage.stores.base import Block
from stillage.stores.files.disk import translated
from stillage.stores.s3.settings import MIB
from stillage.stores.threads import Threads

log = structlog.get_logger()

SLICE = 8 * MIB
THREADS = 8
Name = tuple[str, str, int]
"""Key and ETag of an object, and the number of a slice: what has another ETag is another object."""
Fetch = Callable[[Span], AsyncGenerator[Block]]


@dataclass
class _Slice:
    """*place*: its number in the file. *filling*: done when all of it is there."""

    place: int
    filling: "asyncio.Task[None]"
    length: int
    filled_at: float
    read_at: float
    readers: int = 0
    hits: int = 0

    @property
    def is_filled(self) -> bool:
        return self.filling.done()  # one that failed is forgotten at once


class SliceCache:
    def __init__(self, folder: Path, capacity: int, *, slice_size: int = SLICE) -> None:
        """*folder*: must exist; *capacity*: in bytes, at least one slice.

        Raises:
            StillageError: If nothing can be written there.
        """
        self.slice_size = slice_size
        self._threads = Threads("cache", THREADS, timeout_s=0)
        self._slices: OrderedDict[Name, _Slice] = OrderedDict()
        self._free = list(range(max(1, capacity // slice_size)))
        try:
            self._file = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise translated(error, "make the file of its cache") from error

    async def stream(
        self, key: str, etag: str, span: Span, size: int, block: int, fetch: Fetch
    ) -> AsyncGenerator[Block]:
        """Yield the bytes of *span* of an object of *size* bytes, at most *block* at once.

        *fetch* yields those of a span from the server; for each slice that is missing it is called once, however many
        wait for it.
        """
        first = span.first
        while first < span.end:
            number = first // self.slice_size
            wanted = Span(first, min((number + 1) * self.slice_size, span.end))
            async with self._read((key, etag, number), size, fetch) as kept:
                if wanted.end < span.end:
                    self._find((key, etag, number + 1), size, fetch)  # so that it is there when it is needed
                source = fetch(wanted) if kept is None else self._from_disk(kept, wanted, block)
                async with aclosing(source) as blocks:
                    async for data in blocks:
                        yield data
            first = wanted.end

    def contents(self) -> list[Cached]:
        """Return which blobs the cache has parts of, and how much."""
        found: dict[str, Cached] = {}
        for (key, _, _), one in self._slices.items():
            if one.is_filled:
                before = found.get(key, Cached(BlobKey(key), 0, 0, one.filled_at, one.read_at))
                found[key] = Cached(
                    before.key,
                    before.size + one.length,
                    before.hits + one.hits,
                    min(before.filled_at, one.filled_at),
                    max(before.read_at, one.read_at),
                )
        return list(found.values())

    def forget(self, key: str) -> None:
        """Free the slices of a blob, but for those that are being filled or read."""
        for name in [name for name in self._slices if name[0] == key]:
            if self._is_free(self._slices[name]):
                self._free.append(self._slices.pop(name).place)

    def close(self) -> None:
        self._threads.close()
        os.close(self._file)

    @asynccontextmanager
    async def _read(self, name: Name, size: int, fetch: Fetch) -> AsyncIterator[_Slice | None]:
        """Keep a slice from being replaced; None if it cannot be kept: all places are read from, or the disk failed."""
        kept = self._find(name, size, fetch)
        if kept is None:
            yield None
            return
        self._slices.move_to_end(name)
        kept.readers += 1
        kept.hits += 1
        kept.read_at = time.time()
        try:
            is_there = True
            try:
                await asyncio.shield(kept.filling)
            except OSError as error:
                log.warning("the cache of a store cannot be written", why=error.strerror)
                is_there = False
            yield kept if is_there else None
        finally:
            kept.readers -= 1

    def _find(self, name: Name, size: int, fetch: Fetch) -> _Slice | None:
        """Return a slice, which may still be filling; None if there is no place for it."""
        if name in self._slices:
            return self._slices[name]
        place = self._place()
        if place is None:
            return None
        first, now = name[2] * self.slice_size, time.time()
        whole = Span(first, min(first + self.slice_size, size))
        filling = asyncio.get_running_loop().create_task(self._fill(place, whole, fetch))
        kept = self._slices[name] = _Slice(place, filling, whole.end - whole.first, now, now)
        kept.filling.add_done_callback(lambda filling: self._forget_failed(name, place, filling))
        return kept

    def _place(self) -> int | None:
        """Return a free place, or that of the slice that was not read for the longest time."""
        if self._free:
            return self._free.pop()
        for name, kept in self._slices.items():
            if self._is_free(kept):
                del self._slices[name]
                return kept.place
        return None

    @staticmethod
    def _is_free(kept: _Slice) -> bool:
        return kept.is_filled and not kept.readers

    def _forget_failed(self, name: Name, place: int, filling: "asyncio.Task[None]") -> None:
        if filling.cancelled() or filling.exception() is not None:
            del self._slices[name]
            self._free.append(place)

    async def _fill(self, place: int, whole: Span, fetch: Fetch) -> None:
        """Fetch a slice. Not ended by its first reader, who may leave: others wait for it as well."""
        offset = place * self.slice_size
        async with aclosing(fetch(whole)) as blocks:
            async for data in blocks:
                await self._threads.run(_write, self._file, data, offset)
                offset += len(data)

    async def _from_disk(self, kept: _Slice, wanted: Span, block: int) -> AsyncGenerator[Block]:
        begin = kept.place * self.slice_size - wanted.first // self.slice_size * self.slice_size
        for first in range(wanted.first, wanted.end, block):
            length = min(block, wanted.end - first)
            yield await self._threads.run(_read, self._file, length, begin + first)


def _write(file: int, data: Block, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def _read(file: int, length: int, offset: int) -> bytes:
    try:
        return os.pread(file, length, offset)
    except OSError as error:
        raise translated(error, "read its cache") from error
