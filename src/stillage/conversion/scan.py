"""Finds where a disk holds data, by reading what its format does not map: a raw disk may be full of stored zeros."""

from collections.abc import Iterator

from stillage.conversion.pool import Pool
from stillage.conversion.progress import Advance
from stillage.conversion.source import Data, Source
from stillage.formats.base import ReadAt
from stillage.formats.disk import Stored
from stillage.holes import HOLE, ZEROS

BATCH = 16 << 20
"""Bytes of the disk that a thread looks at in one go: it hardly computes, and to hand over takes longer than a MiB."""

PROBE = 4096
"""Bytes of a piece that are read first: the rest of it matters only if they are zeros."""


def data_of(source: Source, pool: Pool, advance: Advance = lambda _count: None) -> Iterator[Data]:
    """Yield the runs of a disk that its format does not map (`Source.is_mapped`) that hold data, ascending.

    Raises:
        OSError: If the file cannot be read.
    """

    def look(extent: Stored) -> list[Data]:
        return list(_runs(source.read_at, extent))

    done = 0
    for runs in pool.in_order(look, _pieces(source)):
        yield from runs
        if runs:
            advance(runs[-1].at + runs[-1].length - done)
            done = runs[-1].at + runs[-1].length
    advance(source.reader.size - done)


def _pieces(source: Source) -> Iterator[Stored]:
    """The extents in pieces of `BATCH` bytes."""
    for extent in source.extents(0, source.reader.size):
        assert isinstance(extent, Stored)  # noqa: S101 - nothing is compressed where every byte is stored
        for done in range(0, extent.length, BATCH):
            length = min(BATCH, extent.length - done)
            yield Stored(extent.at + done, length, extent.offset + done)


def _runs(read_at: ReadAt, extent: Stored) -> Iterator[Data]:
    """Yield the pieces of *extent* that are not all zeros; neighbours are one.

    What the file does not have is none of zeros: its reader says so.
    """
    begin = end = 0
    for done in range(0, extent.length, HOLE):
        length = min(HOLE, extent.length - done)
        if all(_is_zeros(read_at, extent.offset + done, part) for part in (min(PROBE, length), length)):
            continue
        if done > end:
            if begin < end:
                yield Data(extent.at + begin, end - begin)
            begin = done
        end = done + length
    if begin < end:
        yield Data(extent.at + begin, end - begin)


def _is_zeros(read_at: ReadAt, offset: int, length: int) -> bool:
    data = read_at(offset, length)
    return len(data) == length and ZEROS.startswith(data)
