"""Reads the disk of a QCOW2 image: plain, compressed with zlib or zstd, with extended L2 entries.

Source: QEMU docs/interop/qcow2, "Cluster mapping", "Extended L2 Entries", "compression_type".
"""

import re
from collections.abc import Iterator

from stillage.formats.base import Steps, Stream
from stillage.formats.codecs.zlib_stream import DEFLATE, Zlib
from stillage.formats.codecs.zstd_frames import Zstd
from stillage.formats.disk import Charting, Codec, Extent, Packed, Stored, Zeros, tolerating
from stillage.formats.qcow2.header import Header
from stillage.formats.qcow2.inspect import CORRUPT, DIRTY, SNAPSHOT, read_header
from stillage.formats.qcow2.l2 import COMPRESSED, LAYOUT, L2Entries, table_offset
from stillage.formats.qcow2.tables import check_l1_size
from stillage.formats.tables.clusters import check_aligned
from stillage.formats.tables.entries import big_endian_64
from stillage.formats.tables.levels import Levels
from stillage.formats.tables.runs import place, runs

# These are about the refcounts, and about other disks in the file.
READABLE = (DIRTY, CORRUPT, SNAPSHOT)
# QEMU expands a cluster until it is full, so that its stream need not end.
CODECS: dict[int, Codec] = {0: Zlib(DEFLATE, must_end=False), 1: Zstd()}
SUBCLUSTERS = 32
ALL_ALLOCATED = (1 << SUBCLUSTERS) - 1
RUN = re.compile("0+|1+")


def chart(_stream: Stream) -> "Steps[Qcow2Disk]":
    header = yield from tolerating(READABLE, read_header())
    l2 = L2Entries(header)
    check_l1_size(header, l2)
    check_aligned(LAYOUT, header.cluster_size, 40, header.l1_offset, "the L1 table")
    return Qcow2Disk(header, l2)


class Qcow2Disk:
    """The disk that the L1 table of an image maps."""

    in_order = False

    def __init__(self, header: Header, l2: L2Entries) -> None:
        self.size = header.virtual_size
        self.unit = header.cluster_size
        self._l2 = l2
        self._codec = CODECS[header.compression]
        self._levels = Levels(
            header.cluster_size,
            header.l1_offset,
            header.cluster_size // l2.entry_size,
            l2.entry_size,
            big_endian_64,
            table_offset,
            self._subclusters if l2.extended else self._clusters,
            LAYOUT,
        )

    def extents(self, first: int, length: int) -> Charting:
        return self._levels.extents(first, length)

    def _clusters(self, at: int, piece_at: int, piece: bytes) -> Iterator[Extent]:
        entries = big_endian_64(piece)
        clusters = range(at, at + len(entries) * self.unit, self.unit)
        places = range(piece_at, piece_at + len(piece), 8)
        if self._l2.are_plain(piece):
            return place(entries, self.unit, clusters, places, self._l2.stored_offset)
        return map(self._cluster, clusters, places, entries)

    def _cluster(self, at: int, entry_at: int, entry: int) -> Extent:
        if entry & COMPRESSED:
            offset, end = self._l2.packed_at(entry_at, entry)
            return Packed(at, self.unit, offset, end - offset, self._codec)
        offset = self._l2.stored_offset(entry_at, entry)
        return Stored(at, self.unit, offset) if offset else Zeros(at, self.unit)

    def _subclusters(self, at: int, piece_at: int, piece: bytes) -> Iterator[Extent]:
        words = big_endian_64(piece)
        entries, bitmaps = words[::2], words[1::2]
        clusters = range(at, at + len(entries) * self.unit, self.unit)
        places = range(piece_at, piece_at + len(piece), 16)
        for position, count in runs(bitmaps, 0):
            run, bitmap = slice(position, position + count), bitmaps[position]
            if bitmap == ALL_ALLOCATED:
                yield from place(entries[run], self.unit, clusters[run], places[run], self._whole)
            elif bitmap == 0 and self._l2.are_plain(piece[16 * position : 16 * (position + count)]):
                yield Zeros(clusters[position], count * self.unit)
            else:
                for cluster_at, entry_at, entry in zip(clusters[run], places[run], entries[run], strict=True):
                    yield from self._parts(cluster_at, entry_at, entry, bitmap)

    def _whole(self, entry_at: int, entry: int) -> int:
        """Where the cluster of an entry is that stores every subcluster."""
        self._l2.allocated_subclusters(entry_at, entry, ALL_ALLOCATED)
        return self._l2.stored_offset(entry_at, entry)

    def _parts(self, at: int, entry_at: int, entry: int, bitmap: int) -> Iterator[Extent]:
        allocated = self._l2.allocated_subclusters(entry_at, entry, bitmap)
        cluster = self._cluster(at, entry_at, entry)
        if not isinstance(cluster, Stored):
            yield cluster
            return
        size = self.unit // SUBCLUSTERS
        for run in RUN.finditer(f"{allocated:0{SUBCLUSTERS}b}"[::-1]):
            inside, length = run.start() * size, len(run[0]) * size
            stored = Stored(at + inside, length, cluster.offset + inside)
            yield stored if run[0][0] == "1" else Zeros(at + inside, length)
