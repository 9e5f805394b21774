"""VMware disks: monolithic sparse and stream-optimized; what has its data in other files is recognised and refused.

Source: VMware, "Virtual Disk Format 5.0" (and 1.1), "Hosted Sparse Extents", "ESX Server Sparse Extents". All integers
are little-endian; places and lengths are sectors of 512 bytes. The descriptor is in `formats.vmdk.descriptor`, the
grain tables in `formats.vmdk.tables`, the compressed stream in `formats.vmdk.stream_optimized`.
"""

import struct
from array import array
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
    Tail,
)
from stillage.formats.replay import replay
from stillage.formats.vmdk import descriptor as vmdk_descriptor
from stillage.formats.vmdk import stream_optimized
from stillage.formats.vmdk import tables as vmdk_tables
from stillage.formats.vmdk.descriptor import DESCRIPTOR, EXTERNAL_EXTENT
from stillage.formats.vmdk.stream_optimized import TRAILING_DATA
from stillage.formats.vmdk.tables import MAX_TABLES, TRUNCATED, Layout

FORMAT = "vmdk"
REWRITE = vmdk_tables.REWRITE

VERSION = Rule("vmdk.version", "The header's version is not 1, 2 or 3.")
UNKNOWN_FEATURES = Rule("vmdk.unknown-features", "Header flags are set that no published version defines.", REWRITE)
LINE_ENDS = Rule("vmdk.line-ends", "The line-end marks are changed: a transfer in text mode has damaged the file.")
CAPACITY = Rule("vmdk.capacity", "The header's capacity is zero or beyond what any disk can have.")
GRAIN_SIZE = Rule("vmdk.grain-size", "The grain size is not a power of two from 8 to 131072 sectors.")
TABLE_SIZE = Rule("vmdk.table-size", "Grain tables do not have 512 entries, or there would be absurdly many of them.")
PLACES = Rule(
    "vmdk.places",
    "The descriptor is not in the second sector, or the grain directory lies over the header, the data or it.",
    REWRITE,
)
GAP = Rule(
    "vmdk.gap",
    "Bytes that belong to nothing lie between the descriptor and the tables: some readers take them for a descriptor.",
    REWRITE,
)
NO_DESCRIPTOR = Rule("vmdk.no-descriptor", "A sparse extent without a descriptor is one piece of a disk of several.")
COMPRESSION = Rule("vmdk.compression", "The extent is compressed in a way that is not the stream-optimized one.")
DIRTY = Rule("vmdk.dirty", "The disk was not closed: its tables may be older than its data.", REWRITE)
DELTA = Rule("vmdk.delta", "A COWD or SE sparse extent is the delta of a disk that an ESX host keeps elsewhere.")
RULES = (
    VERSION,
    UNKNOWN_FEATURES,
    LINE_ENDS,
    CAPACITY,
    GRAIN_SIZE,
    TABLE_SIZE,
    PLACES,
    GAP,
    NO_DESCRIPTOR,
    COMPRESSION,
    DIRTY,
    DELTA,
    *vmdk_descriptor.RULES,
    *vmdk_tables.RULES,
    *stream_optimized.RULES,
)

MAGIC = b"KDMV"
COWD_MAGIC = b"COWD"
SE_SPARSE_MAGIC = (0xCAFEBABE).to_bytes(8, "little") + (0x2_0000_0001).to_bytes(8, "little")
VERSIONS = (1, 2, 3)
LINE_END_FLAG, REDUNDANT_FLAG, ZEROED_FLAG = 1 << 0, 1 << 1, 1 << 2
COMPRESSED_FLAG, MARKERS_FLAG = 1 << 16, 1 << 17
KNOWN_FLAGS = LINE_END_FLAG | REDUNDANT_FLAG | ZEROED_FLAG | COMPRESSED_FLAG | MARKERS_FLAG
LINE_ENDS_BYTES = b"\n \r\n"
DEFLATE = 1
AT_END = (1 << 64) - 1  # the directory's place: see the footer
MAX_CAPACITY = 1 << 54  # sectors; 2**63 bytes
TEXT_PIECE = GAP_PIECE = 32 << 10
SLACK = 1 << 20  # bytes that a writer may have grown the file ahead of its last grain

_HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")


class _Header(NamedTuple):
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


def inspect(stream: Stream) -> Inspection:
    head = yield Region(0, SECTOR)
    if head.startswith(MAGIC):
        yield from _inspect_sparse(stream, head)
    elif head.startswith((COWD_MAGIC, SE_SPARSE_MAGIC)):
        yield from _inspect_delta(head)
    else:
        text = yield from _read_text(head)
        if not vmdk_descriptor.is_descriptor(text):
            raise NotThisFormat
        yield from _inspect_text(text[: vmdk_descriptor.MAX_BYTES])


