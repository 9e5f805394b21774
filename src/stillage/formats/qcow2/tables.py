"""L1, L2 and refcount tables, snapshots and bitmaps of a QCOW2 image: bounds, alignment, overlap.

What an entry of an L1 or L2 table says is in `l2`.

Source: QEMU docs/interop/qcow2, "Host cluster management", "Cluster mapping", "Extended L2 Entries", "Snapshots",
"Bitmaps". All integers are big-endian.

Of the refcounts the places are checked and the values are not: they matter to a program that writes to the image,
and `qemu-img check` repairs them.
"""

import struct
from functools import partial

from stillage.formats.base import SECTOR, Inspection, MalformedImage, Rule, Stream
from stillage.formats.qcow2.header import CONVERT, HAS_DATA_FILE, LUKS, Extensions, Header, Place
from stillage.formats.qcow2.l2 import (
    COMPRESSED,
    COPIED,
    LAYOUT,
    OFFSET,
    RESERVED,
    L2Entries,
    maps_header,
    reserved_bits,
    table_offset,
)
from stillage.formats.tables.clusters import Layout
from stillage.formats.tables.entries import big_endian_64
from stillage.formats.tables.walk import ZEROS, Walk

BAD_TABLE = Rule("qcow2.bad-table", "A table has a size that the disk inside does not need or that nothing can read.")
BAD_BITMAP = Rule(
    "qcow2.bad-bitmap", "A saved dirty bitmap contradicts the format.", "qemu-img bitmap --remove IN NAME"
)
BOMB = Rule(
    "qcow2.shared-compressed",
    "Compressed clusters share their bytes, so that a small file would unpack to a large disk.",
    CONVERT,
)
RULES = (BAD_TABLE, RESERVED, BAD_BITMAP, BOMB, *LAYOUT.all)

# What QEMU reads. Snapshots and bitmaps are far fewer in practice than the 65,535 that it allows.
MAX_L1_BYTES = 32 << 20
MAX_REFCOUNT_TABLE_BYTES = 8 << 20
MAX_SNAPSHOTS = MAX_BITMAPS = 4096
MAX_EXTRA_DATA = 1024
MAX_BITMAP_DIRECTORY = 64 << 20
MAX_BITMAP_TABLE_BYTES = 32 << 20

REFCOUNT_RESERVED = 0x1FF
BITMAP_RESERVED = 0xFF << 56 | 0x1FE
# No compression makes a cluster smaller than this part of it: the formats' own limits.
SMALLEST_PACKED = {0: 1032, 1: 32768}

SNAPSHOT = struct.Struct(">QIHHIIQII")  # L1 offset and entries, lengths of id and name, …, length of extra data
SNAPSHOT_EXTRA = struct.Struct(">QQ")  # bytes of the machine's state, bytes of the disk
BITMAP = struct.Struct(">QIIBBHI")  # table offset and entries, flags, type, granularity, lengths of name and extra data


