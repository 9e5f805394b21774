"""Reads the disk of a QCOW image of version 1, plain or compressed with deflate.

Source: libyal/libqcow, "QEMU Copy-On-Write file format", sections on format version 1.
"""

from collections.abc import Iterator
from functools import partial

from stillage.formats.base import Steps, Stream
from stillage.formats.codecs.zlib_stream import DEFLATE, Zlib
from stillage.formats.disk import Charting, Extent, Packed, Stored, Zeros, tolerating
from stillage.formats.qcow.inspect import (
    COMPRESSED,
    LAYOUT,
    Header,
    check_l1,
    data_offset,
    packed_at,
    read_header,
)
from stillage.formats.tables.entries import big_endian_64
from stillage.formats.tables.levels import Levels
from stillage.formats.tables.runs import place

# QEMU expands a cluster until it is full, so that its stream need not end.
CODEC = Zlib(DEFLATE, must_end=False)


def chart(_stream: Stream) -> "Steps[QcowDisk]":
    header = yield from tolerating([], read_header())
    check_l1(header)
    return QcowDisk(header)


class QcowDisk:
    """The disk that the L1 table of an image maps."""

    in_order = False

    def __init__(self, header: Header) -> None:
        self.size = header.virtual_size
        self.unit = header.cluster_size
        self._header = header
        self._data_offset = partial(data_offset, header)
        self._levels = Levels(
            header.cluster_size,
            header.l1_offset,
            1 << header.l2_bits,
            8,
            big_endian_64,
            lambda _at, entry: entry,
            self._clusters,
            LAYOUT,
        )

    def extents(self, first: int, length: int) -> Charting:
        return self._levels.extents(first, length)

    def _clusters(self, at: int, piece_at: int, piece: bytes) -> Iterator[Extent]:
        entries = big_endian_64(piece)
        clusters = range(at, at + len(entries) * self.unit, self.unit)
        places = range(piece_at, piece_at + len(piece), 8)
        if max(entries) < COMPRESSED:
            return place(entries, self.unit, clusters, places, self._data_offset)
        return map(self._cluster, clusters, places, entries)

    def _cluster(self, at: int, entry_at: int, entry: int) -> Extent:
        if entry & COMPRESSED:
            offset, length = packed_at(self._header, entry_at, entry)
            return Packed(at, self.unit, offset, length, CODEC)
        offset = self._data_offset(entry_at, entry)
        return Stored(at, self.unit, offset) if offset else Zeros(at, self.unit)