def _inspect_delta(head: bytes) -> Inspection:
    is_cowd = head.startswith(COWD_MAGIC)
    capacity = head[12:16] if is_cowd else head[16:24]
    kind = "vmfsSparse" if is_cowd else "seSparse"
    sectors = int.from_bytes(capacity, "little")
    yield Facts(FORMAT, sectors * SECTOR if sectors <= MAX_CAPACITY else None, kind)
    raise MalformedImage(DELTA, 0, f"a {kind} extent is only a part of its disk; export the disk as streamOptimized")


def _read_text(head: bytes) -> Steps[bytes]:
    """The file from *head* on, as far as a reader would take it for text."""
    text, wanted = bytearray(head), SECTOR
    while len(text) == wanted < vmdk_descriptor.MAX_TEXT and b"\0" not in text[-TEXT_PIECE:]:
        piece = min(TEXT_PIECE - wanted % TEXT_PIECE, vmdk_descriptor.MAX_TEXT - wanted)
        text += yield Region(wanted, piece)
        wanted += piece
    return bytes(text)


def _inspect_text(text: bytes) -> Inspection:
    found = vmdk_descriptor.parse(text, 0)
    yield Facts(FORMAT, found.size if found.size <= MAX_CAPACITY * SECTOR else None, found.create_type[:40])
    if parent := vmdk_descriptor.find_parent(text, 0):
        yield parent
    yield from vmdk_descriptor.check_any(found)
    if not found.extents:
        yield Hazard(DESCRIPTOR, 0, "the file is a descriptor that names no extent")
        raise MalformedImage(EXTERNAL_EXTENT, 0, "the file is a descriptor; a disk's data would be in other files")
    extent = found.extents[0]
    message = f"the file is a descriptor; the disk's data are in other files, {extent.name[:60]!r} first"
    raise MalformedImage(EXTERNAL_EXTENT, extent.at, message)


def _inspect_sparse(stream: Stream, head: bytes) -> Inspection:
    if len(head) < SECTOR:
        yield Facts(FORMAT)
        raise MalformedImage(TRUNCATED, len(head), f"the file has {len(head)} bytes; the header alone has 512")
    header = _Header(*_HEADER.unpack_from(head)[1:])
    is_absurd = not 0 < header.capacity <= MAX_CAPACITY
    subformat = "streamOptimized" if header.is_compressed else "monolithicSparse"
    details = {"grain_size": str(header.grain * SECTOR)}
    yield Facts(FORMAT, None if is_absurd else header.capacity * SECTOR, subformat, details)
    if is_absurd:
        message = f"the header has a capacity of {header.capacity} sectors; 1 to {MAX_CAPACITY} can be"
        raise MalformedImage(CAPACITY, 12, message)
    yield from _check_header(header)
    layout = _place(stream, header)
    front = yield from _read_front(header)
    yield from _check_descriptor(header, layout, front)
    yield from replay(front, SECTOR, _inspect_tables(stream, header, layout, head))


def _inspect_tables(stream: Stream, header: _Header, layout: Layout, head: bytes) -> Inspection:
    yield from _check_gap(layout)
    if header.directory_at == AT_END:
        yield from stream_optimized.Body(stream, layout, head).read_with_tables_behind()
    elif header.is_compressed:
        yield from _read_compressed(stream, layout, head)
    else:
        yield from _read_sparse(stream, layout)


def _check_header(header: _Header) -> Inspection:
    if header.version not in VERSIONS:
        raise MalformedImage(VERSION, 4, f"the header has version {header.version}; 1, 2 and 3 are known")
    if unknown := header.flags & ~KNOWN_FLAGS:
        yield Hazard(UNKNOWN_FEATURES, 8, f"header flags {unknown:#x} are set, and nobody knows what they mean")
    if header.flags & LINE_END_FLAG and header.line_ends != LINE_ENDS_BYTES:
        yield Hazard(LINE_ENDS, 73, f"the line-end marks are {header.line_ends!r}, not {LINE_ENDS_BYTES!r}")
    # A stream that is complete needs no closing, and not every writer of one clears the mark.
    if header.unclean and not header.is_compressed:
        yield Hazard(DIRTY, 72, "the header says that the disk is in use or was not closed")
    expected = DEFLATE if header.is_compressed else 0
    if header.is_compressed != bool(header.flags & MARKERS_FLAG) or header.compression != expected:
        message = f"flags {header.flags:#x} with compression method {header.compression}: deflate with markers is known"
        raise MalformedImage(COMPRESSION, 77, message)
    if header.grain & (header.grain - 1) or not 8 <= header.grain <= 128 << 10:
        message = f"grains have {header.grain} sectors; powers of two from 8 to 131072 are accepted"
        raise MalformedImage(GRAIN_SIZE, 20, message)
    if header.table_entries != vmdk_tables.GRAINS:
        raise MalformedImage(
            TABLE_SIZE, 44, f"grain tables have {header.table_entries} entries; 512 is the only number"
        )
    if header.descriptor_at == 0:
        raise MalformedImage(NO_DESCRIPTOR, 28, "the extent has no descriptor; it is one piece of a disk of several")


