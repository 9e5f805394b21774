"""Blobs as local files.

A blob is written to a file without a name (``O_TMPFILE``) and linked to ``<root>/<first two characters>/<key>`` when it
is complete and durable, so neither a reader nor a crash ever meets half of one: the kernel frees a nameless file with
the process. Where the file system has no nameless files, ``<key>.part`` stands in and `delete` removes it.

Zero blocks are left out and become holes.
"""

import asyncio
import errno
import math
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from stillage.errors import BlobNotFound
from stillage.holes import write_data
from stillage.ids import BlobKey
from stillage.lanes import GIVES_WAY_TO_LANES, Lane
from stillage.spans import Span
from stillage.stores.abilities import OldBlobs, Recall, recall_nothing
from stillage.stores.files import partial as partial_blobs
from stillage.stores.files.disk import file_system_of, make_folder, sync_directory, translated
from stillage.stores.files.taking import take
from stillage.stores.sources import FileSource
from stillage.stores.streams import blocks_of
from stillage.stores.threads import Threads
from stillage.write_back import PUSH_EVERY, push

READ_THREADS = 8
BLOCK = 512
"""Of `st_blocks`, whatever the file system uses."""
DISK_TIMEOUT_S = 10.0


class FileStore:
    """A folder of blobs. Creates *root* if it does not exist."""

    def __init__(self, root: Path, *, timeout_s: float = DISK_TIMEOUT_S) -> None:
        """*timeout_s*: how long the disk may take to answer before an upload or a download begins."""
        self.root = root
        self._make_root()
        self._threads = Threads("store", READ_THREADS, timeout_s=timeout_s)
        self._probing: Future[None] | None = None

    def _make_root(self) -> None:
        self.root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_folder(self.root)

    def keeps_open(self) -> bool:
        # A file that another machine removes is gone from NFS, whoever has it open.
        return not self._is_on_nfs

    @cached_property
    def _is_on_nfs(self) -> bool:
        """Asked once: each deletion needs it. Not before: a folder that exists may not be mounted yet."""
        return file_system_of(self.root).startswith("nfs")

    def location(self, key: BlobKey) -> str:
        return self._path(key).absolute().as_uri()

    @asynccontextmanager
    async def writer(self, key: BlobKey, size: int | None = None) -> AsyncIterator["_FileWriter"]:  # noqa: ARG002 - a file grows
        async with Lane(f"write-{key[:8]}", nice=GIVES_WAY_TO_LANES) as lane:
            writer = _FileWriter(self._path(key), lane)
            await self._threads.soon(writer.open, too_late=lambda _: writer.close())
            # A client that hangs up may cancel us; the thread that uses the descriptor closes it all the same.
            lane.at_end(writer.close)
            yield writer

    async def begin(self, key: BlobKey) -> None:
        # Do not undo it if this was too late: others may have begun it by now, and would lose what they sent.
        await self._threads.soon(partial_blobs.begin, self._path(key))

    @asynccontextmanager
    async def partial(
        self,
        key: BlobKey,
        recall: Recall = recall_nothing,  # noqa: ARG002 - bytes are found by their offsets
        size: int | None = None,  # noqa: ARG002
    ) -> AsyncIterator[partial_blobs.FilePartialBlob]:
        async with Lane(f"partial-{key[:8]}", nice=GIVES_WAY_TO_LANES) as writing, Lane(f"sync-{key[:8]}") as syncing:
            partial = partial_blobs.FilePartialBlob(self._path(key), writing, syncing)
            await self._threads.soon(partial.open, too_late=lambda _: partial.close())
            writing.at_end(partial.close)
            yield partial

    async def take(self, key: BlobKey, file: int) -> None:
        await self._threads.run(take, file, self._path(key))

    async def drop_partial(self, key: BlobKey) -> None:
        await self._threads.run(partial_blobs.drop, self._path(key))

    @asynccontextmanager
    async def reader(self, key: BlobKey) -> AsyncIterator["_FileReader"]:
        try:
            descriptor = await self._threads.soon(
                os.open, self._path(key), os.O_RDONLY | os.O_CLOEXEC, too_late=os.close
            )
        except FileNotFoundError as error:
            raise BlobNotFound(key) from error
        except OSError as error:
            raise translated(error, "open a blob") from error
        try:
            yield _FileReader(descriptor, self._threads)
        finally:
            os.close(descriptor)

    async def delete(self, key: BlobKey) -> None:
        try:
            await self._threads.run(_delete, self._path(key))
        except OSError as error:
            raise translated(error, "delete a blob") from error

    async def free_bytes(self) -> int:
        try:
            status = await self._threads.soon(os.statvfs, self.root)
        except OSError as error:
            raise translated(error, "tell how much room it has") from error
        return status.f_bavail * status.f_frsize

    async def allocated_bytes(self, key: BlobKey) -> int:
        try:
            status = await self._threads.soon(os.stat, self._path(key))
        except FileNotFoundError as error:
            raise BlobNotFound(key) from error
        except OSError as error:
            raise translated(error, "tell how much of the disk a blob takes") from error
        return status.st_blocks * BLOCK

    async def find_old(self, shard: int, older_than_s: float) -> OldBlobs:
        try:
            return await self._threads.run(_find_old, self.root / f"{shard:02x}", time.time() - older_than_s)
        except OSError as error:
            raise translated(error, "look through the store") from error

    async def check(self) -> None:
        # One probe for all that ask at the same time: they would disturb each other, and on a hanging disk each would
        # occupy a thread.
        if self._probing is None or self._probing.done():
            self._probing = self._threads.submit(_probe, self.root)
        try:
            await self._threads.in_time(self._probing)
        except OSError as error:
            raise translated(error, "write to the store") from error

    def close(self) -> None:
        self._threads.close()

    def _path(self, key: BlobKey) -> Path:
        return self.root / key[:2] / key


