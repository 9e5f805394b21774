"""Starts to write a file to the disk while it grows; otherwise the final fsync has all the work."""

from collections.abc import Callable
from functools import cache

PUSH_EVERY = 32 << 20
SYNC_FILE_RANGE_WRITE = 2


def push(descriptor: int, offset: int, length: int) -> None:
    """Start to write *length* bytes from *offset* on; 0: all up to the end. Only a hint: fsync reports errors."""
    if (sync_file_range := _sync_file_range()) is not None:
        sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE)


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    import ctypes  # noqa: PLC0415 - what writes little needs none of it

    found = getattr(ctypes.CDLL(None), "sync_file_range", None)  # Linux only
    if found is not None:
        found.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return found
