"""Reads the disk of a VMDK that is one file: monolithicSparse or streamOptimized.

Source: VMware, "Virtual Disk Format 5.0", "Hosted Sparse Extents", "Stream-Optimized Compressed Sparse Extents".
"""

from array import array
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from stillage.formats.base import MAX_REGION, SECTOR, MalformedImage, NotThisFormat, Region, Steps, Stream
from stillage.formats.codecs.zlib_stream import ZLIB, Broken, Zlib
from stillage.formats.disk import Charting, Extent, Packed, Zeros, tolerating
from stillage.formats.tables.bounds import read_whole
from stillage.formats.tables.entries import little_endian_32
from stillage.formats.tables.levels import Table
from stillage.formats.tables.runs import place
from stillage.formats.vmdk.descriptor import EXTERNAL_FILE
from stillage.formats.vmdk.header import AT_END, DIRTY, LINE_ENDS, MAGIC, Header, parse
from stillage.formats.vmdk.inspect import inspect, read_structure
from stillage.formats.vmdk.stream_optimized import FOOTER, GRAIN, check_footer
from stillage.formats.vmdk.tables import GRAINS, TABLE_BYTES, TRUNCATED, Layout, grain_offset

# The other file is a log of changes: no part of the disk is in it.
READABLE = (DIRTY, LINE_ENDS, EXTERNAL_FILE)
STREAM = Zlib(ZLIB, must_end=True)
DATA_AT = 12
"""Where in a grain's record the zlib stream begins."""
FOOTER_FROM_END = 2 * SECTOR  # the end marker follows it


class Grain(NamedTuple):
    """The codec of the grain for one *sector* of the disk: a marker, which repeats that sector, and a zlib stream."""

    sector: int

    def expand(self, packed: bytes | memoryview, limit: int) -> bytes:
        """As `formats.disk.Codec`."""
        if len(packed) < GRAIN.size:
            raise Broken("the file ends within its marker")
        sector, length, _ = GRAIN.unpack_from(packed)
        if sector != self.sector:
            raise Broken(f"its marker is for sector {sector}, and the tables say that it is for {self.sector}")
        if not 0 < length <= len(packed) - DATA_AT:
            raise Broken(f"its marker claims {length} bytes; there is room for {len(packed) - DATA_AT}")
        return STREAM.expand(packed[DATA_AT : DATA_AT + length], limit)


def chart(stream: Stream) -> "Steps[VmdkDisk]":
    head = yield Region(0, SECTOR)
    if not head.startswith(MAGIC):
        # A descriptor, or the delta of another disk: the inspector says why it cannot be read.
        yield from tolerating([], inspect(stream))
        raise NotThisFormat
    header, layout, _ = yield from tolerating(READABLE, read_structure(stream, head))
    if layout.directory_at == AT_END:
        layout = layout._replace(directory_at=(yield from _directory_in_footer(stream, head)))
    return VmdkDisk(header, layout)


def _directory_in_footer(stream: Stream, head: bytes) -> Steps[int]:
    at = max(0, (stream.size or 0) - FOOTER_FROM_END)
    footer = yield from read_whole(TRUNCATED, at, SECTOR, "the footer")
    check_footer(footer, head, at)
    directory_at = parse(footer).directory_at
    if directory_at == AT_END:
        raise MalformedImage(FOOTER, at + 56, "the footer gives no place for the directory")
    return directory_at


class VmdkDisk:
    """The disk that the grain directory of an extent describes."""

    in_order = False

    def __init__(self, header: Header, layout: Layout) -> None:
        self.size = header.capacity * SECTOR
        self.unit = header.grain * SECTOR if header.is_compressed else 1
        self._grain = header.grain * SECTOR
        self._layout = layout
        self._grain_offset = partial(grain_offset, layout)
        # A record is a marker and a stream; one that is longer than twice its grain is none.
        self._most = min(2 * self._grain + SECTOR, MAX_REGION)

    def extents(self, first: int, length: int) -> Charting:
        at = self._layout.directory_at * SECTOR
        tables = partial(self._tables, first, first + length)
        return Table(at, 4, GRAINS * self._grain, tables, TRUNCATED, "the grain directory").extents(
            first, first + length
        )

    def _tables(self, first: int, end: int, at: int, _piece_at: int, piece: bytes) -> Charting:
        """The grains of the tables that a piece of the directory names."""
        mapped = GRAINS * self._grain
        for sector in little_endian_32(piece):
            if sector:
                table = yield from read_whole(TRUNCATED, sector * SECTOR, TABLE_BYTES, "a grain table")
                begin, stop = (max(first, at) - at) // self._grain, -((at - min(end, at + mapped)) // self._grain)
                yield from self._grains(range(begin, stop), at, sector * SECTOR, little_endian_32(table))
            else:
                yield Zeros(at, mapped)
            at += mapped

    def _grains(self, numbers: range, at: int, table_at: int, entries: "array[int]") -> Iterator[Extent]:
        """The grains *numbers* of a table, which maps the disk from *at* on."""
        cells = range(at, at + len(entries) * self._grain, self._grain)[numbers.start : numbers.stop]
        places = range(table_at, table_at + TABLE_BYTES, 4)[numbers.start : numbers.stop]
        wanted = entries[numbers.start : numbers.stop]
        if self.unit == 1:
            return place(wanted, self._layout.grain, cells, places, self._grain_offset)
        sectors = sorted(set(entries))
        return map(partial(self._packed, dict(pairwise(sectors))), cells, places, wanted)

    def _packed(self, following: dict[int, int], at: int, entry_at: int, entry: int) -> Extent:
        """The grain of an *entry*, which ends where the *following* one begins, as far as the table knows one."""
        offset = self._grain_offset(entry_at, entry)
        if not offset:
            return Zeros(at, self.unit)
        end = following.get(entry, entry + self._most // SECTOR)
        return Packed(at, self.unit, offset, min((end - entry) * SECTOR, self._most), Grain(at // SECTOR))
