"""qcow, version 1 (QEMU): refuse backing files, encryption, tables and data that overlap.

The format before QCOW2.

Source: libyal/libqcow, "QEMU Copy-On-Write file format", sections on format version 1; there is no specification by
QEMU itself. All integers are big-endian.
"""

import struct
from typing import NamedTuple

from stillage.formats.base import (
    SECTOR,
    Facts,
    Hazard,
    Inspection,
    MalformedImage,
    NotThisFormat,
    Region,
    Rule,
    Steps,
    Stream,
)
from stillage.formats.tables.clusters import Layout, LayoutRules
from stillage.formats.tables.entries import big_endian_64
from stillage.formats.tables.walk import ZEROS, Walk

FORMAT = "qcow"

CONVERT = "qemu-img convert -f qcow -O qcow2 IN OUT"
TRUNCATED = Rule("qcow.truncated", "The file ends before its own header does.")
BAD_HEADER = Rule("qcow.bad-header", "A header field has a value that the format does not allow.")
BACKING_FILE = Rule(
    "qcow.backing-file", "The image names a backing file: a host that opens it would read that file.", CONVERT
)
ENCRYPTED = Rule(
    "qcow.encrypted",
    "The guest's data is encrypted: no machine starts from it without the key.",
    "qemu-img convert --object secret,id=key,file=KEYFILE "
    "--image-opts driver=qcow,encrypt.key-secret=key,file.filename=IN -O qcow2 OUT",
)
BAD_TABLE = Rule("qcow.bad-table", "A table has a size or an entry that nothing can read.")
BOMB = Rule(
    "qcow.shared-compressed",
    "Compressed clusters share their bytes, so that a small file would unpack to a large disk.",
    CONVERT,
)
LAYOUT = LayoutRules.of("qcow", CONVERT)
RULES = (TRUNCATED, BAD_HEADER, BACKING_FILE, ENCRYPTED, BAD_TABLE, BOMB, *LAYOUT.all)

MAGIC = b"QFI\xfb\0\0\0\1"
HEADER = struct.Struct(">8sQIIQBBHIQ")
COMPRESSED = 1 << 63
MAX_L1_BYTES = 2 << 30  # what QEMU reads; a sparse disk of 64 TiB has 256 MiB
AES = 1


class Header(NamedTuple):
    magic: bytes
    backing_offset: int
    backing_size: int
    modified: int
    size: int
    cluster_bits: int
    l2_bits: int
    padding: int
    encryption: int
    l1_offset: int

    @property
    def cluster_size(self) -> int:
        return 1 << self.cluster_bits

    @property
    def virtual_size(self) -> int:
        """Bytes that QEMU gives a guest: it drops a part of a sector at the end."""
        return self.size // SECTOR * SECTOR


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
        raise MalformedImage(TRUNCATED, len(head), f"the file has {len(head)} bytes; a qcow header has {HEADER.size}")
    header = Header(*HEADER.unpack(head))
    details = {"cluster_size": str(header.cluster_size)} if header.cluster_bits < 64 else {}
    yield Facts(FORMAT, header.virtual_size, details=details)
    yield from _hazards(header)
    _check_header(header)
    return header


def check_l1(header: Header) -> int:
    """Return the bytes of the L1 table, which can be read where it is."""
    l1_bytes = -(-header.size >> header.cluster_bits + header.l2_bits) * 8
    if l1_bytes > MAX_L1_BYTES:
        message = f"a disk of {header.size} bytes needs an L1 table of {l1_bytes}; {MAX_L1_BYTES} are allowed"
        raise MalformedImage(BAD_TABLE, 24, message)
    if header.l1_offset < HEADER.size:
        message = f"the L1 table is placed at byte {header.l1_offset}, where the header is already"
        raise MalformedImage(LAYOUT.overlap, 40, message)
    return l1_bytes


def data_offset(header: Header, at: int, entry: int) -> int:
    """Return where the cluster is that the L2 entry at byte *at*, not a compressed one, names; zero if none."""
    if entry % header.cluster_size:
        message = f"guest data starts at byte {entry}; the clusters have {header.cluster_size}"
        raise MalformedImage(LAYOUT.misaligned, at, message)
    return entry


