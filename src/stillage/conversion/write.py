"""Writes an uncompressed image of a disk to a file: copies within the kernel, expands in threads, leaves holes."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from stillage.conversion.pool import Pool
from stillage.conversion.progress import Advance
from stillage.conversion.source import Source
from stillage.formats.base import MalformedImage
from stillage.formats.block_map import BlockMap
from stillage.formats.disk import Packed, Stored
from stillage.formats.reading import TRUNCATED
from stillage.formats.views.base import Guest, Literal, Piece
from stillage.holes import write_all, write_data, write_pieces

COPIED = 16 << 20
"""Bytes that are copied at once."""
READ = 1 << 20
"""Bytes that are expanded, or read where the kernel does not copy, at once."""
NO_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM})


class Task(NamedTuple):
    """Writes a part of the file. *until*: what comes before this byte of the disk is done then."""

    do: Callable[[], None]
    until: int


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
        until = _Until(advance)
        for done in pool.in_order(_run, self._tasks(pieces, until)):
            until.reach(done)
        until.reach(self._source.reader.size)

    def _tasks(self, pieces: Iterable[Piece], until: "_Until") -> Iterator[Task]:
        """What other threads do, while this one copies: the kernel lets one of them at a time write to a file."""
        at = 0
        for piece in pieces:
            if isinstance(piece, Literal):
                write_all(self._target, memoryview(piece.data), at)
                at += len(piece.data)
                continue
            if isinstance(piece, Guest):
                for part in self._with_data(piece):
                    yield from self._guest(part, at + part.first - piece.first, until)
            at += piece.length
        os.ftruncate(self._target, at)

    def _with_data(self, piece: Guest) -> Iterator[Guest]:
        block, end = self._data.block, piece.first + piece.length
        for run in self._data.runs(piece.first // block, -(-end // block)):
            first = max(piece.first, run.first * block)
            yield Guest(first, min(end, run.stop * block) - first)

    def _guest(self, piece: Guest, at: int, until: "_Until") -> Iterator[Task]:
        """Write a piece of the disk to byte *at* of the file: copies are made here, tasks expand the rest."""
        batch: list[Packed] = []
        for extent in self._source.extents(piece.first, piece.length):
            if isinstance(extent, Stored):
                self._copy_all(extent, at + extent.at - piece.first, until)
                continue
            batch.append(extent)
            if len(batch) * self._unit >= READ:
                yield self._expansion(batch, piece, at)
                batch = []
        if batch:
            yield self._expansion(batch, piece, at)

    def _copy_all(self, extent: Stored, at: int, until: "_Until") -> None:
        for done in range(0, extent.length, COPIED):
            length = min(COPIED, extent.length - done)
            self._copy(extent.offset + done, length, at + done)
            until.reach(extent.at + done + length)

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
        pieces = []
        for extent, data in zip(batch, units, strict=True):
            begin = max(0, piece.first - extent.at)
            part = data[begin : piece.first + piece.length - extent.at]
            pieces.append((at + extent.at + begin - piece.first, part))
        write_pieces(self._target, pieces)

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


class _Until:
    """Counts what is done of the disk, in the order in which it is done."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._done = 0

    def reach(self, until: int) -> None:
        if until > self._done:
            self._advance(until - self._done)
            self._done = until


def _run(task: Task) -> int:
    task.do()
    return task.until
