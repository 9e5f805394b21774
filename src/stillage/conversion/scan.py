"""Finds where a disk holds data, by reading what its format does not map: a raw disk may be full of stored zeros."""

from collections.abc import Iterator

from stillage.conversion.pack import Advance
from stillage.conversion.pool import Pool
from stillage.conversion.source import Data, Source
from stillage.formats.disk import Packed, Stored
from stillage.holes import data_runs

BATCH = 1 << 20

Work = Stored | Packed


def data_of(source: Source, pool: Pool, advance: Advance = lambda _count: None) -> Iterator[Data]:
    """Yield the runs of the disk that hold data, ascending. What a format maps and compresses counts as data.

    Raises:
        MalformedImage: If a table cannot be read.
        OSError: If the file cannot be read.
    """

    def look(extent: Work) -> tuple[Work, list[Data]]:
        if isinstance(extent, Packed) or source.is_mapped:
            return extent, [Data(extent.at, extent.length)]
        block = source.read_at(extent.offset, extent.length)
        # What the file does not have stays data: whoever copies it says so.
        missing = [] if len(block) == extent.length else [Data(extent.at + len(block), extent.length - len(block))]
        return extent, [Data(extent.at + start, end - start) for start, end in data_runs(block)] + missing

    done = 0
    for extent, runs in pool.in_order(look, _pieces(source)):
        yield from runs
        advance(extent.at + extent.length - done)
        done = extent.at + extent.length
    advance(source.reader.size - done)


def _pieces(source: Source) -> Iterator[Work]:
    """The extents, those that are to be read in pieces of `BATCH` bytes."""
    for extent in source.extents(0, source.reader.size):
        if isinstance(extent, Packed) or source.is_mapped:
            yield extent
            continue
        for done in range(0, extent.length, BATCH):
            length = min(BATCH, extent.length - done)
            yield Stored(extent.at + done, length, extent.offset + done)
