"""Write an object to a folder: a file without a name (``O_TMPFILE``) that gets its own when it is whole.

A crash leaves nothing, and two that write the same name cannot both get it. Where the file system has no nameless
files, one with the suffix ``.part`` stands in.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from uuid import uuid4

from stillage.errors import BucketFailed, BucketNotFound, ObjectExists
from stillage.holes import write_data
from stillage.stores.threads import Threads

NEW_FILE = os.O_RDWR | os.O_CLOEXEC
FORBIDDEN = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG})
"""It will not pass: a link or a file is where a folder should be, or this server may not write."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderWriter:
    def __init__(
        self, bucket: str, key: str, open_bucket: Callable[[], AbstractContextManager[int]], threads: Threads
    ) -> None:
        """*open_bucket*: gives a descriptor of the bucket's folder."""
        self._bucket = bucket
        self._key = key
        self._open_bucket = open_bucket
        self._threads = threads
        self._descriptor = -1
        self._folder = -1
        self._part: str | None = None
        self._size = 0

    async def write(self, block: bytes | bytearray) -> None:
        await self._threads.run(self._write, bytes(block))

    async def commit(self) -> None:
        await self._threads.run(self._commit)

    def open(self) -> None:
        with self._open_bucket() as folder, self._failures():
            self._folder = os.dup(folder)
            try:
                self._descriptor = os.open(".", NEW_FILE | os.O_TMPFILE, 0o640, dir_fd=self._folder)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                    raise
                self._part = f".{uuid4().hex}.part"
                new = NEW_FILE | os.O_CREAT | os.O_EXCL
                self._descriptor = os.open(self._part, new, 0o640, dir_fd=self._folder)

    def close(self) -> None:
        with suppress(OSError):
            if self._part is not None:
                os.unlink(self._part, dir_fd=self._folder)
        for descriptor in (self._descriptor, self._folder):
            with suppress(OSError):
                if descriptor >= 0:
                    os.close(descriptor)
        self._descriptor = self._folder = -1

    def _write(self, block: bytes) -> None:
        with self._failures():
            write_data(self._descriptor, block, self._size)
            self._size += len(block)

    def _commit(self) -> None:
        with self._failures():
            os.ftruncate(self._descriptor, self._size)  # a hole at the end does not extend the file by itself
            os.fsync(self._descriptor)
            *folders, name = self._key.split("/")
            folder = self._made_folder(folders)
            try:
                self._link(name, folder)
                os.fsync(folder)
            finally:
                os.close(folder)

    def _link(self, name: str, folder: int) -> None:
        # linkat follows the symbolic link in /proc only if told to, which Python does only with src_dir_fd.
        source = f"/proc/self/fd/{self._descriptor}" if self._part is None else self._part
        try:
            os.link(source, name, src_dir_fd=self._folder, dst_dir_fd=folder, follow_symlinks=self._part is None)
        except FileExistsError:
            raise ObjectExists(f"{self._bucket}:{self._key}") from None

    def _made_folder(self, folders: list[str]) -> int:
        """Return a descriptor of the folder of the object, made if it is missing."""
        descriptor = os.dup(self._folder)
        for part in folders:
            try:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o750, dir_fd=descriptor)
                below = os.open(part, FOLDER, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in FORBIDDEN:
                raise BucketNotFound(self._bucket) from None
            raise BucketFailed(self._bucket, error.strerror or "it cannot be written") from error