def _place(stream: Stream, header: _Header) -> Layout:
    """Check where the header says that things are, before anything there is read."""
    descriptor = range(header.descriptor_at, header.descriptor_at + header.descriptor_size)
    redundant = header.redundant_at if header.flags & REDUNDANT_FLAG and header.redundant_at else None
    layout = Layout(
        header.capacity,
        header.grain,
        header.overhead,
        descriptor,
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
        raise MalformedImage(
            PLACES, 56, "the directory is said to be at the end, where only a compressed extent has it"
        )
    if not 0 < header.descriptor_size * SECTOR <= vmdk_descriptor.MAX_BYTES:
        message = f"the descriptor has {header.descriptor_size} sectors; 1 to 128 are accepted"
        raise MalformedImage(PLACES, 36, message)
    if header.descriptor_at != 1:
        message = f"the descriptor is at sector {header.descriptor_at}; some readers look for it at sector 1 only"
        raise MalformedImage(PLACES, 28, message)
    front = [(0, range(1)), (28, descriptor)]
    places = [(48, redundant), (56, None if header.directory_at == AT_END else header.directory_at)]
    front += [(field, range(at, at + layout.directory_sectors)) for field, at in places if at is not None]
    front.sort(key=lambda part: part[1].start)
    limit = header.overhead
    if stream.size is not None and limit * SECTOR > stream.size:
        message = f"the tables end at byte {limit * SECTOR}; the file has {stream.size}"
        raise MalformedImage(TRUNCATED, 64, message)
    end = 0
    for field, part in front:
        if part.start < end or part.stop > limit:
            message = f"sectors {part.start} to {part.stop - 1} lie over something else, or in the data from {limit} on"
            raise MalformedImage(PLACES, field, message)
        end = part.stop
    return layout


def _read_front(header: _Header) -> Steps[bytes]:
    """The bytes behind the header, before the grains, in which a reader may look for words of the descriptor."""
    ahead = min(header.overhead * SECTOR - SECTOR, vmdk_descriptor.READ_AHEAD)
    return (yield Region(SECTOR, max(header.descriptor_size * SECTOR, ahead)))


def _check_descriptor(header: _Header, layout: Layout, front: bytes) -> Inspection:
    at, length = SECTOR, header.descriptor_size * SECTOR
    text = front[:length]
    if len(text) < length:
        raise MalformedImage(TRUNCATED, 28, f"the descriptor at {at} is cut after {len(text)} bytes")
    if parent := vmdk_descriptor.find_parent(front, at):
        yield parent
    if not text.strip(b"\0"):
        raise MalformedImage(NO_DESCRIPTOR, at, "the descriptor is empty; the extent is one piece of a disk of several")
    found = vmdk_descriptor.parse(text, at)
    yield from vmdk_descriptor.check_embedded(text, found, layout.capacity, layout.grain)


def _check_gap(layout: Layout) -> Inspection:
    """Demand zeros between the descriptor and what comes next."""
    at = layout.descriptor.stop * SECTOR
    directories = [at for at in (layout.directory_at, layout.redundant_at) if at is not None]
    end = min(layout.overhead, *directories) * SECTOR
    while at < end:
        piece = yield Region(at, min(GAP_PIECE, end - at))
        if rest := piece.lstrip(b"\0"):
            place = at + len(piece) - len(rest)
            message = f"at byte {place}, between the descriptor and the tables, are bytes that belong to nothing"
            raise MalformedImage(GAP, place, message)
        if len(piece) < min(GAP_PIECE, end - at):
            raise MalformedImage(TRUNCATED, 64, f"the tables end at byte {end}; the file ends before")
        at += len(piece)


def _read_sparse(stream: Stream, layout: Layout) -> Inspection:
    tables: list[array[int]] = []
    grains = vmdk_tables.Grains(stream, layout, tables)
    yield from vmdk_tables.read_all(stream, layout, tables, grains.add)
    yield Tail(0)
    size, end = stream.size or 0, grains.end * SECTOR
    if size < end:
        raise MalformedImage(TRUNCATED, None, f"the last grain or table ends at byte {end}; the file has {size}")
    if size > end + SLACK:
        raise MalformedImage(TRAILING_DATA, end, f"the last grain or table ends at byte {end}; the file has {size}")


def _read_compressed(stream: Stream, layout: Layout, head: bytes) -> Inspection:
    body = stream_optimized.Body(stream, layout, head)
    sums = array("Q", bytes(8 * layout.tables))

    def take(position: int, table: bytes, _at: int) -> None:
        sums[position] = body.tally.of_table(table)

    yield from vmdk_tables.read_all(stream, layout, [], take)
    yield from body.read_with_tables_in_front(sums)
