"""A bucket that is a folder. Whatever lies in it, nothing outside of it is ever opened.

Users may put anything into it, links too. So every component of a name is opened by itself, beneath the one before, and
never through a link (`O_NOFOLLOW`); only regular files are objects.
"""

import errno
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path

from stillage.errors import BucketFailed, BucketNotFound, ObjectChanged, ObjectNotFound
from stillage.stores.buckets.base import Found
from stillage.stores.buckets.folder_writer import FolderWriter
from stillage.stores.threads import Threads

BLOCK = 1 << 20
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without O_NONBLOCK the opening of a pipe would wait for who writes it.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.ENAMETOOLONG, errno.ENXIO})
"""What says that there is nothing to open: also a link, and what this server may not read."""


class FolderBucket:
    """The folder *inside* of *root*, which is the operator's, and may be a link."""

    def __init__(self, name: str, root: Path, inside: Sequence[str], threads: Threads) -> None:
        self._name = name
        self._root = root
        self._inside = tuple(inside)
        self._threads = threads

    async def head(self, key: str) -> Found:
        return await self._threads.soon(self._head, key)

    @asynccontextmanager
    async def read(self, key: str, found: Found) -> AsyncIterator[AsyncIterator[bytes]]:
        descriptor = await self._threads.soon(self._open, key, too_late=os.close)
        try:
            if _found(descriptor) != found:
                raise ObjectChanged(f"{self._name}:{key}")
            async with aclosing(self._blocks(key, descriptor, found)) as blocks:
                yield blocks
        finally:
            await self._threads.run(os.close, descriptor)

    @asynccontextmanager
    async def create(self, key: str) -> AsyncIterator[FolderWriter]:
        writer = FolderWriter(self._name, key, self._folder, self._threads)
        try:
            await self._threads.run(writer.open)
            yield writer
        finally:
            await self._threads.run(writer.close)

    async def _blocks(self, key: str, descriptor: int, found: Found) -> AsyncGenerator[bytes]:
        at = 0
        while at < found.size:
            block = await self._threads.run(self._read, descriptor, min(BLOCK, found.size - at), at)
            if not block:
                break
            at += len(block)
            yield block
        if _found(descriptor) != found:
            raise ObjectChanged(f"{self._name}:{key}")

    def _read(self, descriptor: int, length: int, at: int) -> bytes:
        try:
            return os.pread(descriptor, length, at)
        except OSError as error:
            raise BucketFailed(self._name, error.strerror or "it cannot be read") from error

    def _head(self, key: str) -> Found:
        descriptor = self._open(key)
        try:
            return _found(descriptor)
        finally:
            os.close(descriptor)

    def _open(self, key: str) -> int:
        """Return a descriptor of a regular file."""
        *folders, name = key.split("/")
        with self._folder() as bucket, self._absent(ObjectNotFound(f"{self._name}:{key}")):
            with _beneath(bucket, folders) as folder:
                descriptor = os.open(name, FILE, dir_fd=folder)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise ObjectNotFound(f"{self._name}:{key}")
            return descriptor

    @contextmanager
    def _folder(self) -> Iterator[int]:
        with self._absent(BucketNotFound(self._name)):
            root = os.open(self._root, FOLDER)
            try:
                bucket = _opened_beneath(root, self._inside)
            finally:
                os.close(root)
        try:
            yield bucket
        finally:
            os.close(bucket)

    @contextmanager
    def _absent(self, error: BucketNotFound | ObjectNotFound) -> Iterator[None]:
        try:
            yield
        except OSError as failure:
            if failure.errno in ABSENT:
                raise error from None
            raise BucketFailed(self._name, failure.strerror or "it cannot be opened") from failure


def _found(descriptor: int) -> Found:
    status = os.fstat(descriptor)
    return Found(status.st_size, f"{status.st_ino}-{status.st_mtime_ns}")


@contextmanager
def _beneath(folder: int, parts: Sequence[str]) -> Iterator[int]:
    descriptor = _opened_beneath(folder, parts)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _opened_beneath(folder: int, parts: Sequence[str]) -> int:
    """Return a descriptor of the folder *parts* of *folder*, none of which is a link."""
    descriptor = os.dup(folder)
    for part in parts:
        if part in ("", ".", "..") or "/" in part or "\0" in part:
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        try:
            below = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor
