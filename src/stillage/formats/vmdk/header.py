"""The header of a VMware sparse extent: version, flags, sizes, and where descriptor and grain directories lie.

Source: VMware, "Virtual Disk Format 5.0", "Hosted Sparse Extents". All integers are little-endian; places and lengths
are sectors of 512 bytes.
"""

import struct
from typing import NamedTuple

from stillage.formats.base import SECTOR, Hazard, Inspection, MalformedImage, Rule, Stream
from stillage.formats.tables.bounds import require_within
from stillage.formats.vmdk.descriptor import MAX_BYTES
from stillage.formats.vmdk.tables import GRAINS, MAX_TABLES, REWRITE, TRUNCATED, Layout

VERSION = Rule("vmdk.version", "The header's version is not 1, 2 or 3.")
UNKNOWN_FEATURES = Rule("vmdk.unknown-features", "Header flags are set that no published version defines.", REWRITE)
LINE_ENDS = Rule("vmdk.line-ends", "The line-end marks are changed: a transfer in text mode has damaged the file.")
GRAIN_SIZE = Rule("vmdk.grain-size", "The grain size is not a power of two from 8 to 131072 sectors.")
TABLE_SIZE = Rule("vmdk.table-size", "Grain tables do not have 512 entries, or there would be absurdly many of them.")
PLACES = Rule(
    "vmdk.places",
    "The descriptor is not in the second sector, or the grain directory overlaps the header, the data or it.",
    REWRITE,
)
NO_DESCRIPTOR = Rule("vmdk.no-descriptor", "A sparse extent without a descriptor is only part of a disk.")
COMPRESSION = Rule("vmdk.compression", "The extent is compressed in a way other than stream-optimized.")
DIRTY = Rule("vmdk.dirty", "The disk was not closed: its tables may be older than its data.", REWRITE)
RULES = (VERSION, UNKNOWN_FEATURES, LINE_ENDS, GRAIN_SIZE, TABLE_SIZE, PLACES, NO_DESCRIPTOR, COMPRESSION, DIRTY)

MAGIC = b"KDMV"
VERSIONS = (1, 2, 3)
LINE_END_FLAG, REDUNDANT_FLAG, ZEROED_FLAG = 1 << 0, 1 << 1, 1 << 2
COMPRESSED_FLAG, MARKERS_FLAG = 1 << 16, 1 << 17
KNOWN_FLAGS = LINE_END_FLAG | REDUNDANT_FLAG | ZEROED_FLAG | COMPRESSED_FLAG | MARKERS_FLAG
LINE_ENDS_BYTES = b"\n \r\n"
DEFLATE = 1
AT_END = (1 << 64) - 1  # the directory's place: see the footer

_HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")


class Header(NamedTuple):
    version: int
    flags: int
    capacity: int
    grain: int
    descriptor_at: int
    descriptor_size: int
    table_entries: int
    redundant_at: int
    directory_at: int
    overhead: int
    unclean: int
    line_ends: bytes
    compression: int

    @property
    def is_compressed(self) -> bool:
        return bool(self.flags & COMPRESSED_FLAG)


def parse(head: bytes) -> Header:
    return Header(*_HEADER.unpack_from(head)[1:])


def pack(header: Header) -> bytes:
    """The sector of *header*."""
    return _HEADER.pack(MAGIC, *header).ljust(SECTOR, b"\0")


def check_header(header: Header) -> Inspection:
    if header.version not in VERSIONS:
        raise MalformedImage(VERSION, 4, f"the header has version {header.version}; 1, 2 and 3 are known")
    if unknown := header.flags & ~KNOWN_FLAGS:
        yield Hazard(UNKNOWN_FEATURES, 8, f"header flags {unknown:#x} are set; no published version defines them")
    if header.flags & LINE_END_FLAG and header.line_ends != LINE_ENDS_BYTES:
        yield Hazard(LINE_ENDS, 73, f"the line-end marks are {header.line_ends!r}, not {LINE_ENDS_BYTES!r}")
    # A stream that is complete needs no closing, and not every writer of one clears the mark.
    if header.unclean and not header.is_compressed:
        yield Hazard(DIRTY, 72, "the header says that the disk is in use or was not closed")
    _check_compression(header)
    if header.grain & (header.grain - 1) or not 8 <= header.grain <= 128 << 10:
        message = f"grains have {header.grain} sectors; powers of two from 8 to 131072 are accepted"
        raise MalformedImage(GRAIN_SIZE, 20, message)
    if header.table_entries != GRAINS:
        raise MalformedImage(TABLE_SIZE, 44, f"grain tables have {header.table_entries} entries; only 512 is known")
    if header.descriptor_at == 0:
        raise MalformedImage(NO_DESCRIPTOR, 28, "the extent has no descriptor: it is only part of a disk")


def _check_compression(header: Header) -> None:
    expected = DEFLATE if header.is_compressed else 0
    if header.is_compressed != bool(header.flags & MARKERS_FLAG) or header.compression != expected:
        message = f"flags {header.flags:#x} with compression method {header.compression}: deflate with markers is known"
        raise MalformedImage(COMPRESSION, 77, message)


def place(stream: Stream, header: Header) -> Layout:
    """Return where the header says that things are. It is checked, before anything there is read."""
    redundant = header.redundant_at if header.flags & REDUNDANT_FLAG and header.redundant_at else None
    layout = Layout(
        header.capacity,
        header.grain,
        header.overhead,
        range(header.descriptor_at, header.descriptor_at + header.descriptor_size),
        header.directory_at,
        redundant,
        bool(header.flags & ZEROED_FLAG),
    )
    if layout.tables > MAX_TABLES:
        message = (
            f"{header.capacity} sectors in grains of {header.grain} need {layout.tables} tables; {MAX_TABLES} may be"
        )
        raise MalformedImage(TABLE_SIZE, 20, message)
    if header.directory_at == AT_END and not header.is_compressed:
        message = "the directory is said to be at the end, where only a compressed extent has it"
        raise MalformedImage(PLACES, 56, message)
    _check_descriptor_place(header)
    require_within(stream, TRUNCATED, header.overhead * SECTOR, 64, "the part with the tables")
    _check_order(layout)
    return layout


def _check_descriptor_place(header: Header) -> None:
    if not 0 < header.descriptor_size * SECTOR <= MAX_BYTES:
        message = f"the descriptor has {header.descriptor_size} sectors; 1 to 128 are accepted"
        raise MalformedImage(PLACES, 36, message)
    if header.descriptor_at != 1:
        message = f"the descriptor is at sector {header.descriptor_at}; some readers look for it at sector 1 only"
        raise MalformedImage(PLACES, 28, message)


def _check_order(layout: Layout) -> None:
    """Demand that header, descriptor and directories lie beside one another, before the grains."""
    parts = [(0, range(1)), (28, layout.descriptor)]
    directories = [(48, layout.redundant_at), (56, None if layout.directory_at == AT_END else layout.directory_at)]
    parts += [(field, range(at, at + layout.directory_sectors)) for field, at in directories if at is not None]
    parts.sort(key=lambda part: part[1].start)
    end = 0
    for field, part in parts:
        if part.start < end or part.stop > layout.overhead:
            message = (
                f"sectors {part.start} to {part.stop - 1} lie over something else, "
                f"or in the data from {layout.overhead} on"
            )
            raise MalformedImage(PLACES, field, message)
        end = part.stop
