"""Partial blobs in the file system: ``<root>/<first two characters>/<key>.part``. Who holds a span may write to it.

Who holds which span is known to the kernel (locks of open file descriptions), so that it is forgotten with a process,
however that ends, and holds between processes as well.
"""

import errno
import fcntl
import os
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from pathlib import Path

from stillage.errors import BlobNotFound
from stillage.holes import write_data
from stillage.images.upload import Kept
from stillage.lanes import Lane
from stillage.spans import Span
from stillage.stores.abilities import DISK_FLUSH_INTERVAL
from stillage.stores.files.disk import make_folder, make_hole, sync_directory, translated
from stillage.stores.streams import blocks_of
from stillage.write_back import PUSH_EVERY, push

# struct flock of Linux on 64 bits: type, whence, start, length (0: to the end), pid (0 for these locks).
FLOCK = "hhqqi4x"


def begin(path: Path) -> None:
    try:
        make_folder(path.parent)
        os.close(os.open(_part(path), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        sync_directory(path.parent)
    except OSError as error:
        raise translated(error, "begin a blob") from error


def drop(path: Path) -> None:
    try:
        _part(path).unlink(missing_ok=True)
    except OSError as error:
        raise translated(error, "remove a partial blob") from error


class FilePartialBlob:
    """Asynchronous methods run on the event loop and hand over to the lanes; the others run in the lanes' threads."""

    flush_interval = DISK_FLUSH_INTERVAL

    def __init__(self, path: Path, writing: Lane, syncing: Lane) -> None:
        self._path = path
        self._writing = writing
        self._syncing = syncing
        self._descriptor = -1
        self._unpushed = 0

    async def hold(self, span: Span) -> bool:
        return await self._writing.call(self._lock, span.first, span.length)

    async def clear(self, span: Span) -> None:
        await self._writing.call(self._clear, span)

    async def write(self, offset: int, block: bytes) -> None:
        await self._writing.submit(self._write, offset, block)

    async def write_zeros(self, span: Span) -> None:
        """They are zeros since they were cleared."""

    async def read_kept(self, part: Kept, span: Span) -> bytes:  # noqa: ARG002 - there is one place for them
        return await self.read(span.first, span.length)

    async def flush(self) -> Sequence[Kept]:
        await self._writing.call(lambda: None)
        # In parallel with writing.
        await self._syncing.call(self._sync)
        return ()

    async def read(self, offset: int, length: int) -> bytes:
        return await self._writing.call(self.read_at, offset, length)

    def stream(self, span: Span, block: int) -> AsyncGenerator[bytes]:
        return blocks_of(self.read, span, block)

    async def data_from(self, span: Span) -> int:
        return await self._writing.call(self._data_from, span)

    async def publish(self, size: int) -> bool:
        return await self._writing.call(self._publish, size)

    def read_at(self, offset: int, length: int) -> bytes:
        try:
            return os.pread(self._descriptor, length, offset).ljust(length, b"\0")
        except OSError as error:
            raise translated(error, "read back an upload") from error

    def open(self) -> None:
        # Where a process died after renaming it, it has its last name already.
        for path in (_part(self._path), self._path):
            try:
                self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise translated(error, "open an upload") from error
            return
        raise BlobNotFound(self._path.name)

    def close(self) -> None:
        # What counts is durable already; file systems of a network say only here what they could not write of the rest.
        with suppress(OSError):
            if self._descriptor >= 0:
                os.close(self._descriptor)

    def _lock(self, first: int, length: int) -> bool:
        wanted = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, first, length, 0)
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, wanted)
        except BlockingIOError:
            return False
        except OSError as error:
            raise translated(error, "lock an upload") from error
        return True

    def _clear(self, span: Span) -> None:
        try:
            make_hole(self._descriptor, span.first, span.length)
        except OSError as error:
            raise translated(error, "clear a part of an upload") from error

    def _data_from(self, span: Span) -> int:
        try:
            return min(os.lseek(self._descriptor, span.first, os.SEEK_DATA), span.end)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return span.end
            raise translated(error, "look into an upload") from error

    def _write(self, offset: int, block: bytes) -> None:
        try:
            write_data(self._descriptor, block, offset)
            self._unpushed += len(block)
            if self._unpushed >= PUSH_EVERY:
                push(self._descriptor, max(0, offset + len(block) - self._unpushed), self._unpushed)
                self._unpushed = 0
        except OSError as error:
            raise translated(error, "write an upload") from error

    def _sync(self) -> None:
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise translated(error, "make an upload durable") from error

    def _publish(self, size: int) -> bool:
        if not self._lock(0, 0):
            return False
        try:
            os.ftruncate(self._descriptor, size)
            os.fsync(self._descriptor)
            self._rename()
            sync_directory(self._path.parent)
        except FileNotFoundError as error:
            raise BlobNotFound(self._path.name) from error
        except OSError as error:
            raise translated(error, "publish a blob") from error
        return True

    def _rename(self) -> None:
        try:
            _part(self._path).rename(self._path)
        except FileNotFoundError:
            if not self._path.exists():
                raise


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")
