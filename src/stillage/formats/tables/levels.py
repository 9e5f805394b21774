"""Reads the tables that say where a part of a disk is: one table, or two levels of them.

In QCOW, QCOW2 and QED a table of the first level (L1) names those of the second (L2), and these the clusters.
`formats.tables.walk` visits every table in the order of the file, to check an image; this module visits those of a
part of the disk, in its order.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stillage.formats.base import Region, Rule
from stillage.formats.disk import Charting, Extent, Zeros
from stillage.formats.tables.bounds import read_whole
from stillage.formats.tables.clusters import LayoutRules, check_aligned
from stillage.formats.tables.walk import PIECE, ZEROS


@dataclass(frozen=True, slots=True)
class Table:
    """A table with one entry for each cell of the disk, or of a part of it.

    Attributes:
        offset: Its place.
        entry_size: Bytes.
        cell: Bytes of the disk that an entry stands for.
        extents_of: Takes a place on the disk, the place of a piece of the table, and that piece.
        truncated: The rule that a table breaks which the file does not have.
        what: The table's name.
    """

    offset: int
    entry_size: int
    cell: int
    extents_of: Callable[[int, int, bytes], Iterator[Region | Extent]]
    truncated: Rule
    what: str

    def extents(self, first: int, end: int, *, at: int = 0) -> Charting:
        """What lies from *first* to *end* on the disk, of which the table describes what begins at *at*."""
        index, stop = (first - at) // self.cell, -((at - end) // self.cell)
        while index < stop:
            count = min(stop - index, PIECE // self.entry_size)
            piece_at = self.offset + index * self.entry_size
            piece = yield from read_whole(self.truncated, piece_at, count * self.entry_size, self.what)
            yield from self.extents_of(at + index * self.cell, piece_at, piece)
            index += count


@dataclass(frozen=True, slots=True)
class Levels:
    """Where the tables of an image are, and how they are read.

    Attributes:
        cluster_size: Bytes.
        l1_offset: The L1 table's place.
        entries: Of an L2 table.
        entry_size: Bytes of an L2 entry; an L1 entry has 8.
        unpack: Takes a piece of an L1 table.
        table_offset: Takes the place of an L1 entry and the entry; returns the L2 table's place, zero if there is none.
        clusters: Takes a place on the disk, the place of a piece of an L2 table, and that piece.
        rules: What a table that cannot be read breaks.
    """

    cluster_size: int
    l1_offset: int
    entries: int
    entry_size: int
    unpack: Callable[[bytes], "array[int]"]
    table_offset: Callable[[int, int], int]
    clusters: Callable[[int, int, bytes], Iterator[Region | Extent]]
    rules: LayoutRules

    def extents(self, first: int, length: int) -> Charting:
        """As `Disk.extents`."""
        mapped = self.entries * self.cluster_size
        end = first + length
        index, stop = first // mapped, -(-end // mapped)
        while index < stop:
            count = min(stop - index, PIECE // 8)
            piece_at = self.l1_offset + 8 * index
            piece = yield from read_whole(self.rules.out_of_bounds, piece_at, 8 * count, "the L1 table")
            if piece == ZEROS[: len(piece)]:
                yield Zeros(index * mapped, count * mapped)
            else:
                for number, entry in enumerate(self.unpack(piece)):
                    at = (index + number) * mapped
                    table = self.table_offset(piece_at + 8 * number, entry)
                    if table:
                        check_aligned(self.rules, self.cluster_size, piece_at + 8 * number, table, "an L2 table")
                        yield from self._table(table).extents(max(first, at), min(end, at + mapped), at=at)
                    else:
                        yield Zeros(at, mapped)
            index += count

    def _table(self, offset: int) -> Table:
        truncated = self.rules.out_of_bounds
        return Table(offset, self.entry_size, self.cluster_size, self.clusters, truncated, "an L2 table")
