"""Calls to the S3 server in threads, and bytes of objects as streams that survive a broken connection."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from stillage.errors import StillageError, StoreFailed
from stillage.spans import Span
from stillage.stores.base import Block
from stillage.stores.s3.buffers import Buffers
from stillage.stores.s3.client import S3Client
from stillage.stores.s3.reading import BLOCK, ObjectSource, Reading
from stillage.stores.threads import Threads

T = TypeVar("T")

TRANSFERS = 32
CALLS = 16
FETCHED = 1 << 20
SLICES = 8
CLEAN_UP_WITHIN_S = 3.0
"""How long an upload that failed waits for its clean-up, as in `operations.upload.reception`."""


@dataclass
class Transfers:
    """What all parts of a store share: the client, threads for short calls and for bytes, and memory for parts."""

    client: S3Client
    timeout_s: float
    buffers: Buffers

    def __post_init__(self) -> None:
        self._calls = Threads("s3", CALLS, timeout_s=self.timeout_s)
        self._sending = Threads("s3-send", TRANSFERS, timeout_s=self.timeout_s)
        self._reading = Threads("s3-read", TRANSFERS, timeout_s=self.timeout_s)
        self._left: set[asyncio.Task[None]] = set()

    async def soon(self, work: Callable[..., T], *args: object) -> T:
        """Make a short call; StoreStalled if the server hangs."""
        return await self._calls.soon(work, *args)

    async def call(self, work: Callable[..., T], *args: object) -> T:
        return await self._calls.run(work, *args)

    async def send(self, work: Callable[..., T], *args: object) -> T:
        """Make a call that sends many bytes, or has the server copy them."""
        return await self._sending.run(work, *args)

    def submit(self, work: Callable[..., T], *args: object) -> "Future[T]":
        return self._calls.submit(work, *args)

    async def in_time(self, running: "Future[T]") -> T:
        return await self._calls.in_time(running)

    def reading(self, key: str, span: Span, missing: StillageError, etag: str | None = None) -> Reading:
        return Reading(self.client, key, span, etag=etag, missing=missing)

    def source(self, reading: Reading, length: int) -> ObjectSource:
        return ObjectSource(reading, length, self._reading.executor)

    async def stream(self, reading: Reading, block: int) -> AsyncGenerator[Block]:
        """Yield what is read, one block ahead of the consumer, and close *reading*.

        Raises:
            StillageError: As `Reading.read`.
        """
        amount = max(block, BLOCK)  # waking a thread costs more than to cut what it has read
        ahead = self._reading.run(reading.read, amount)
        try:
            while data := await asyncio.shield(ahead):
                ahead = self._reading.run(reading.read, amount)
                for first in range(0, len(data), block):
                    yield data if len(data) <= block else memoryview(data)[first : first + block]
        finally:
            # A thread may be reading; nobody else may use the connection before it has ended.
            ahead.add_done_callback(lambda done: _close(done, reading))

    async def finish(self, clean_up: "asyncio.Task[None]", within_s: float) -> None:
        """Wait for a clean-up, even if we are cancelled; longer than *within_s* it goes on alone."""
        self._left.add(clean_up)
        clean_up.add_done_callback(self._left.discard)
        await asyncio.wait([clean_up], timeout=within_s)

    def close(self) -> None:
        for threads in (self._calls, self._sending, self._reading):
            threads.close()
        self.client.close()


def _close(ahead: "asyncio.Future[bytes]", reading: Reading) -> None:
    if not ahead.cancelled():
        ahead.exception()  # or asyncio complains about it
    reading.close()


class Slices:
    """Reads of a few bytes here and there, for which each time 1 MiB is fetched; the last few are kept. Blocks."""

    def __init__(self, fetch: Callable[[Span], bytes], size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._slices: dict[int, bytes] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Return *length* bytes, fewer only at the end."""
        found = bytearray()
        end = min(offset + length, self._size)
        while offset < end:
            first = offset - offset % FETCHED
            data = self._slice(first)[offset - first : end - first]
            found += data
            offset += len(data)
        return bytes(found)

    def _slice(self, first: int) -> bytes:
        data = self._slices.pop(first, None)
        if data is None:
            data = self._fetch(Span(first, min(first + FETCHED, self._size)))
        self._slices[first] = data
        if len(self._slices) > SLICES:
            del self._slices[next(iter(self._slices))]
        return data


def read_whole(client: S3Client, key: str, span: Span) -> bytes:
    """Return *span*, which is not empty, of an object. Blocks."""
    body = client.get(key, span)
    try:
        data = client.read(body, span.length)
    finally:
        body.close()
    if len(data) != span.length:
        raise StoreFailed(f"an object ends {span.length - len(data)} bytes early; restore it")
    return data
