"""Slices of objects as files in a folder that all workers of a node share: each is fetched once, old ones make room.

A slice is fetched into ``NAME.part`` by whoever holds that file's lock, and renamed when it is complete; a process that
dies holds no lock. Nothing is trusted after a restart: who finds the folder unused empties it. Everything here blocks.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stillage.stores.files.disk import translated

IN_USE, TAKEN = ".in-use", ".taken"
PART = ".part"
BLOCK = 512 << 10
ROOM_TO_MAKE = 10
"""The folder is looked through when it is full; then a tenth of it is freed, so that this is rare."""
Read = Callable[[int], bytes]


class SliceFolder:
    """Holds at most *capacity* bytes, and what is still read of slices that made room. None has more than *slice_size*.

    Raises:
        StillageError: If nothing can be written there.
    """

    def __init__(self, folder: Path, capacity: int, slice_size: int) -> None:
        self._folder = folder
        self._slice_size = slice_size
        self._capacity = capacity
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._in_use = _opened(folder / IN_USE)
            self._empty_if_unused()
        except OSError as error:
            raise translated(error, "make the folder of its cache") from error

    def close(self) -> None:
        os.close(self._in_use)

    def open(self, name: str) -> int | None:
        """Return a descriptor of a slice, which whoever receives it closes; None if it is not there."""
        try:
            descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        # The kernel's own idea of the time is some milliseconds late. When it was filled stays as it is.
        os.utime(descriptor, ns=(time.time_ns(), os.fstat(descriptor).st_mtime_ns))
        return descriptor

    def fetch(self, name: str, length: int, read: Read) -> bool:
        """Fetch a slice of *length* bytes, unless another process does, or has; False if there is no room for it.

        Raises:
            OSError: If the disk fails, or is full.
            StillageError: What *read* raises.
        """
        path = self._folder / name
        while not path.exists():
            with _locked(path.with_name(name + PART)) as part:
                if part is not None and not self._fill(part, path, length, read):
                    return False
        return True

    def contents(self) -> Sequence[tuple[str, int, float, float]]:
        """Return of each slice its name, its size, when it was filled, and when it was read last."""
        return [
            (name, status.st_size, status.st_mtime, status.st_atime)
            for name, status in self._entries()
            if not name.endswith(PART)
        ]

    def drop(self, prefix: str) -> None:
        """Remove the slices whose names begin so."""
        for name, size, _, _ in self.contents():
            if name.startswith(prefix):
                with suppress(FileNotFoundError):
                    (self._folder / name).unlink()
                    self._take(-size)

    def _fill(self, part: "_Part", path: Path, length: int, read: Read) -> bool:
        if not self._take(length, part.path.name):
            part.path.unlink()
            return False
        try:
            os.ftruncate(part.descriptor, 0)
            os.posix_fallocate(part.descriptor, 0, length)  # a full disk is noticed before anything is fetched
            while data := read(BLOCK):
                view = memoryview(data)
                while view:
                    view = view[os.write(part.descriptor, view) :]
            part.path.rename(path)
        except BaseException:
            with suppress(OSError):
                part.path.unlink()
            self._take(-length)
            raise
        return True

    def _take(self, length: int, part: str = "") -> bool:
        """Count *length* bytes more in the folder, for the file *part*; False if there is no room for them."""
        counter = _opened(self._folder / TAKEN)
        try:
            fcntl.flock(counter, fcntl.LOCK_EX)
            taken = int(os.pread(counter, 32, 0) or b"0") + length
            if taken > self._capacity:
                taken = self._make_room(length, part) + length
            if taken > self._capacity:
                return False
            os.pwrite(counter, b"%031d" % max(0, taken), 0)
            return True
        finally:
            os.close(counter)

    def _make_room(self, length: int, part: str) -> int:
        """Remove the slices that nobody has read for the longest time; return how many bytes others have left."""
        entries = [(status.st_atime_ns, name, status.st_size) for name, status in self._entries() if name != part]
        left = sum(self._slice_size if name.endswith(PART) else size for _, name, size in entries)
        most = min(self._capacity - length, self._capacity - self._capacity // ROOM_TO_MAKE)
        for _, name, size in sorted(entries):
            if left > most and not name.endswith(PART):
                (self._folder / name).unlink(missing_ok=True)
                left -= size
        return left

    def _empty_if_unused(self) -> None:
        with suppress(BlockingIOError):
            fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name, _ in self._entries():
                (self._folder / name).unlink(missing_ok=True)
            (self._folder / TAKEN).unlink(missing_ok=True)
        fcntl.flock(self._in_use, fcntl.LOCK_SH)

    def _entries(self) -> Iterator[tuple[str, os.stat_result]]:
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if not entry.name.startswith("."):
                        yield entry.name, entry.stat(follow_symlinks=False)


def _opened(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


@dataclass(frozen=True, slots=True)
class _Part:
    """A file that is being filled; its lock is held as long as *descriptor* is open."""

    path: Path
    descriptor: int


@contextmanager
def _locked(path: Path) -> Iterator[_Part | None]:
    """Hold the lock of a file, made for it; None if it was renamed or removed before its lock was free."""
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            is_same = os.path.samestat(os.fstat(descriptor), path.stat())
        except FileNotFoundError:
            is_same = False
        yield _Part(path, descriptor) if is_same else None
    finally:
        os.close(descriptor)
