"""A folder of blobs with faults on request, for an ephemeral server: full, slow, or never done.

The request that writes or reads says which, in `FAULT`; work outside of requests has those that the server has been
told for everybody.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from stillage.errors import StorageFull
from stillage.ids import BlobKey
from stillage.stores.base import BlobReader, BlobWriter, Block
from stillage.stores.files.blobs import FileStore

FULL = "the store is full: the emulator was told to have no room"


@dataclass(frozen=True, slots=True)
class Hold:
    """Keeps an upload from being published.

    Attributes:
        released: Set when it may go on; several may share it.
        reached: Set when all its bytes are there, and it waits.
    """

    released: asyncio.Event
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> None:
        self.reached.set()
        await self.released.wait()


@dataclass(frozen=True, slots=True)
class StoreFault:
    """What the store does.

    Attributes:
        full: Whether it has no room.
        bytes_per_s: How fast it reads and writes; None as fast as it can.
        hold: What a blob waits for before it is published; None for nothing.
        in_blocks: Whether what is read must pass through the event loop, and not from the file into the socket.
    """

    full: bool = False
    bytes_per_s: float | None = None
    hold: Hold | None = None
    in_blocks: bool = False


FAULT: ContextVar[StoreFault | None] = ContextVar("store_fault", default=None)
"""Of the request; None outside of requests."""


class EmulatedStore(FileStore):
    """*elsewhere*: returns the fault of work outside of requests."""

    def __init__(self, root: Path, elsewhere: Callable[[], StoreFault]) -> None:
        super().__init__(root)
        self._elsewhere = elsewhere

    @property
    def _fault(self) -> StoreFault:
        return FAULT.get() or self._elsewhere()

    @asynccontextmanager
    async def writer(self, key: BlobKey, size: int | None = None) -> AsyncIterator[BlobWriter]:  # type: ignore[override]
        async with super().writer(key, size) as writer:
            yield _Writer(writer, self._fault)

    @asynccontextmanager
    async def reader(self, key: BlobKey) -> AsyncIterator[BlobReader]:  # type: ignore[override]
        fault = self._fault
        async with super().reader(key) as reader:
            yield _Reader(reader, fault) if fault.in_blocks or fault.bytes_per_s else reader

    async def free_bytes(self) -> int:
        return 0 if self._fault.full else await super().free_bytes()


class _Writer:
    def __init__(self, writer: BlobWriter, fault: StoreFault) -> None:
        self._writer = writer
        self._fault = fault

    async def write(self, block: Block) -> None:
        if self._fault.full:
            raise StorageFull(FULL)
        await _take(len(block), self._fault)
        await self._writer.write(block)  # type: ignore[arg-type]

    async def finish(self) -> None:
        await self._writer.finish()

    def read_at(self, offset: int, length: int) -> bytes:
        return self._writer.read_at(offset, length)

    async def commit(self) -> None:
        if self._fault.hold is not None:
            await self._fault.hold.wait()
        await self._writer.commit()


class _Reader:
    """A reader that no thread can send from."""

    def __init__(self, reader: BlobReader, fault: StoreFault) -> None:
        self._reader = reader
        self._fault = fault
        self.size = reader.size

    def read(self, offset: int, length: int) -> Awaitable[bytes | bytearray]:
        return self._reader.read(offset, length)

    async def stream(self, first: int, length: int, block: int) -> AsyncGenerator[Block]:
        async for piece in self._reader.stream(first, length, block):
            await _take(len(piece), self._fault)
            yield piece


async def _take(size: int, fault: StoreFault) -> None:
    """Take as long as *size* bytes take in a store that is slow."""
    if fault.bytes_per_s:
        await asyncio.sleep(size / fault.bytes_per_s)