def check_l1_size(header: Header, l2: L2Entries) -> None:
    """Raise `MalformedImage` if the L1 table does not map the disk, or is longer than what QEMU reads."""
    covered = header.l1_entries * header.cluster_size * (header.cluster_size // l2.entry_size)
    if covered < header.size:
        message = f"{header.l1_entries} L1 entries map {covered} bytes; the disk has {header.size}"
        raise MalformedImage(BAD_TABLE, 36, message)
    if header.l1_entries * 8 > MAX_L1_BYTES:
        message = f"the L1 table has {header.l1_entries} entries; {MAX_L1_BYTES // 8} are allowed"
        raise MalformedImage(BAD_TABLE, 36, message)


class Maps:
    """The tables of one image while they pass."""

    def __init__(self, header: Header, extensions: Extensions, stream: Stream) -> None:
        self._header = header
        self._extensions = extensions
        self._stream = stream
        self._cluster_size = header.cluster_size
        # The file may end with the disk, or with the last subcluster that is in use: see `_visit_extended_l2`.
        last_cluster = 0 if header.extended_l2 else (header.size % self._cluster_size or self._cluster_size)
        self._layout = Layout(stream, self._cluster_size, LAYOUT, last_cluster=last_cluster)
        self._walk = Walk(self._layout)
        self._l2 = L2Entries(header)
        self._packed_bytes = 0

    def check(self) -> Inspection:
        header = self._header
        self._check_sizes()
        if header.snapshots:
            self._layout.share_data()
        self._layout.take_range(0, 0, header.length, "the header")
        refcounts = header.refcount_table_clusters * self._cluster_size
        self._layout.take_range(48, header.refcount_table_offset, refcounts, "the refcount table")
        self._walk.add(header.refcount_table_offset, self._visit_refcount_table)
        if header.l1_entries:
            self._take_l1(40, header.l1_offset, header.l1_entries, "the L1 table")
        if header.snapshots:
            # At least that long; the rest is taken when it is known.
            length = header.snapshots * SNAPSHOT.size
            self._layout.take_range(64, header.snapshots_offset, length, "the snapshot table")
            self._walk.add(header.snapshots_offset, self._visit_snapshots)
        if self._extensions.encryption is not None and header.encryption == LUKS:
            place = self._extensions.encryption
            self._layout.take_range(place.field, place.offset, place.length, "the LUKS header")
        if self._extensions.bitmaps is not None:
            self._take_bitmap_directory(self._extensions.bitmaps)
        yield from self._walk.run(self._visit_extended_l2 if header.extended_l2 else self._visit_l2)
        yield from self._layout.finish()
        self._check_packed()

    def _check_sizes(self) -> None:
        header = self._header
        check_l1_size(header, self._l2)
        limit = MAX_REFCOUNT_TABLE_BYTES // self._cluster_size
        if not 1 <= header.refcount_table_clusters <= limit:
            message = f"the refcount table has {header.refcount_table_clusters} clusters; 1 to {limit} are valid"
            raise MalformedImage(BAD_TABLE, 56, message)
        if header.snapshots > MAX_SNAPSHOTS:
            message = f"there are {header.snapshots} snapshots; {MAX_SNAPSHOTS} are allowed"
            raise MalformedImage(BAD_TABLE, 60, message)

    def _take_l1(self, at: int, offset: int, entries: int, name: str) -> None:
        self._layout.take_range(at, offset, entries * 8, name)
        self._walk.add(offset, partial(self._visit_l1, offset, entries * 8, name))

    def _visit_l1(self, offset: int, length: int, name: str) -> Inspection:
        for start, size in self._walk.pieces(offset, length):
            piece = yield from self._walk.read(start, size, name)
            if piece == ZEROS[:size]:
                continue
            for at, entry in zip(range(start, start + size, 8), big_endian_64(piece), strict=True):
                if table := table_offset(at, entry):
                    self._layout.take_table(at, table, "an L2 table", unread=True)

    def _visit_refcount_table(self) -> Inspection:
        offset = self._header.refcount_table_offset
        length = self._header.refcount_table_clusters * self._cluster_size
        for start, size in self._walk.pieces(offset, length):
            piece = yield from self._walk.read(start, size, "the refcount table")
            if piece == ZEROS[:size]:
                continue
            for at, entry in zip(range(start, start + size, 8), big_endian_64(piece), strict=True):
                if not entry:
                    continue
                if entry & REFCOUNT_RESERVED:
                    raise reserved_bits(at, "refcount table", entry, REFCOUNT_RESERVED)
                self._layout.take_table(at, entry, "a refcount block", unread=False)

    def _visit_l2(self, table: int) -> Inspection:
        for start, size in self._walk.pieces(table, self._cluster_size):
            piece = yield from self._walk.read(start, size, "an L2 table")
            if piece == ZEROS[:size] or self._header.incompatible & HAS_DATA_FILE:
                continue
            entries = big_endian_64(piece)
            if not self._l2.are_plain(piece):
                offsets = [self._data_offset(start + 8 * index, entry) for index, entry in enumerate(entries)]
            else:
                if COPIED in entries:
                    raise maps_header(start + 8 * entries.index(COPIED))
                offsets = [entry & OFFSET for entry in entries]
            self._layout.take_data(start, offsets)

    def _visit_extended_l2(self, table: int) -> Inspection:
        subcluster = self._cluster_size // 32
        last_subcluster = self._header.size % subcluster or subcluster
        for start, size in self._walk.pieces(table, self._cluster_size):
            piece = yield from self._walk.read(start, size, "an L2 table")
            if piece == ZEROS[:size] or self._header.incompatible & HAS_DATA_FILE:
                continue
            entries = big_endian_64(piece)
            offsets = []
            for at, entry, bitmap in zip(range(start, start + size, 16), entries[::2], entries[1::2], strict=True):
                offset = self._data_offset(at, entry) if entry else 0
                offsets.append(offset)
                if allocated := self._l2.allocated_subclusters(at, entry, bitmap):
                    end = offset + subcluster * (allocated.bit_length() - 1) + last_subcluster
                    self._layout.require(at, end, f"guest data at byte {offset}")
            self._layout.take_data(start, offsets, 16)

    def _data_offset(self, at: int, entry: int) -> int:
        """Return where the guest data of a non-compressed L2 entry is, zero if the entry maps none."""
        if entry & COMPRESSED:
            self._take_compressed(at, entry)
            return 0
        return self._l2.data_offset(at, entry)

    def _take_compressed(self, at: int, entry: int) -> None:
        offset, end = self._l2.packed_at(at, entry)
        # Nothing pads the last sector of the file.
        self._layout.require(at, max(offset, end - SECTOR) + 1, f"compressed guest data at byte {offset}")
        self._layout.take_compressed(at, offset, end)
        at_least = max(1, end - SECTOR - offset + 1)
        self._packed_bytes += max(at_least, self._cluster_size // SMALLEST_PACKED[self._header.compression])

    def _check_packed(self) -> None:
        size = self._stream.size
        # The disk and each snapshot, of which we do not know which table is whose, may refer to any byte once.
        if size is not None and self._packed_bytes > size * (1 + self._header.snapshots):
            message = f"the compressed clusters need {self._packed_bytes} bytes or more; the file has {size}"
            raise MalformedImage(BOMB, None, message)

    def _visit_snapshots(self) -> Inspection:
        offset = self._header.snapshots_offset
        at = offset
        for _ in range(self._header.snapshots):
            entry = yield from self._walk.read(at, SNAPSHOT.size, "the snapshot table")
            l1_offset, l1_entries, id_length, name_length, _, _, _, _, extra_length = SNAPSHOT.unpack(entry)
            if l1_entries * 8 > MAX_L1_BYTES or extra_length > MAX_EXTRA_DATA:
                message = (
                    f"a snapshot has {l1_entries} L1 entries and {extra_length} bytes of extra data; "
                    f"{MAX_L1_BYTES // 8} and {MAX_EXTRA_DATA} are allowed"
                )
                raise MalformedImage(BAD_TABLE, at + 8, message)
            if l1_entries:
                self._take_l1(at, l1_offset, l1_entries, "a snapshot's L1 table")
            if extra_length >= SNAPSHOT_EXTRA.size:
                extra = yield from self._walk.read(at + SNAPSHOT.size, SNAPSHOT_EXTRA.size, "the snapshot table")
                self._check_snapshot_size(at + SNAPSHOT.size + 8, SNAPSHOT_EXTRA.unpack(extra)[1])
            end = at + SNAPSHOT.size + extra_length + id_length + name_length
            at = -(-end // 8) * 8
        first = -(-(offset + self._header.snapshots * SNAPSHOT.size) // self._cluster_size)
        self._layout.require(64, end, "the snapshot table")
        self._layout.take_clusters(64, first, -(-end // self._cluster_size) - first, "the snapshot table")

    def _check_snapshot_size(self, at: int, size: int) -> None:
        # Who goes back to a snapshot gets its disk; only the image's own was compared with the limits.
        if size > self._header.size:
            message = f"a snapshot has a disk of {size} bytes, and the image one of {self._header.size}"
            raise MalformedImage(BAD_TABLE, at, message)

    def _take_bitmap_directory(self, place: Place) -> None:
        if not 1 <= place.count <= MAX_BITMAPS or not place.count * BITMAP.size <= place.length <= MAX_BITMAP_DIRECTORY:
            message = f"{place.count} bitmaps are described in {place.length} bytes; {MAX_BITMAPS} bitmaps are allowed"
            raise MalformedImage(BAD_BITMAP, place.field, message)
        self._layout.take_range(place.field + 16, place.offset, place.length, "the bitmap directory")
        self._walk.add(place.offset, partial(self._visit_bitmap_directory, place))

    def _visit_bitmap_directory(self, place: Place) -> Inspection:
        at, end = place.offset, place.offset + place.length
        for _ in range(place.count):
            if at + BITMAP.size > end:
                message = f"the directory of {place.count} bitmaps has {place.length} bytes; they take more"
                raise MalformedImage(BAD_BITMAP, at, message)
            entry = yield from self._walk.read(at, BITMAP.size, "the bitmap directory")
            offset, entries, flags, kind, granularity, name_length, extra_length = BITMAP.unpack(entry)
            if flags >> 3 or kind != 1 or granularity > 63 or not name_length or entries * 8 > MAX_BITMAP_TABLE_BYTES:
                message = (
                    f"a bitmap has flags {flags:#x}, type {kind}, granularity bits {granularity}, a name of "
                    f"{name_length} bytes and {entries} table entries; one of them is not valid"
                )
                raise MalformedImage(BAD_BITMAP, at, message)
            if entries:
                self._layout.take_range(at, offset, entries * 8, "a bitmap's table")
                self._walk.add(offset, partial(self._visit_bitmap_table, offset, entries * 8))
            at += -(-(BITMAP.size + extra_length + name_length) // 8) * 8

    def _visit_bitmap_table(self, offset: int, length: int) -> Inspection:
        for start, size in self._walk.pieces(offset, length):
            piece = yield from self._walk.read(start, size, "a bitmap's table")
            offsets = []
            for at, entry in zip(range(start, start + size, 8), big_endian_64(piece), strict=True):
                if entry & BITMAP_RESERVED or (entry & OFFSET and entry & 1):
                    raise reserved_bits(at, "bitmap table", entry, BITMAP_RESERVED | 1)
                if entry & (self._cluster_size - SECTOR):
                    message = f"bitmap data starts at byte {entry & OFFSET}; the clusters have {self._cluster_size}"
                    raise MalformedImage(LAYOUT.misaligned, at, message)
                offsets.append(entry & OFFSET)
            self._layout.take_data(start, offsets)
