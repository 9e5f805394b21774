"""Memory for parts on their way to an S3 server: one limit for the whole process, which holds back those that write.

A part is kept until the server has it, because it may have to be sent again.
"""

import asyncio
from collections import deque

from stillage.errors import Unavailable

CAPACITY = 192 << 20
WAIT_S = 20.0
"""No request waits longer without progress: of itself, or of others that it waits for."""


class Buffers:
    """First come, first served. A part is taken whole before its first byte: who has one never waits for another."""

    def __init__(self, capacity: int = CAPACITY, *, wait_s: float = WAIT_S) -> None:
        self.capacity = capacity
        self.free = capacity
        self._wait_s = wait_s
        self._given_back_at = 0.0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> None:
        """Reserve *size* bytes, at most all there are, when those who came before have theirs.

        Raises:
            Unavailable: If nothing is given back for long: too many clients send slowly, or the server hangs.
        """
        size = min(size, self.capacity)
        if not self._waiting and size <= self.free:
            self.free -= size
            return
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, ready))
        try:
            await self._wait_for(ready)
        except BaseException:
            if ready.done() and not ready.cancelled():
                self.give_back(size)
            else:
                self._waiting.remove((size, ready))
                self._serve()
            raise

    async def _wait_for(self, ready: "asyncio.Future[None]") -> None:
        now = asyncio.get_running_loop().time
        until = now() + self._wait_s
        while not ready.done():
            await asyncio.wait([ready], timeout=until - now())
            if not ready.done() and now() >= until:
                until = self._given_back_at + self._wait_s
                if now() >= until:
                    raise Unavailable("the server has no memory for another upload now; try again later")

    def give_back(self, size: int) -> None:
        self._given_back_at = asyncio.get_running_loop().time()
        self.free += min(size, self.capacity)
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.free:
            size, ready = self._waiting.popleft()
            if ready.done():
                continue
            self.free -= size
            ready.set_result(None)


BUFFERS = Buffers()
"""Of this process."""


class Blocks:
    """Bytes in blocks, to be read as a file by a client that may read them several times.

    A read returns what is left of a block, however little was asked for, so that nothing is copied.
    """

    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = blocks
        self._size = sum(map(len, blocks))
        self.seek(0)

    def __len__(self) -> int:
        return self._size

    def read(self, _size: int = -1) -> bytes:
        if self._next >= len(self._blocks):
            return b""
        block = self._blocks[self._next]
        self._next += 1
        self._at += len(block)
        return block

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to the beginning or the end; nobody asks for more."""
        at_end = whence == 2 or offset >= self._size > 0
        self._next, self._at = (len(self._blocks), self._size) if at_end else (0, 0)
        return self._at