class _FileReader:
    def __init__(self, descriptor: int, threads: Threads) -> None:
        self.file_descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._threads = threads
        self._can_ask_cache = hasattr(os, "RWF_NOWAIT")

    def read(self, offset: int, length: int) -> Awaitable[bytes | bytearray]:
        # Reading from the page cache is faster than waking a thread.
        block = self._cached(offset, length)
        if block is None:
            return self._threads.run(self._read, offset, length)
        done: asyncio.Future[bytearray] = asyncio.get_running_loop().create_future()
        done.set_result(block)
        return done

    def stream(self, first: int, length: int, block: int) -> AsyncGenerator[bytes | bytearray]:
        return blocks_of(self.read, Span(first, first + length), block)

    async def sources(self, first: int, length: int) -> AsyncGenerator[FileSource]:
        # A duplicate: the reader may be closed while a thread sends, and the number may then be another image.
        yield FileSource(os.dup(self.file_descriptor), Span(first, first + length))

    def _cached(self, offset: int, length: int) -> bytearray | None:
        """Read from the page cache without blocking the event loop; None if that is not possible."""
        if not self._can_ask_cache:
            return None
        block = bytearray(length)
        try:
            if os.preadv(self.file_descriptor, [block], offset, os.RWF_NOWAIT) == length:
                return block
        except OSError as error:
            self._can_ask_cache = error.errno == errno.EAGAIN  # any other error: the file system does not support it
        return None

    def _read(self, offset: int, length: int) -> bytes:
        try:
            return os.pread(self.file_descriptor, length, offset)
        except OSError as error:
            raise translated(error, "read a blob") from error


class _FileWriter:
    """Public methods run on the event loop and hand over to the lane; the others run in the lane's thread."""

    def __init__(self, path: Path, lane: Lane) -> None:
        self._path = path
        self._lane = lane
        self._descriptor = -1
        self._part: Path | None = None
        self._size = 0
        self._pushed = 0

    async def write(self, block: bytes) -> None:
        await self._lane.submit(self._write, block)

    async def finish(self) -> None:
        await self._lane.call(lambda: None)

    def read_at(self, offset: int, length: int) -> bytes:
        try:
            available = max(0, min(length, self._size - offset))
            # The file does not have its final hole yet.
            return os.pread(self._descriptor, available, offset).ljust(available, b"\0")
        except OSError as error:
            raise translated(error, "read back an upload") from error

    async def commit(self) -> None:
        await self._lane.call(self._publish)

    def open(self) -> None:
        folder = self._path.parent
        try:
            make_folder(folder)
            try:
                self._descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                    raise
                self._part = self._path.with_name(f"{self._path.name}.part")
                self._descriptor = os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise translated(error, "begin a blob") from error

    def _write(self, block: bytes) -> None:
        try:
            write_data(self._descriptor, block, self._size)
            self._size += len(block)
            if self._size - self._pushed >= PUSH_EVERY:
                push(self._descriptor, self._pushed, self._size - self._pushed)
                self._pushed = self._size
        except OSError as error:
            raise translated(error, "write a blob") from error

    def _publish(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._size)  # a hole at the end does not extend the file by itself
            os.fsync(self._descriptor)  # a failure here is final: the kernel has dropped the pages
            self._link()
            # The name lives in the directory; without this a power cut can lose it.
            sync_directory(self._path.parent)
        except OSError as error:
            raise translated(error, "publish a blob") from error

    def _link(self) -> None:
        if self._part is not None:
            self._part.rename(self._path)
            self._part = None
            return
        # linkat follows the symbolic link in /proc only if told to, which Python does only with src_dir_fd.
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.link(f"/proc/self/fd/{self._descriptor}", self._path, src_dir_fd=folder, follow_symlinks=True)
        finally:
            os.close(folder)

    def close(self) -> None:
        # What shall last is durable already. File systems of a network say only here what they could not write of the
        # rest; a name that cannot be removed is left to `delete`.
        with suppress(OSError):
            if self._descriptor >= 0:
                os.close(self._descriptor)
        with suppress(OSError):
            if self._part is not None:
                self._part.unlink(missing_ok=True)


def _delete(path: Path) -> None:
    removed = [name for name in (path, path.with_name(f"{path.name}.part")) if _unlink(name)]
    if removed:
        # Its row is forgotten next: without this a power cut can bring back a file that no row names.
        sync_directory(path.parent)


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _find_old(folder: Path, before: float) -> OldBlobs:
    whole: set[BlobKey] = set()
    partial: set[BlobKey] = set()
    if folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in entries:
                if _touched(entry) <= before:
                    key = BlobKey(entry.name.removesuffix(".part"))
                    (whole if key == entry.name else partial).add(key)
    return OldBlobs(whole, partial)


def _touched(entry: "os.DirEntry[str]") -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:  # it was deleted in the meantime
        return math.inf


def _probe(root: Path) -> None:
    # Not the id of the process: nodes may share the folder, and in a container every server is process 1.
    probe = root / f".probe-{uuid4().hex}"
    probe.write_bytes(b"?")
    probe.unlink()
