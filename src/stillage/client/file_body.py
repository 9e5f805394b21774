"""A part of a file as the body of a request; over plain HTTP the kernel sends it from its cache (sendfile), uncopied.

A thread sends into the socket beside aiohttp, which goes on reading: a server may refuse before it has everything.
"""

import asyncio
import errno
import os
import select
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from threading import Event

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter

from stillage.client.errors import UnusableFile
from stillage.client.rate_limit import RateLimit
from stillage.spans import Span

READ = 1 << 20
# How much to write at once: small enough to see progress on a slow connection.
WRITTEN = 256 * 1024
# How much the kernel may send at once.
AT_ONCE = 4 << 20
POLL_MS = 100
# Of file systems whose files it cannot send.
CANNOT_SEND = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass(frozen=True, slots=True)
class FileBody:
    """The bytes of *span* of an open file.

    Attributes:
        read: ``read(at, length)`` returns one byte at least, or raises UnusableFile.
        sent: Called in the loop with how many the connection has taken.
        rate: Limits the rate.
    """

    descriptor: int
    span: Span
    read: Callable[[int, int], bytes]
    sent: Callable[[int], None]
    rate: RateLimit | None = None

    async def __call__(self) -> AsyncIterator[memoryview]:
        """Yield the bytes."""
        at, step = self.span.first, WRITTEN if self.rate is None else min(WRITTEN, self.rate.piece)
        while at < self.span.end:
            block = await asyncio.to_thread(self.read, at, min(READ, self.span.end - at))
            view = memoryview(block)
            for start in range(0, len(block), step):
                piece = view[start : start + step]
                if self.rate is not None:
                    await self.rate.take(len(piece))
                yield piece
                self.sent(len(piece))
            at += len(block)

    def can_be_sent(self, url: str) -> bool:
        """Whether the kernel can send it to *url*."""
        return url.startswith("http:") and self.rate is None and hasattr(os, "sendfile")


class FilePayload(aiohttp.Payload):
    """Sends a `FileBody`. *moved* is called whenever bytes moved; errors of the file are added to *own*."""

    def __init__(self, body: FileBody, moved: Callable[[], None], own: list[Exception]) -> None:
        super().__init__(body)
        self._size = body.span.length
        self._body = body
        self._moved = moved
        self._own = own

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - aiohttp's
        """Refuse: it is only sent."""
        raise TypeError("the bytes of a file are no text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send everything. Raises OSError if the connection breaks."""
        assert isinstance(writer, StreamWriter)  # noqa: S101 - of a client
        self._consumed = True  # otherwise aiohttp sends it again by itself, unseen
        writer.send_headers()
        transport = writer.transport
        while transport is not None and transport.get_write_buffer_size():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.001)  # the headers go first
        if transport is None or transport.is_closing():
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        sending = _Sending(self._body, transport.get_extra_info("socket").fileno(), self._told)
        try:
            await sending.run()
        except UnusableFile as error:
            self._own.append(error)
            raise

    def _told(self, count: int) -> None:
        self._moved()
        self._body.sent(count)


class _Sending:
    """Sends *body* into *connection*. *tell* is called in the loop."""

    def __init__(self, body: FileBody, connection: int, tell: Callable[[int], None]) -> None:
        self._body = body
        # Our own descriptor: aiohttp may close its while the thread sends.
        self._connection = os.dup(connection)
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._stopped = Event()

    async def run(self) -> None:
        thread = asyncio.ensure_future(asyncio.to_thread(self._send))
        try:
            await asyncio.shield(thread)
        finally:
            self._stopped.set()
            await asyncio.wait([thread])
            if not thread.cancelled():
                thread.exception()  # after a cancellation nobody else retrieves it, and asyncio would print it
            os.close(self._connection)

    def _send(self) -> None:
        at = told = self._body.span.first
        ready = select.poll()
        ready.register(self._connection, select.POLLOUT)
        while at < self._body.span.end and not self._stopped.is_set():
            try:
                at += self._send_some(at)
            except BlockingIOError:
                ready.poll(POLL_MS)
            if at - told >= READ or at == self._body.span.end:
                self._loop.call_soon_threadsafe(self._tell, at - told)
                told = at

    def _send_some(self, at: int) -> int:
        """Send bytes from *at* on, one at least."""
        length = min(AT_ONCE, self._body.span.end - at)
        try:
            sent = os.sendfile(self._connection, self._body.descriptor, at, length)
        except (BlockingIOError, ConnectionError):
            raise
        except OSError as error:
            if error.errno not in CANNOT_SEND:
                raise UnusableFile(f"cannot read it at byte {at}: {error.strerror}") from error
            sent = 0
        # Nothing is sent of a file that was truncated either, which reading finds.
        return sent or os.write(self._connection, self._body.read(at, min(WRITTEN, length)))
