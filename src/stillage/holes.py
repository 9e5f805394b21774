"""Files with holes: zeros are left out where bytes are written, on the server and on the client."""

import errno
import os
from collections.abc import Iterable, Iterator

HOLE = 64 * 1024
ZEROS = bytes(HOLE)
MOST_AT_ONCE = 256
"""Pieces of one call; the kernel takes at most 1024."""


def data_runs(block: bytes) -> list[tuple[int, int]]:
    """Return the ranges of *block* that are not whole zero pieces of `HOLE` bytes."""
    runs: list[tuple[int, int]] = []
    for start in range(0, len(block), HOLE):
        end = min(start + HOLE, len(block))
        # startswith on bytes is a memcmp, 250 times faster than looking at single bytes.
        if block.startswith(ZEROS[: end - start], start):
            continue
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def write_data(descriptor: int, block: bytes, offset: int) -> None:
    """Write *block* at *offset*, where there is a hole: its zero pieces stay one."""
    for start, end in data_runs(block):
        write_all(descriptor, memoryview(block)[start:end], offset + start)


def write_pieces(descriptor: int, pieces: Iterable[tuple[int, bytes]]) -> None:
    """Write *pieces*, each at its offset, ascending, where there is a hole: zero pieces stay one.

    Neighbours are one call.
    """
    near: list[memoryview] = []
    begin = end = 0
    for offset, block in pieces:
        for start, stop in data_runs(block):
            if near and (offset + start != end or len(near) == MOST_AT_ONCE):
                _write_near(descriptor, near, begin)
                near = []
            if not near:
                begin = offset + start
            near.append(memoryview(block)[start:stop])
            end = offset + stop
    if near:
        _write_near(descriptor, near, begin)


def _write_near(descriptor: int, near: list[memoryview], offset: int) -> None:
    written = os.pwritev(descriptor, near, offset)
    for block in near:  # what a full disk, a signal or the kernel's limit has left over
        if written < len(block):
            write_all(descriptor, block[written:], offset + written)
        written = max(0, written - len(block))
        offset += len(block)


def write_all(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data = data[written:]
        offset += written


def next_data(descriptor: int, at: int, size: int) -> int:
    """Return where after the hole that begins at *at* there is data; *at* itself if there is no hole."""
    try:
        return min(os.lseek(descriptor, at, os.SEEK_DATA), size)
    except OSError as error:
        # ENXIO: nothing but a hole up to the end. Others: the file system does not know.
        return size if error.errno == errno.ENXIO else at


def next_hole(descriptor: int, at: int, size: int) -> int:
    """Return where the data that stand at *at* end, *size* at the latest."""
    if at >= size:
        return size
    try:
        return min(os.lseek(descriptor, at, os.SEEK_HOLE), size)
    except OSError:
        return size  # the file system does not know


class DataRuns:
    """Where a file of *size* bytes has data.

    The run that was found last is remembered: some file systems look at every page up to the next hole each time.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._found = (0, 0, 0)  # asked from here on; data from the second to the third

    def within(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield begin and end of the data in ``first … end - 1``, ascending."""
        at, end = first, min(end, self._size)
        while at < end:
            begin, stop = self._next(at)
            if begin < end:
                yield begin, min(stop, end)
            at = stop

    def _next(self, at: int) -> tuple[int, int]:
        """The data at *at*, or the next behind it; nothing at the end of the file."""
        asked, begin, stop = self._found
        if not asked <= at < stop:
            begin = next_data(self._descriptor, at, self._size)
            stop = next_hole(self._descriptor, begin, self._size)
            self._found = (at, begin, stop)
        return max(at, begin), stop