def packed_at(header: Header, at: int, entry: int) -> tuple[int, int]:
    """Return where the compressed data is that the L2 entry at byte *at* names, and its length."""
    shift = 63 - header.cluster_bits
    offset = entry & ((1 << shift) - 1)
    length = entry >> shift & (header.cluster_size - 1)
    if not length:
        raise MalformedImage(BAD_TABLE, at, f"a compressed cluster at byte {offset} has 0 bytes; 1 is the least")
    return offset, length


def _hazards(header: Header) -> Inspection:
    if header.backing_offset:
        name = f"{header.backing_size} bytes at byte {header.backing_offset}"
        yield Hazard(BACKING_FILE, 8, f"qcow names a backing file ({name}); a self-contained image is needed")
    if header.encryption:
        method = "AES" if header.encryption == AES else "unknown"
        yield Hazard(ENCRYPTED, 36, f"the encryption method is {header.encryption} ({method}); 0 is none")


def _check_header(header: Header) -> None:
    if not 9 <= header.cluster_bits <= 16:
        raise MalformedImage(BAD_HEADER, 32, f"cluster_bits is {header.cluster_bits}; 9 to 16 are valid")
    if not 6 <= header.l2_bits <= 13:
        raise MalformedImage(BAD_HEADER, 33, f"l2_bits is {header.l2_bits}; 6 to 13 are valid")
    if header.size < 2:
        raise MalformedImage(BAD_HEADER, 24, f"the disk has {header.size} bytes; 2 or more are valid")


class _Maps:
    """The tables of one image while they pass."""

    def __init__(self, header: Header, stream: Stream) -> None:
        self._header = header
        self._stream = stream
        self._cluster_size = header.cluster_size
        self._l2_bytes = 8 << header.l2_bits
        self._layout = Layout(
            stream,
            self._cluster_size,
            LAYOUT,
            table_clusters=-(-self._l2_bytes // self._cluster_size),
            last_cluster=header.size % self._cluster_size or self._cluster_size,
        )
        self._walk = Walk(self._layout)
        self._packed_bytes = 0

    def check(self) -> Inspection:
        header, layout = self._header, self._layout
        l1_bytes = check_l1(header)
        layout.take_range(0, 0, HEADER.size, "the header")
        # The L1 table follows the header in the same cluster: it alone need not be aligned.
        l1_end = header.l1_offset + l1_bytes
        layout.require(40, l1_end, "the L1 table")
        first = max(1, header.l1_offset // self._cluster_size)
        layout.take_clusters(40, first, -(-l1_end // self._cluster_size) - first, "the L1 table")
        yield from self._visit_l1(l1_bytes)
        yield from self._walk.run(self._visit_l2)
        yield from layout.finish()
        size = self._stream.size
        if size is not None and self._packed_bytes > size:
            message = f"the compressed clusters take {self._packed_bytes} bytes; the file has {size}"
            raise MalformedImage(BOMB, None, message)

    def _visit_l1(self, length: int) -> Inspection:
        for start, size in self._walk.pieces(self._header.l1_offset, length):
            piece = yield from self._walk.read(start, size, "the L1 table")
            if piece == ZEROS[:size]:
                continue
            for at, entry in zip(range(start, start + size, 8), big_endian_64(piece), strict=True):
                if entry:
                    self._layout.take_table(at, entry, "an L2 table", unread=True)

    def _visit_l2(self, table: int) -> Inspection:
        for start, size in self._walk.pieces(table, self._l2_bytes):
            piece = yield from self._walk.read(start, size, "an L2 table")
            if piece == ZEROS[:size]:
                continue
            offsets = []
            for at, entry in zip(range(start, start + size, 8), big_endian_64(piece), strict=True):
                if entry & COMPRESSED:
                    self._take_compressed(at, entry)
                    offsets.append(0)
                    continue
                offsets.append(data_offset(self._header, at, entry))
            self._layout.take_data(start, offsets)

    def _take_compressed(self, at: int, entry: int) -> None:
        offset, length = packed_at(self._header, at, entry)
        self._layout.require(at, offset + length, f"compressed guest data at byte {offset}")
        self._layout.take_compressed(at, offset, offset + length)
        self._packed_bytes += length
