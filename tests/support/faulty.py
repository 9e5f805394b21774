"""A process that fails when a test wants it to: its store and its database fail, stall, lose answers, and die.

`Faulty` is a store with every ability around a real one, `FaultyDatabase` a `Database` around a real one. Both ask one
`Fate` at every point that they pass. A `Crash` is the end of the process: from there on nothing that it still tries has
an effect, so that no clean-up of its own can hide what a power cut would leave.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine

from stillage.db.lookups import Inquiry
from stillage.db.session import Database
from stillage.ids import BlobKey
from stillage.images.upload import Kept
from stillage.spans import Span
from stillage.stores.abilities import OldBlobs, PartialBlob, Recall, recall_nothing
from stillage.stores.base import BlobReader, BlobWriter
from stillage.stores.s3.blobs import S3Store
from stillage.stores.streams import blocks_of
from stores import WholeStore

PLENTY = 1 << 60
LATE_S = 20.0

P = ParamSpec("P")
T = TypeVar("T")


class Crash(BaseException):
    """The process ended here. Not an Exception: nothing may think that it can be handled."""


STALL: Final = "stall"
SHORT: Final = "short"
CRASH: Final = "crash"
# What can go wrong: an error to raise, or one of the three words.
Fault = Exception | str

STORE_POINTS = (
    "open", "opened", "write", "written", "flush", "commit", "committed", "reader", "read", "delete", "deleted",
    "free_bytes", "find_old", "check",
)  # fmt: skip
DATABASE_POINTS = ("db read", "db write", "db written")


# Set by whoever begins some work, to learn that it stalls.
STALLED: ContextVar[asyncio.Event] = ContextVar("stalled")


@dataclass
class Fate:
    """What goes wrong, and when: at the n-th passing of a point from the time of planning on.

    Attributes:
        dead: The process has crashed.
        struck: How often something has gone wrong.
    """

    dead: bool = False
    struck: int = 0
    _planned: dict[str, tuple[int, Fault]] = field(default_factory=dict)
    _stalling: list[asyncio.Event] = field(default_factory=list)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    def plan(self, point: str, fault: Fault, *, nth: int = 1) -> None:
        self._planned[point] = (nth, fault)

    def forget(self) -> None:
        """Nothing more goes wrong; what stalls goes on."""
        self._planned.clear()
        self.go_on()

    def go_on(self) -> None:
        """What stalls goes on."""
        for event in self._stalling:
            event.clear()
        self._stalling.clear()
        self._freed.set()
        self._freed = asyncio.Event()

    async def meet(self, point: str) -> bool:
        """Pass *point*. True if what is done there shall be done by half.

        Raises:
            BaseException: What was planned.
        """
        fault = self._due(point)
        if fault == STALL:
            STALLED.get().set()
            self._stalling.append(STALLED.get())
            await self._freed.wait()
            self._require_life()
        elif fault == CRASH:
            self.dead = True
            raise Crash
        elif isinstance(fault, Exception):
            raise fault
        return fault == SHORT

    def _due(self, point: str) -> Fault | None:
        self._require_life()
        nth, fault = self._planned.get(point, (0, ""))
        if nth > 1:
            self._planned[point] = (nth - 1, fault)
        if nth != 1:
            return None
        del self._planned[point]
        self.struck += 1
        return fault

    def _require_life(self) -> None:
        if self.dead:
            raise Crash


class Faulty:
    """A store that is as good as *real*, until its fate strikes. Short reads are its only lie."""

    def __init__(self, real: WholeStore | S3Store, fate: Fate) -> None:
        self._real = real
        self._fate = fate

    async def begin(self, key: BlobKey) -> None:
        await self._fate.meet("begin")
        await self._real.begin(key)
        await self._fate.meet("begun")

    @asynccontextmanager
    async def partial(
        self, key: BlobKey, recall: Recall = recall_nothing, size: int | None = None
    ) -> AsyncIterator["_PartialBlob"]:
        await self._fate.meet("partial")
        async with self._real.partial(key, recall, size) as real:
            yield _PartialBlob(real, self._fate)

    async def drop_partial(self, key: BlobKey) -> None:
        await self._fate.meet("drop")
        await self._real.drop_partial(key)

    @asynccontextmanager
    async def writer(self, key: BlobKey, size: int | None = None) -> AsyncIterator["_Writer"]:
        await self._fate.meet("open")
        async with self._real.writer(key, size) as real:
            await self._fate.meet("opened")
            yield _Writer(real, self._fate)

    @asynccontextmanager
    async def reader(self, key: BlobKey) -> AsyncIterator["_Reader"]:
        await self._fate.meet("reader")
        async with self._real.reader(key) as real:
            yield _Reader(real, self._fate)

    async def delete(self, key: BlobKey) -> None:
        await self._fate.meet("delete")
        await self._real.delete(key)
        await self._fate.meet("deleted")

    async def free_bytes(self) -> int:
        await self._fate.meet("free_bytes")
        return PLENTY if isinstance(self._real, S3Store) else await self._real.free_bytes()

    async def find_old(self, shard: int, older_than_s: float) -> OldBlobs:
        await self._fate.meet("find_old")
        return await self._real.find_old(shard, older_than_s)

    async def check(self) -> None:
        await self._fate.meet("check")
        await self._real.check()

    def close(self) -> None:
        """The real one stays open: other processes use it."""


class FaultyBucket(Faulty):
    """The same, and late as the server of a bucket is."""

    def late_by_s(self) -> float:
        return LATE_S


def faulty(real: WholeStore | S3Store, fate: Fate) -> Faulty:
    return (FaultyBucket if isinstance(real, S3Store) else Faulty)(real, fate)


class _Writer:
    def __init__(self, real: BlobWriter, fate: Fate) -> None:
        self._real = real
        self._fate = fate

    async def write(self, block: bytes) -> None:
        await self._fate.meet("write")
        await self._real.write(block)
        await self._fate.meet("written")

    async def finish(self) -> None:
        await self._fate.meet("flush")
        await self._real.finish()

    def read_at(self, offset: int, length: int) -> bytes:
        return self._real.read_at(offset, length)

    async def commit(self) -> None:
        await self._fate.meet("commit")
        await self._real.commit()
        await self._fate.meet("committed")


class _PartialBlob:
    def __init__(self, real: PartialBlob, fate: Fate) -> None:
        self._real = real
        self._fate = fate
        self.flush_interval = real.flush_interval

    async def hold(self, span: Span) -> bool:
        return await self._real.hold(span)

    async def data_from(self, span: Span) -> int:
        return await self._real.data_from(span)

    async def clear(self, span: Span) -> None:
        await self._fate.meet("clear")
        await self._real.clear(span)

    async def write(self, offset: int, block: bytes) -> None:
        await self._fate.meet("write")
        await self._real.write(offset, block)
        await self._fate.meet("written")

    async def write_zeros(self, span: Span) -> None:
        await self._real.write_zeros(span)

    async def read_kept(self, part: Kept, span: Span) -> bytes:
        return await self._real.read_kept(part, span)

    async def flush(self) -> Sequence[Kept]:
        await self._fate.meet("flush")
        return await self._real.flush()

    def read_at(self, offset: int, length: int) -> bytes:
        return self._real.read_at(offset, length)

    async def read(self, offset: int, length: int) -> bytes:
        half = await self._fate.meet("read")
        return await self._real.read(offset, length // 2 if half else length)

    def stream(self, span: Span, block: int) -> AsyncGenerator[bytes]:
        return blocks_of(self.read, span, block)

    async def publish(self, size: int) -> bool:
        await self._fate.meet("commit")
        published = await self._real.publish(size)
        await self._fate.meet("committed")
        return published


class _Reader:
    """No `LocalFile`: bytes pass through here, so that they can be short."""

    def __init__(self, real: BlobReader, fate: Fate) -> None:
        self.size = real.size
        self._real = real
        self._fate = fate

    async def read(self, offset: int, length: int) -> bytes | bytearray:
        half = await self._fate.meet("read")
        return await self._real.read(offset, length // 2 if half else length)

    def stream(self, first: int, length: int, block: int) -> AsyncGenerator[bytes | bytearray]:
        return blocks_of(self.read, Span(first, first + length), block)


class FaultyDatabase(Database):
    """Units of work of *real*. What is written may be done although the answer is lost."""

    def __init__(self, real: Database, fate: Fate) -> None:
        self._real = real
        self._fate = fate

    @property
    def engine(self) -> Engine:  # type: ignore[override]
        return self._real.engine

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        await self._fate.meet("db read")
        return await self._real.read(work, *args, **kwargs)

    async def look_up(self, inquiry: Inquiry[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        await self._fate.meet("db read")
        return await self._real.look_up(inquiry, *args, **kwargs)

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        await self._fate.meet("db write")
        result = await self._real.write(work, *args, **kwargs)
        await self._fate.meet("db written")
        return result

    def close(self) -> None:
        """The real one stays open: other processes use it."""
