"""Receive a large body of known length without copying: from the socket into blocks, bypassing aiohttp's parser.

The parser copies every byte three times, in pieces of at most 256 KiB: out of the loop's buffer, out of its own, and
into a block. Here the kernel, or OpenSSL, fills the blocks directly, and nothing is copied. The connection lends its
transport for the length of the body, and gets it back before the first byte of the next request.
"""

import asyncio
import sys
from collections import deque
from contextlib import suppress
from typing import cast
from weakref import WeakSet

from aiohttp import web
from aiohttp.http import HttpRequestParser
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

BLOCK = 1 << 20
AHEAD = 4
"""How many blocks are received ahead of the consumer. Beyond that the socket stalls."""
AHEAD_OF_ALL = 16 * AHEAD
"""How many of all uploads of this process together, as long as each has one."""
LOOK_EVERY_S = 1.0
"""How long to wait for a block to fill before handing over the part that arrived. When aiohttp is stopped forcibly, it
reports that only to the request's content, which is checked as often."""


class Lender(RequestHandler):
    """A connection that can lend its transport for a while."""

    __slots__ = ()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        return None

    def parse_all(self) -> None:
        """Parse everything received so far, before the transport is lent."""

    def begin_anew(self) -> None:
        """Parse the next bytes as a new request, although the parser is still in the middle of a body."""
        self._parser = HttpRequestParser(
            self,
            self._loop,
            self._read_bufsize,
            max_line_size=self.max_line_size,
            max_field_size=self.max_field_size,
            max_headers=self.max_headers,
            payload_exception=RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=self._max_msg_queue_size,
        )


class Blocks:
    """A pool of memory for blocks, which all uploads of a process share.

    Fresh memory for each block costs an upload 4 % more CPU (1.04 of the floor's instead of 0.99, ``python -m bench
    upload``), and copying out of one buffer costs more than that. So blocks are reused. Reference counts tell which are
    free, because the threads that hash and write do not report when they finish.

    A block is free if only the pool refers to it: a thread that hashes or writes it does too, and so does every view.
    """

    def __init__(self) -> None:
        self._all: list[bytearray] = []

    def take(self) -> bytearray:
        """Return a free block. It stays taken for as long as it is referred to."""
        for number in range(len(self._all)):
            if _references(self._all, number) == FREE:
                return self._all[number]
        self._all.append(bytearray(BLOCK))
        return self._all[-1]

    def shrink(self, spare: int) -> None:
        """Let go of free blocks, except *spare* of them."""
        free = [number for number in range(len(self._all)) if _references(self._all, number) == FREE]
        for number in reversed(free[spare:]):
            del self._all[number]


def _references(blocks: list[bytearray], number: int) -> int:
    return sys.getrefcount(blocks[number])


FREE = _references([bytearray()], 0)
"""The reference count of a block that is only in a list; versions of Python differ in what else they count."""
_blocks = Blocks()
_receivers: WeakSet["Receiver"] = WeakSet()


class Receiver(asyncio.BufferedProtocol):
    """Receives the body of *request*, *length* bytes in total, of which none has been read."""

    def __init__(self, request: web.Request, connection: Lender, length: int) -> None:
        self._connection = connection
        self._content = request.content
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._full: deque[bytes] = deque()
        early = self._take_early()
        self._left = length - len(early)  # not yet received
        whole = len(early) - len(early) % BLOCK
        self._full.extend(early[start : start + BLOCK] for start in range(0, whole, BLOCK))
        self._buffer = _blocks.take()
        self._room = memoryview(self._buffer)
        self._filled = len(early) - whole  # bytes in the buffer; those from _given on are not handed over yet
        self._given = 0
        self._room[: self._filled] = early[whole:]
        self._last = self._loop.time()
        self._paused = False  # as more blocks came than there is room for
        self._lent = bool(self._left) and connection.transport is not None
        _receivers.add(self)
        if connection.transport is not None and self._lent:
            self._switch(connection.transport, self)
            connection.transport.resume_reading()

    def _take_early(self) -> bytes:
        """Return what the parser has let through. Reading makes it parse more, so repeat until there is none."""
        self._connection.parse_all()
        pieces = []
        while piece := self._content.read_nowait():
            pieces.append(piece)
        return b"".join(pieces)

    def _switch(self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> None:
        transport.pause_reading()  # uvloop checks the kind of protocol when reading starts
        transport.set_protocol(protocol)

    async def read(self, idle_s: float) -> bytes:
        """Return the next block of `BLOCK` bytes, less from a slow client and at the end; nothing after the end.

        A block may be a `bytearray`. It does not change while it, or any view of it, is referred to.

        Raises:
            TimeoutError: If no byte arrived for *idle_s*.
            Exception: The reason why the connection broke.
        """
        since = self._loop.time()
        while not self._full and self._left and self._content.exception() is None:
            # A slow client takes long to fill a block, but is not idle.
            until = max(self._last, since) + idle_s
            now = self._loop.time()
            if now >= until:
                raise TimeoutError
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(until, now + LOOK_EVERY_S)):
                    await self._woken.wait()
            if self._filled > self._given:
                break
        if self._full:
            return self._next_block()
        if self._filled > self._given:
            return self._piece()
        if (failure := self._content.exception()) is not None:
            raise failure
        self.end()
        return b""

    def end(self) -> None:
        """Return the transport: after the whole body for the next request, before that for the rest of this one."""
        _receivers.discard(self)
        _blocks.shrink(AHEAD * len(_receivers))
        transport = self._connection.transport
        if not self._lent or transport is None:
            return
        self._lent = False
        self._switch(transport, self._connection)
        if self._left:
            # The parser now waits for more than can arrive. The code that ended the body early closes the connection.
            transport.resume_reading()
        else:
            self._connection.begin_anew()
            self._content.feed_eof()  # lets reading continue

    @property
    def _ahead(self) -> int:
        return max(1, min(AHEAD, AHEAD_OF_ALL // max(1, len(_receivers))))

    def _next_block(self) -> bytes:
        block = self._full.popleft()
        transport = self._connection.transport
        if self._lent and self._paused and len(self._full) < self._ahead and transport is not None:
            self._paused = False
            transport.resume_reading()
        return block

    def _block(self) -> bytes:
        if self._given or self._filled < BLOCK:
            return self._piece()
        block, self._buffer = self._buffer, _blocks.take()
        self._room = memoryview(self._buffer)
        return cast(bytes, block)

    def _piece(self) -> bytes:
        piece = bytes(self._room[self._given : self._filled])
        self._given = self._filled
        return piece

    # Called by the transport.

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - we have room for what we want
        return self._room[self._filled : self._filled + self._left]

    def buffer_updated(self, nbytes: int) -> None:
        self._last = self._loop.time()
        self._filled += nbytes
        self._left -= nbytes
        if self._filled < BLOCK and self._left:
            return
        self._full.append(self._block())
        self._filled = self._given = 0
        transport = self._connection.transport
        if transport is not None and (not self._left or len(self._full) >= self._ahead):
            self._paused = bool(self._left)
            transport.pause_reading()
        self._woken.set()

    def eof_received(self) -> bool | None:
        self._woken.set()
        return self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)
        self._woken.set()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()
