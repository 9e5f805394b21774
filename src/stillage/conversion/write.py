"""Writes an uncompressed image of a disk to a file: copies within the kernel, expands in threads, leaves holes."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from stillage.conversion.pack import Advance
from stillage.conversion.pool import Pool
from stillage.conversion.source import Source
from stillage.formats.base import MalformedImage
from stillage.formats.block_map import BlockMap
from stillage.formats.disk import Packed, Stored
from stillage.formats.reading import TRUNCATED
from stillage.formats.views.base import Guest, Literal, Piece
from stillage.holes import write_all, write_data

COPIED = 16 << 20
"""Bytes that are copied at once."""
READ = 1 << 20
"""Bytes that are expanded, or read where the kernel does not copy, at once."""
NO_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM})


class Task(NamedTuple):
    """Writes a part of the file. *until*: what comes before this byte of the disk is done then."""

    do: Callable[[], None]
    until: int = 0


class Writer:
    """Writes to *target*, a new file: what is not written there stays a hole.

    Args:
        source: The disk.
        data: Where it holds data; the rest is not copied.
        target: A descriptor.
    """

    def __init__(self, source: Source, data: BlockMap, target: int) -> None:
        self._source = source
        self._data = data
        self._target = target
        self._unit = source.reader.disk.unit
        self._in_order = source.reader.disk.in_order

    def run(self, pieces: Iterable[Piece], pool: Pool, advance: Advance = lambda _count: None) -> None:
        """Write *pieces*, one behind the other from the start of the file.

        Raises:
            MalformedImage: If the disk cannot be read.
            OSError: If a file cannot be read or written.
        """
        done = 0
        for until in pool.in_order(_run, self._tasks(pieces)):
            advance(max(0, until - done))
            done = max(done, until)
        advance(self._source.reader.size - done)

    def _tasks(self, pieces: Iterable[Piece]) -> Iterator[Task]:
        at = 0
        for piece in pieces:
            if isinstance(piece, Literal):
                yield Task(partial(write_all, self._target, memoryview(piece.data), at))
                at += len(piece.data)
                continue
            if isinstance(piece, Guest):
                for part in self._with_data(piece):
                    yield from self._guest(part, at + part.first - piece.first)
            at += piece.length
        os.ftruncate(self._target, at)

    def _with_data(self, piece: Guest) -> Iterator[Guest]:
        block, end = self._data.block, piece.first + piece.length
        for run in self._data.runs(piece.first // block, -(-end // block)):
            first = max(piece.first, run.first * block)
            yield Guest(first, min(end, run.stop * block) - first)

    def _guest(self, piece: Guest, at: int) -> Iterator[Task]:
        """Tasks that write a piece of the disk to byte *at* of the file."""
        batch: list[Packed] = []
        for extent in self._source.extents(piece.first, piece.length):
            if isinstance(extent, Stored):
                yield from self._copies(extent, at + extent.at - piece.first)
                continue
            batch.append(extent)
            if len(batch) * self._unit >= READ:
                yield self._expansion(batch, piece, at)
                batch = []
        if batch:
            yield self._expansion(batch, piece, at)

    def _copies(self, extent: Stored, at: int) -> Iterator[Task]:
        for done in range(0, extent.length, COPIED):
            length = min(COPIED, extent.length - done)
            yield Task(partial(self._copy, extent.offset + done, length, at + done), extent.at + done + length)

    def _expansion(self, batch: list[Packed], piece: Guest, at: int) -> Task:
        until = batch[-1].at + batch[-1].length
        if self._in_order:
            units = self._source.reader.expand(batch)
            return Task(partial(self._write_units, batch, units, piece, at), until)
        return Task(partial(self._expand, batch, piece, at), until)

    def _expand(self, batch: list[Packed], piece: Guest, at: int) -> None:
        self._write_units(batch, self._source.reader.expand(batch), piece, at)

    def _write_units(self, batch: list[Packed], units: list[bytes], piece: Guest, at: int) -> None:
        """Write the part of each unit that lies in *piece*."""
        for extent, data in zip(batch, units, strict=True):
            begin = max(0, piece.first - extent.at)
            part = data[begin : piece.first + piece.length - extent.at]
            write_data(self._target, part, at + extent.at + begin - piece.first)

    def _copy(self, offset: int, length: int, at: int) -> None:
        while length:
            count = self._copy_some(offset, length, at)
            if not count:
                message = f"guest data begin at byte {offset} of the file, where it ends"
                raise MalformedImage(TRUNCATED, offset, message)
            offset, length, at = offset + count, length - count, at + count

    def _copy_some(self, offset: int, length: int, at: int) -> int:
        """Copy *length* bytes or fewer; return how many."""
        if self._source.descriptor is not None and hasattr(os, "copy_file_range"):
            try:
                return os.copy_file_range(self._source.descriptor, self._target, length, offset, at)
            except OSError as error:
                if error.errno not in NO_COPY:
                    raise
        data = self._source.read_at(offset, min(length, READ))
        write_data(self._target, data, at)
        return len(data)


def _run(task: Task) -> int:
    task.do()
    return task.until
