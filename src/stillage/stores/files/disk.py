"""File system operations below blobs: holes, durable writes, and translated errors."""

import ctypes
import errno
import os
from contextlib import suppress
from pathlib import Path

from stillage.errors import StillageError, StorageFull, StoreFailed, StoreReadOnly, Unavailable
from stillage.holes import HOLE, ZEROS, write_all

KEEP_SIZE_AND_PUNCH_HOLE = 3

MOUNTS = Path("/proc/self/mountinfo")

_durable: set[Path] = set()
"""Folders that this process has already synced."""

_libc = ctypes.CDLL(None, use_errno=True)
_fallocate = getattr(_libc, "fallocate", None)
if _fallocate is not None:
    _fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def translated(error: OSError, what: str) -> StillageError:
    """Return our error for an error of the operating system while trying to *what*."""
    reason = error.strerror or type(error).__name__
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(f"the store is full ({reason}); ask the operator, then send what is missing")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StoreReadOnly(f"the store cannot {what} ({reason}); ask the operator")
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        return Unavailable(f"the store cannot {what} now ({reason}); try again later")
    return StoreFailed(f"the store failed to {what} ({reason}); ask the operator")


def make_hole(descriptor: int, offset: int, length: int) -> None:
    """Make the bytes zeros, as far as the file extends, without using space if the file system can."""
    length = min(length, os.fstat(descriptor).st_size - offset)
    if length <= 0:
        return
    if _fallocate is not None and _fallocate(descriptor, KEEP_SIZE_AND_PUNCH_HOLE, offset, length) == 0:
        return
    for start in range(offset, offset + length, HOLE):
        write_all(descriptor, memoryview(ZEROS)[: min(HOLE, offset + length - start)], start)


def make_folder(folder: Path) -> None:
    """Create *folder* in its parent, durably."""
    is_new = not folder.is_dir()
    if is_new:
        folder.mkdir(mode=0o700, exist_ok=True)
    # Whoever created an existing folder may not have synced it yet, so each process syncs it once.
    if is_new or folder not in _durable:
        sync_directory(folder.parent)
        _durable.add(folder)


def file_system_of(path: Path) -> str:
    """Return the kind of file system that *path* is on, such as ``ext4``; "" if that is not known.

    Source: proc(5), "/proc/pid/mountinfo".
    """
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError):
        for line in MOUNTS.read_text().splitlines():
            mount, _, file_system = line.partition(" - ")
            if mount.split()[2] == wanted:
                return file_system.split()[0]
    return ""


def write_whole(path: Path, content: bytes) -> None:
    """Replace the content of *path*, private to its owner, durably: after a crash it has the old or the new content."""
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
