"""Calls to the S3 server in threads, and bytes of objects as streams that survive a broken connection."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from stillage.errors import StoreFailed, Unavailable
from stillage.spans import Span
from stillage.stores.s3.buffers import Buffers
from stillage.stores.s3.client import Answer, S3Client
from stillage.stores.threads import Threads

T = TypeVar("T")

BLOCK = 1 << 20
TRANSFERS = 32
CALLS = 16
TRIES = 3
"""How often a stream that brings nothing new is asked for again."""
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
        self._bytes = Threads("s3-bytes", TRANSFERS, timeout_s=self.timeout_s)
        self._left: set[asyncio.Task[None]] = set()

    async def soon(self, work: Callable[..., T], *args: object) -> T:
        """Make a short call; StoreStalled if the server hangs."""
        return await self._calls.soon(work, *args)

    async def call(self, work: Callable[..., T], *args: object) -> T:
        return await self._calls.run(work, *args)

    async def send(self, work: Callable[..., T], *args: object) -> T:
        """Make a call that sends many bytes, or has the server copy them."""
        return await self._bytes.run(work, *args)

    def submit(self, work: Callable[..., T], *args: object) -> "Future[T]":
        return self._calls.submit(work, *args)

    async def in_time(self, running: "Future[T]") -> T:
        return await self._calls.in_time(running)

    async def stream(self, key: str, span: Span, block: int, etag: str | None = None) -> AsyncGenerator[bytes]:
        """Yield the bytes of *span* of an object, one block ahead of the consumer; go on where a connection broke.

        Raises:
            Missing: If there is no such object.
            StoreFailed: If it ends early, or is not the one with *etag*.
            Unavailable: If the server does not answer.
        """
        at, tries = span.first, 0
        while at < span.end:
            try:
                async with aclosing(self._one_answer(key, Span(at, span.end), max(block, BLOCK), etag)) as answer:
                    async for data in answer:
                        at, tries = at + len(data), 0
                        # Waking a thread costs more than to copy a small block.
                        for first in range(0, len(data), block):
                            yield data[first : first + block]
            except Unavailable:
                tries += 1
                if tries == TRIES:
                    raise
            else:
                if at < span.end:
                    raise StoreFailed(f"an object ends at byte {at}, {span.end - at} bytes early; restore it")

    async def _one_answer(self, key: str, span: Span, block: int, etag: str | None) -> AsyncGenerator[bytes]:
        if span.length <= 0:
            return
        body = await self._get(key, span, etag)
        ahead = self._bytes.run(self.client.read, body, block)
        try:
            while data := await asyncio.shield(ahead):
                ahead = self._bytes.run(self.client.read, body, block)
                yield data
        finally:
            # A thread may be reading; nobody else may use the connection before it has ended.
            ahead.add_done_callback(lambda done: _close(done, body))

    async def _get(self, key: str, span: Span, etag: str | None) -> Answer:
        asking = self._bytes.run(self.client.get, key, span, etag)
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(_close_answer)
            raise

    async def finish(self, clean_up: "asyncio.Task[None]", within_s: float) -> None:
        """Wait for a clean-up, even if we are cancelled; longer than *within_s* it goes on alone."""
        self._left.add(clean_up)
        clean_up.add_done_callback(self._left.discard)
        await asyncio.wait([clean_up], timeout=within_s)

    def close(self) -> None:
        self._calls.close()
        self._bytes.close()
        self.client.close()


def _close(reading: "asyncio.Future[bytes]", body: Answer) -> None:
    if not reading.cancelled():
        reading.exception()  # or asyncio complains about it
    body.close()


def _close_answer(asking: "asyncio.Future[Answer]") -> None:
    if not asking.cancelled() and asking.exception() is None:
        asking.result().close()


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
            first = offset - offset % BLOCK
            data = self._slice(first)[offset - first : end - first]
            found += data
            offset += len(data)
        return bytes(found)

    def _slice(self, first: int) -> bytes:
        data = self._slices.pop(first, None)
        if data is None:
            data = self._fetch(Span(first, min(first + BLOCK, self._size)))
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
