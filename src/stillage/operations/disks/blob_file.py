"""Read a blob from threads, as `formats.reading` wants it, wherever its store keeps it."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

from stillage.formats.base import ReadAt
from stillage.stores.abilities import LocalFile
from stillage.stores.base import BlobReader
from stillage.stores.files.disk import translated

T = TypeVar("T")


class BlobFile:
    """An open blob that threads work on. Close it when nothing more is begun."""

    def __init__(self, blob: BlobReader, threads: ThreadPoolExecutor) -> None:
        self.blob = blob
        self._threads = threads
        self._running = 0
        self._closing = False
        self._lock = Lock()
        self.read_at, self._close = _opened(blob)

    def start(self, work: Callable[..., T], *args: object) -> "Future[T]":
        """Begin ``work(*args)`` in a thread."""
        with self._lock:
            self._running += 1
        running = self._threads.submit(work, *args)
        running.add_done_callback(self._ended)
        return running

    async def run(self, work: Callable[..., T], *args: object) -> T:
        return await asyncio.wrap_future(self.start(work, *args))

    def close(self) -> None:
        """Close the blob as soon as no thread works on it any more."""
        with self._lock:
            self._closing = True
            is_idle = not self._running
        if is_idle:
            self._close()

    def _ended(self, _: "Future[Any]") -> None:
        with self._lock:
            self._running -= 1
            is_last = self._closing and not self._running
        if is_last:
            self._close()


def _opened(blob: BlobReader) -> tuple[ReadAt, Callable[[], None]]:
    if not isinstance(blob, LocalFile):
        return _through_loop(blob), lambda: None
    # A duplicate: the reader may be closed while a thread still reads, and the number may then be another file.
    descriptor = os.dup(blob.file_descriptor)

    def read_at(offset: int, length: int) -> bytes:
        try:
            return os.pread(descriptor, length, offset)
        except OSError as error:
            raise translated(error, "read a blob") from error

    return read_at, lambda: os.close(descriptor)


def _through_loop(blob: BlobReader) -> ReadAt:
    loop = asyncio.get_running_loop()

    async def read(offset: int, length: int) -> bytes:
        return bytes(await _awaited(blob.read(offset, length)))

    def read_at(offset: int, length: int) -> bytes:
        available = max(0, min(length, blob.size - offset))
        return asyncio.run_coroutine_threadsafe(read(offset, available), loop).result() if available else b""

    return read_at


async def _awaited(reading: Awaitable[T]) -> T:
    return await reading
