"""A store in memory, complete, for tests."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from stillage.errors import BlobNotFound
from stillage.ids import BlobKey
from stillage.images.upload import Kept
from stillage.spans import Span
from stillage.stores.abilities import DISK_FLUSH_INTERVAL, OldBlobs, Recall, recall_nothing
from stillage.stores.streams import blocks_of


class MemoryStore:
    def __init__(self, *, capacity: int = 1 << 40) -> None:
        self.blobs: dict[str, bytes] = {}
        self._capacity = capacity
        self._born: dict[str, float] = {}
        self._partials: dict[str, _Shared] = {}

    def keeps_open(self) -> bool:
        return True

    async def begin(self, key: BlobKey) -> None:
        self._born[key] = time.monotonic()
        self._partials.setdefault(key, _Shared())

    @asynccontextmanager
    async def partial(
        self,
        key: BlobKey,
        recall: Recall = recall_nothing,  # noqa: ARG002 - bytes are found by their offsets
        size: int | None = None,  # noqa: ARG002
    ) -> AsyncIterator["_MemoryPartialBlob"]:
        if key not in self._partials:
            raise BlobNotFound(key)
        partial = _MemoryPartialBlob(self.blobs, key, self._partials[key])
        try:
            yield partial
        finally:
            partial.end()

    async def drop_partial(self, key: BlobKey) -> None:
        self._partials.pop(key, None)

    @asynccontextmanager
    async def writer(self, key: BlobKey, size: int | None = None) -> AsyncIterator["_MemoryWriter"]:  # noqa: ARG002 - it grows
        self._born[key] = time.monotonic()
        yield _MemoryWriter(self.blobs, key)

    @asynccontextmanager
    async def reader(self, key: BlobKey) -> AsyncIterator["_MemoryReader"]:
        if key not in self.blobs:
            raise BlobNotFound(key)
        yield _MemoryReader(self.blobs[key])

    async def delete(self, key: BlobKey) -> None:
        self.blobs.pop(key, None)
        self._partials.pop(key, None)
        self._born.pop(key, None)

    async def free_bytes(self) -> int:
        return self._capacity - sum(map(len, self.blobs.values()))

    async def find_old(self, shard: int, older_than_s: float) -> OldBlobs:
        before = time.monotonic() - older_than_s
        old = {BlobKey(key) for key, born in self._born.items() if born <= before and int(key[:2], 16) == shard}
        return OldBlobs(old & self.blobs.keys(), old & self._partials.keys())

    def close(self) -> None:
        """Memory holds nothing open."""

    async def check(self) -> None:
        """Always available."""


@dataclass
class _Shared:
    """A partial blob, as all its handles see it."""

    data: bytearray = field(default_factory=bytearray)
    held: list[tuple[Span, object]] = field(default_factory=list)


class _MemoryPartialBlob:
    flush_interval = DISK_FLUSH_INTERVAL

    def __init__(self, blobs: dict[str, bytes], key: str, shared: _Shared) -> None:
        self._blobs = blobs
        self._key = key
        self._shared = shared

    async def hold(self, span: Span) -> bool:
        if any(h.first < span.end and span.first < h.end for h, holder in self._shared.held if holder is not self):
            return False
        self._shared.held.append((span, self))
        return True

    async def clear(self, span: Span) -> None:
        old = self._shared.data[span.first : span.end]
        self._shared.data[span.first : span.first + len(old)] = bytes(len(old))

    async def write(self, offset: int, block: bytes) -> None:
        data = self._shared.data
        data.extend(bytes(max(0, offset + len(block) - len(data))))
        data[offset : offset + len(block)] = block

    async def write_zeros(self, span: Span) -> None:
        """They are zeros since they were cleared."""

    async def read_kept(self, part: Kept, span: Span) -> bytes:  # noqa: ARG002 - there is one place for them
        return await self.read(span.first, span.length)

    async def flush(self) -> Sequence[Kept]:
        return ()

    def read_at(self, offset: int, length: int) -> bytes:
        return bytes(self._shared.data[offset : offset + length]).ljust(length, b"\0")

    async def read(self, offset: int, length: int) -> bytes:
        return self.read_at(offset, length)

    def stream(self, span: Span, block: int) -> AsyncGenerator[bytes]:
        return blocks_of(self.read, span, block)

    async def data_from(self, span: Span) -> int:
        return span.first if span.first < len(self._shared.data) else span.end

    async def publish(self, size: int) -> bool:
        if any(holder is not self for _, holder in self._shared.held):
            return False
        self._blobs[self._key] = self.read_at(0, size)
        return True

    def end(self) -> None:
        self._shared.held = [(span, holder) for span, holder in self._shared.held if holder is not self]


class _MemoryWriter:
    def __init__(self, blobs: dict[str, bytes], key: BlobKey) -> None:
        self._blobs = blobs
        self._key = key
        self._data = bytearray()

    async def write(self, block: bytes) -> None:
        self._data += block

    async def finish(self) -> None:
        """Memory can always be read back."""

    def read_at(self, offset: int, length: int) -> bytes:
        return bytes(self._data[offset : offset + length])

    async def commit(self) -> None:
        self._blobs[self._key] = bytes(self._data)


class _MemoryReader:
    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._data = data

    async def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]

    def stream(self, first: int, length: int, block: int) -> AsyncGenerator[bytes | bytearray]:
        return blocks_of(self.read, Span(first, first + length), block)
