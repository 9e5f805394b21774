"""A cache of slices of objects on the local disk, so that many readers of an image cost the S3 server one read a node.

A process fetches a slice once, however many of its readers wait for it; `slices` sees to it between processes.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from stillage.ids import BlobKey
from stillage.spans import Span
from stillage.stores.abilities import Cached
from stillage.stores.base import Block
from stillage.stores.files.disk import translated
from stillage.stores.s3.reading import Reading
from stillage.stores.s3.settings import MIB
from stillage.stores.s3.slices import SliceFolder
from stillage.stores.threads import Threads

log = structlog.get_logger()

SLICE = 8 * MIB
FETCHED_AT_ONCE = 8
READ_AT_ONCE = 8
WARN_EVERY_S = 60.0
COUNTED = 10_000
"""Blobs of which is known how often they were read."""
Fetch = Callable[[Span], Reading]


@dataclass(frozen=True, slots=True)
class SlicePart:
    """Some bytes of an object.

    Attributes:
        span: Which ones.
        descriptor: Of the file that has them; whoever receives it closes it. None if no file can have them now.
        first: Where they begin in the file.
    """

    span: Span
    descriptor: int | None
    first: int


@dataclass(frozen=True, slots=True)
class Object:
    """An object, and how its bytes are fetched. What has another *etag* is another object."""

    key: BlobKey
    etag: str
    size: int
    fetch: Fetch


class SliceCache:
    def __init__(self, folder: Path, capacity: int, *, slice_size: int = SLICE) -> None:
        """*folder*: of this cache alone, which all workers of a node use; *capacity*: in bytes, at least one slice.

        Raises:
            StillageError: If nothing can be written there.
        """
        self._slice_size = slice_size
        self._folder = SliceFolder(folder, max(capacity, slice_size), slice_size)
        self._fetchers = Threads("cache-fetch", FETCHED_AT_ONCE, timeout_s=0)
        self._readers = Threads("cache", READ_AT_ONCE, timeout_s=0)
        self._fetching: dict[str, asyncio.Task[bool]] = {}
        self._hits: dict[BlobKey, int] = {}
        self._quiet_until = 0.0

    async def slices(self, source: Object, span: Span) -> AsyncGenerator[SlicePart]:
        """Yield the bytes of *span*, in order, each slice as soon as it is there."""
        first = span.first
        while first < span.end:
            number = first // self._slice_size
            wanted = Span(first, min((number + 1) * self._slice_size, span.end))
            descriptor = await self._open(source, number, is_last=wanted.end == span.end)
            yield SlicePart(wanted, descriptor, first - number * self._slice_size)
            first = wanted.end

    async def read(self, part: SlicePart, descriptor: int, block: int) -> AsyncGenerator[Block]:
        """Yield the bytes of *part* from its *descriptor*, which is closed then, at most *block* at once."""
        reading: asyncio.Future[bytes] | None = None
        try:
            for at in range(0, part.span.length, block):
                amount = min(block, part.span.length - at)
                reading = self._readers.run(_read, descriptor, amount, part.first + at)
                yield await asyncio.shield(reading)
        finally:
            _close_when_done(reading, descriptor)

    async def contents(self) -> Sequence[Cached]:
        """Return which blobs the node has parts of, and how much; how often this process has read them."""
        found: dict[BlobKey, Cached] = {}
        for name, size, filled_at, read_at in await self._readers.run(self._folder.contents):
            key = BlobKey(name.partition("-")[0])
            before = found.get(key, Cached(key, 0, self._hits.get(key, 0), filled_at, read_at))
            found[key] = Cached(
                key,
                before.size + size,
                before.hits,
                min(before.filled_at, filled_at),
                max(before.read_at, read_at),
            )
        return list(found.values())

    async def forget(self, key: BlobKey) -> None:
        """Free the slices of a blob; those that are being read as soon as they are not."""
        self._hits.pop(key, None)
        await self._readers.run(self._folder.drop, f"{key}-")

    def close(self) -> None:
        self._fetchers.close()
        self._readers.close()
        self._folder.close()

    async def _open(self, source: Object, number: int, *, is_last: bool) -> int | None:
        name = _name_of(source, number)
        self._hits[source.key] = self._hits.pop(source.key, 0) + 1
        if len(self._hits) > COUNTED:
            del self._hits[next(iter(self._hits))]
        descriptor: int | None = await self._readers.run(self._folder.open, name)
        if descriptor is not None:
            return descriptor
        fetching = self._fetch(source, number)
        if not is_last:
            self._fetch(source, number + 1)  # so that it is there when it is needed
        if not await asyncio.shield(fetching):
            return None
        return await self._readers.run(self._folder.open, name)  # None if it made room for others already

    def _fetch(self, source: Object, number: int) -> "asyncio.Task[bool]":
        """Return the task that fetches a slice: not ended by who began it and leaves, as others wait for it too."""
        name = _name_of(source, number)
        if name not in self._fetching:
            task = asyncio.get_running_loop().create_task(self._fetched(source, number, name))
            self._fetching[name] = task
            task.add_done_callback(lambda done: self._end(name, done))
        return self._fetching[name]

    def _end(self, name: str, done: "asyncio.Task[bool]") -> None:
        del self._fetching[name]
        if not done.cancelled():
            done.exception()  # or asyncio complains about it where nobody waits

    async def _fetched(self, source: Object, number: int, name: str) -> bool:
        """Return whether the slice is there now."""
        first = number * self._slice_size
        span = Span(first, min(first + self._slice_size, source.size))
        reading = source.fetch(span)
        running = self._fetchers.run(self._folder.fetch, name, span.length, reading.read)
        running.add_done_callback(lambda _: reading.close())
        try:
            return await asyncio.shield(running)
        except OSError as error:
            self._warn(error)
            return False

    def _warn(self, error: OSError) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._quiet_until:
            self._quiet_until = now + WARN_EVERY_S
            log.warning("the cache of a store cannot be written", why=error.strerror)


def _name_of(source: Object, number: int) -> str:
    return f"{source.key}-{hashlib.sha256(source.etag.encode()).hexdigest()[:16]}-{number}"


def _read(descriptor: int, length: int, offset: int) -> bytes:
    try:
        return os.pread(descriptor, length, offset)
    except OSError as error:
        raise translated(error, "read its cache") from error


def _close_when_done(reading: "asyncio.Future[bytes] | None", descriptor: int) -> None:
    if reading is None:
        os.close(descriptor)
    else:
        reading.add_done_callback(lambda _: os.close(descriptor))
