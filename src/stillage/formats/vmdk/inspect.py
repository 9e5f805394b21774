"""VMDK (VMware): refuse data and parents in other files, tables that contradict the grains, hidden descriptors.

Monolithic sparse and stream-optimized disks are read; what has its data in other files is recognised and refused. The
header is in `formats.vmdk.header`, the descriptor in `formats.vmdk.descriptor`, the grain tables in
`formats.vmdk.tables`, the compressed stream in `formats.vmdk.stream_optimized`.

Source: VMware, "Virtual Disk Format 5.0" (and 1.1), "Hosted Sparse Extents", "ESX Server Sparse Extents". All integers
are little-endian; places and lengths are sectors of 512 bytes.
"""

from array import array

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
from stillage.formats.vmdk import header as vmdk_header
from stillage.formats.vmdk import stream_optimized
from stillage.formats.vmdk import tables as vmdk_tables
from stillage.formats.vmdk.descriptor import DESCRIPTOR, EXTERNAL_EXTENT
from stillage.formats.vmdk.header import AT_END, MAGIC, NO_DESCRIPTOR, Header, check_header, parse, place
from stillage.formats.vmdk.stream_optimized import TRAILING_DATA
from stillage.formats.vmdk.tables import TRUNCATED, Layout

FORMAT = "vmdk"

CAPACITY = Rule("vmdk.capacity", "The header's capacity is zero or beyond what any disk can have.")
GAP = Rule(
    "vmdk.gap",
    "Unused bytes between the descriptor and the tables are not zero: some readers take them for a descriptor.",
    vmdk_tables.REWRITE,
)
DELTA = Rule("vmdk.delta", "A COWD or SE sparse extent is the delta of a disk that an ESX host keeps elsewhere.")
RULES = (CAPACITY, GAP, DELTA, *vmdk_descriptor.RULES, *vmdk_tables.RULES, *stream_optimized.RULES, *vmdk_header.RULES)

COWD_MAGIC = b"COWD"
SE_SPARSE_MAGIC = (0xCAFEBABE).to_bytes(8, "little") + (0x2_0000_0001).to_bytes(8, "little")
MAX_CAPACITY = 1 << 54  # sectors; 2**63 bytes
TEXT_PIECE = GAP_PIECE = 32 << 10
SLACK = 1 << 20  # bytes that a writer may have grown the file ahead of its last grain


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
    descriptor = vmdk_descriptor.parse(text, 0)
    size = descriptor.size if descriptor.size <= MAX_CAPACITY * SECTOR else None
    yield Facts(FORMAT, size, descriptor.create_type[:40])
    if parent := vmdk_descriptor.find_parent(text, 0):
        yield parent
    yield from vmdk_descriptor.check_any(descriptor)
    if not descriptor.extents:
        yield Hazard(DESCRIPTOR, 0, "the file is a descriptor that names no extent")
        raise MalformedImage(EXTERNAL_EXTENT, 0, "the file is a descriptor; a disk's data would be in other files")
    extent = descriptor.extents[0]
    message = f"the file is a descriptor; the disk's data are in other files, {extent.name[:60]!r} first"
    raise MalformedImage(EXTERNAL_EXTENT, extent.at, message)


def _inspect_sparse(stream: Stream, head: bytes) -> Inspection:
    header, layout, front = yield from read_structure(stream, head)
    yield from replay(front, SECTOR, _inspect_tables(stream, header, layout, head))


def read_structure(stream: Stream, head: bytes) -> Steps[tuple[Header, Layout, bytes]]:
    """Return the header, what it says of the tables, and the bytes behind it; the descriptor in there was checked."""
    if len(head) < SECTOR:
        yield Facts(FORMAT)
        raise MalformedImage(TRUNCATED, len(head), f"the file has {len(head)} bytes; the header alone has 512")
    header = parse(head)
    is_absurd = not 0 < header.capacity <= MAX_CAPACITY
    subformat = "streamOptimized" if header.is_compressed else "monolithicSparse"
    details = {"grain_size": str(header.grain * SECTOR)}
    yield Facts(FORMAT, None if is_absurd else header.capacity * SECTOR, subformat, details)
    if is_absurd:
        message = f"the header has a capacity of {header.capacity} sectors; 1 to {MAX_CAPACITY} can be"
        raise MalformedImage(CAPACITY, 12, message)
    yield from check_header(header)
    layout = place(stream, header)
    front = yield from _read_front(header)
    yield from _check_descriptor(header, layout, front)
    return header, layout, front


def _inspect_tables(stream: Stream, header: Header, layout: Layout, head: bytes) -> Inspection:
    yield from _check_gap(layout)
    if header.directory_at == AT_END:
        yield from stream_optimized.Body(stream, layout, head).read_with_tables_behind()
    elif header.is_compressed:
        yield from _read_compressed(stream, layout, head)
    else:
        yield from _read_sparse(stream, layout)


def _read_front(header: Header) -> Steps[bytes]:
    """The bytes behind the header, before the grains, in which a reader may look for words of the descriptor."""
    ahead = min(header.overhead * SECTOR - SECTOR, vmdk_descriptor.READ_AHEAD)
    return (yield Region(SECTOR, max(header.descriptor_size * SECTOR, ahead)))


def _check_descriptor(header: Header, layout: Layout, front: bytes) -> Inspection:
    at, length = SECTOR, header.descriptor_size * SECTOR
    text = front[:length]
    if len(text) < length:
        raise MalformedImage(TRUNCATED, 28, f"the descriptor at {at} is cut after {len(text)} bytes")
    if parent := vmdk_descriptor.find_parent(front, at):
        yield parent
    if not text.strip(b"\0"):
        raise MalformedImage(NO_DESCRIPTOR, at, "the descriptor is empty: the extent is only part of a disk")
    descriptor = vmdk_descriptor.parse(text, at)
    yield from vmdk_descriptor.check_embedded(text, descriptor, layout.capacity, layout.grain)


def _check_gap(layout: Layout) -> Inspection:
    """Demand zeros between the descriptor and what comes next."""
    at = layout.descriptor.stop * SECTOR
    directories = [at for at in (layout.directory_at, layout.redundant_at) if at is not None]
    end = min(layout.overhead, *directories) * SECTOR
    while at < end:
        piece = yield Region(at, min(GAP_PIECE, end - at))
        if rest := piece.lstrip(b"\0"):
            place = at + len(piece) - len(rest)
            message = f"at byte {place}, between the descriptor and the tables, are bytes that are not zero"
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
