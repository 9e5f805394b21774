"""Blobs in memory: a whole store for tests, gone with the process."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stillage.errors import BlobNotFound
from stillage.images.image import BlobKey
from stillage.stores.base import SHARDS


class MemoryStore:
    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self._born: dict[str, float] = {}

    @asynccontextmanager
    async def writer(self, key: BlobKey) -> AsyncIterator["_MemoryWriter"]:
        self._born[key] = time.monotonic()
        yield _MemoryWriter(self.blobs, key)

    @asynccontextmanager
    async def reader(self, key: BlobKey) -> AsyncIterator["_MemoryReader"]:
        if key not in self.blobs:
            raise BlobNotFound(key)
        yield _MemoryReader(self.blobs[key])

    async def delete(self, key: BlobKey) -> None:
        self.blobs.pop(key, None)
        self._born.pop(key, None)

    async def free_bytes(self) -> int | None:
        return None

    async def find_old(self, shard: int, older_than_s: float) -> list[BlobKey]:
        old = [key for key, born in self._born.items() if key in self.blobs and born <= time.monotonic() - older_than_s]
        return [BlobKey(key) for key in old if int(key[:2], 16) % SHARDS == shard]

    async def check(self) -> None:
        """Always there."""


class _MemoryWriter:
    def __init__(self, blobs: dict[str, bytes], key: BlobKey) -> None:
        self._blobs = blobs
        self._key = key
        self._data = bytearray()

    async def write(self, block: bytes) -> None:
        self._data += block

    async def flush(self) -> None:
        """Everything can be read back at once."""

    def read_at(self, offset: int, length: int) -> bytes:
        return bytes(self._data[offset : offset + length])

    async def commit(self) -> None:
        self._blobs[self._key] = bytes(self._data)


class _MemoryReader:
    file_descriptor = None

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]
