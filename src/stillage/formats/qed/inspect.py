"""QED (QEMU enhanced disks): refuse backing files, dirty marks, unknown features, overlaps.

Source: QEMU docs/interop/qed_spec, "Header", "Tables", "Consistency checking". All integers are little-endian.
"""

import struct
from typing import NamedTuple

from stillage.formats.base import Facts, Hazard, Inspection, MalformedImage, NotThisFormat, Region, Rule, Steps, Stream
from stillage.formats.tables.clusters import Layout, LayoutRules
from stillage.formats.tables.entries import little_endian_64
from stillage.formats.tables.walk import ZEROS, Walk

FORMAT = "qed"

CONVERT = "qemu-img convert -f qed -O qcow2 IN OUT"
TRUNCATED = Rule("qed.truncated", "The file ends before its own header does.")
BAD_HEADER = Rule("qed.bad-header", "A header field has a value that the format does not allow.")
BACKING_FILE = Rule(
    "qed.backing-file", "The image names a backing file: a host that opens it would read that file.", CONVERT
)
DIRTY = Rule("qed.dirty", "The image is marked as not closed cleanly: it needs a check.", "qemu-img check -r all IN")
UNKNOWN_FEATURES = Rule(
    "qed.unknown-features", "The image uses features that the published format does not define: they may be anything."
)
LAYOUT = LayoutRules.of("qed", CONVERT)
RULES = (TRUNCATED, BAD_HEADER, BACKING_FILE, DIRTY, UNKNOWN_FEATURES, *LAYOUT.all)

MAGIC = b"QED\0"
HEADER = struct.Struct("<4sIIIQQQQQII")
HAS_BACKING_FILE, NEEDS_CHECK = 1 << 0, 1 << 1
KNOWN_FEATURES = 0b111
MAX_HEADER_CLUSTERS = 1024  # QEMU writes 1
ZERO_CLUSTER = 1


class Header(NamedTuple):
    magic: bytes
    cluster_size: int
    table_size: int
    header_size: int
    features: int
    compatible: int
    autoclear: int
    l1_offset: int
    size: int
    backing_offset: int
    backing_size: int


def inspect(stream: Stream) -> Inspection:
    header = yield from read_header()
    yield from _Maps(header, stream).check()


def read_header() -> Steps[Header]:
    """Return the header, whose fields have values that the format allows."""
    head = yield Region(0, HEADER.size)
    if not head.startswith(MAGIC):
        raise NotThisFormat
    yield Facts(FORMAT)
    if len(head) < HEADER.size:
        raise MalformedImage(TRUNCATED, len(head), f"the file has {len(head)} bytes; a qed header has {HEADER.size}")
    header = Header(*HEADER.unpack(head))
    yield Facts(FORMAT, header.size, details={"cluster_size": str(header.cluster_size)})
    yield from _hazards(header)
    _check_header(header)
    return header


def data_offset(header: Header, at: int, entry: int) -> int:
    """Return where the cluster is that the L2 entry at byte *at* names, zero if it is zeros or not there."""
    if entry == ZERO_CLUSTER:
        return 0
    if entry % header.cluster_size:
        message = f"guest data starts at byte {entry}; the clusters have {header.cluster_size}"
        raise MalformedImage(LAYOUT.misaligned, at, message)
    return entry


def _hazards(header: Header) -> Inspection:
    if header.features & HAS_BACKING_FILE:
        name = f"{header.backing_size} bytes at byte {header.backing_offset}"
        yield Hazard(BACKING_FILE, 16, f"qed names a backing file ({name}); a self-contained image is needed")
    if header.features & NEEDS_CHECK:
        yield Hazard(DIRTY, 16, "feature bit 1 is set: the image was not closed cleanly")


def _check_header(header: Header) -> None:
    if header.features & ~KNOWN_FEATURES:
        message = f"the features are {header.features:#x}; bits 0 to 2 are defined"
        raise MalformedImage(UNKNOWN_FEATURES, 16, message)
    if not 1 << 12 <= header.cluster_size <= 1 << 26 or header.cluster_size.bit_count() != 1:
        message = f"the cluster size is {header.cluster_size}; powers of 2 from 4096 to 67108864 are valid"
        raise MalformedImage(BAD_HEADER, 4, message)
    if not 1 <= header.table_size <= 16 or header.table_size.bit_count() != 1:
        message = f"the tables have {header.table_size} clusters; 1, 2, 4, 8 and 16 are valid"
        raise MalformedImage(BAD_HEADER, 8, message)
    if not 1 <= header.header_size <= MAX_HEADER_CLUSTERS:
        message = f"the header has {header.header_size} clusters; 1 to {MAX_HEADER_CLUSTERS} are valid"
        raise MalformedImage(BAD_HEADER, 12, message)
    entries = header.table_size * header.cluster_size // 8
    largest = entries * entries * header.cluster_size
    if header.size % 512 or header.size > largest:
        message = f"the disk has {header.size} bytes; multiples of 512 up to {largest} are valid"
        raise MalformedImage(BAD_HEADER, 48, message)


class _Maps:
    """The tables of one image while they pass."""

    def __init__(self, header: Header, stream: Stream) -> None:
        self._header = header
        self._table_bytes = header.table_size * header.cluster_size
        self._layout = Layout(
            stream,
            header.cluster_size,
            LAYOUT,
            table_clusters=header.table_size,
            last_cluster=header.size % header.cluster_size or header.cluster_size,
        )
        self._walk = Walk(self._layout)

    def check(self) -> Inspection:
        header = self._header
        self._layout.take_range(12, 0, header.header_size * header.cluster_size, "the header")
        self._layout.take_range(40, header.l1_offset, self._table_bytes, "the L1 table")
        yield from self._visit_l1()
        yield from self._walk.run(self._visit_l2)
        yield from self._layout.finish()

    def _visit_l1(self) -> Inspection:
        for start, size in self._walk.pieces(self._header.l1_offset, self._table_bytes):
            piece = yield from self._walk.read(start, size, "the L1 table")
            if piece == ZEROS[:size]:
                continue
            for at, entry in zip(range(start, start + size, 8), little_endian_64(piece), strict=True):
                if entry:
                    self._layout.take_table(at, entry, "an L2 table", unread=True)

    def _visit_l2(self, table: int) -> Inspection:
        for start, size in self._walk.pieces(table, self._table_bytes):
            piece = yield from self._walk.read(start, size, "an L2 table")
            if piece == ZEROS[:size]:
                continue
            entries = zip(range(start, start + size, 8), little_endian_64(piece), strict=True)
            offsets = [data_offset(self._header, at, entry) for at, entry in entries]
            self._layout.take_data(start, offsets)
