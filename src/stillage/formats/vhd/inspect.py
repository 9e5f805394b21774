"""Virtual PC disks: fixed, dynamic and differencing.

A fixed disk is raw bytes with a footer behind them, so it shows only when the stream ends, and any file, of whatever
other format, may turn out to be one. A dynamic disk begins with a copy of its footer.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 11 2006: "Hard Disk Footer
Format", "Dynamic Disk Header Format", "Block Allocation Table and Data Blocks". All integers are big-endian.
"""

import struct
from collections.abc import Sequence
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
from stillage.formats.tables.bounds import read_whole, require_within
from stillage.formats.tables.overlaps import Overlaps

FORMAT = "vhd"
REWRITE = "qemu-img convert -f vpc -O vpc -o force_size=on IN OUT"

TRUNCATED = Rule("vhd.truncated", "The file ends before something that its headers refer to.")
CHECKSUM = Rule("vhd.checksum", "The checksum of the footer or of the dynamic disk header is wrong.", REWRITE)
VERSION = Rule("vhd.version", "The footer or the dynamic disk header has a version that is not 1.0.")
DISK_TYPE = Rule("vhd.disk-type", "The disk type is not fixed, dynamic or differencing, or not at its place.")
UNKNOWN_FEATURES = Rule("vhd.unknown-features", "Feature bits are set that no published version defines.", REWRITE)
SAVED_STATE = Rule("vhd.saved-state", "The disk belongs to a machine whose saved state is elsewhere.", REWRITE)
SIZE = Rule("vhd.size", "The virtual size is zero, not a whole number of sectors, or beyond what the format can hold.")
GEOMETRY = Rule(
    "vhd.geometry",
    "The size in the footer and the one that its geometry gives differ, and readers disagree on which of them counts.",
    "qemu-img convert --image-opts driver=vpc,force_size_calc=current_size,file.filename=IN "
    "-O vpc -o force_size=on OUT",
)
SIZE_MISMATCH = Rule("vhd.size-mismatch", "A fixed disk has more or fewer bytes than its footer says.")
DIFFERENCING = Rule(
    "vhd.differencing",
    "The image holds only the differences to a parent file, which a reader would open.",
    "qemu-img convert -O vpc -o force_size=on IN OUT",
)
PARENT = Rule("vhd.parent", "A disk that is not differencing names a parent all the same.", REWRITE)
HEADER = Rule("vhd.header", "The dynamic disk header is missing, unreadable or lies over something else.")
BLOCK_SIZE = Rule("vhd.block-size", "The block size is not a power of two from 64 KiB to 256 MiB.")
TABLE_SIZE = Rule("vhd.table-size", "The block allocation table is too small for the disk, or absurdly large.")
TABLE_PLACE = Rule("vhd.table-place", "The block allocation table lies where it cannot lie.")
BLOCK_PLACE = Rule("vhd.block-place", "A block lies outside the file, over a table, or outside the disk.", REWRITE)
BLOCK_OVERLAP = Rule("vhd.block-overlap", "Two blocks share bytes of the file.", REWRITE)
FOOTER = Rule("vhd.footer", "The file does not end with the footer: it was cut, or something was appended.")
COPIES_DIFFER = Rule("vhd.copies-differ", "The footer and its copy at the start describe two different disks.")
RULES = (
    TRUNCATED,
    CHECKSUM,
    VERSION,
    DISK_TYPE,
    UNKNOWN_FEATURES,
    SAVED_STATE,
    SIZE,
    GEOMETRY,
    SIZE_MISMATCH,
    DIFFERENCING,
    PARENT,
    HEADER,
    BLOCK_SIZE,
    TABLE_SIZE,
    TABLE_PLACE,
    BLOCK_PLACE,
    BLOCK_OVERLAP,
    FOOTER,
    COPIES_DIFFER,
)

COOKIE = b"conectix"
HEADER_COOKIE = b"cxsparse"
FOOTER_SIZE = 512
OLD_FOOTER_SIZE = 511  # before Virtual PC 2004; "Hard Disk Footer Format" tells readers to expect it
HEADER_SIZE = 1024
VERSION_1 = 0x00010000
TEMPORARY, RESERVED = 1, 2  # the feature bits that there are; writers differ in which they set
FIXED, DYNAMIC, DIFFERENCES = 2, 3, 4
KINDS = {FIXED: "fixed", DYNAMIC: "dynamic", DIFFERENCES: "differencing"}
# Of these creators every reader believes the size; of any other QEMU believes the geometry, unless that is the largest
# there is. Disk2vhd's geometry is wrong by far. QEMU came to know Azure's "wa" late, so that its versions disagree.
SIZE_CREATORS = (b"win ", b"qem2", b"d2v ", b"tap\0", b"CTXS")
LARGEST_GEOMETRY = 65535 * 16 * 255  # sectors: what writers put for a disk of this size or more, or of any size
MAX_DYNAMIC_SIZE = SECTOR << 32  # the table holds sector numbers of 32 bits
FREE = 0xFFFFFFFF
PIECE = 64 << 10
FREE_PIECE = b"\xff" * PIECE

_FOOTER = struct.Struct(">8sIIQ4s4sI4sQQHBBII16sB")
_HEADER = struct.Struct(">8sQQIIII16sII512s")
_FOOTER_CHECKSUM_AT = 64
_HEADER_CHECKSUM_AT = 36
_SIZE_AT, _GEOMETRY_AT = 48, 56
_LOCATORS_AT, _LOCATORS_SIZE = 576, 8 * 24


class _Footer(NamedTuple):
    """The fields that describe the disk; two copies of a footer must agree about them."""

    features: int
    version: int
    data_offset: int
    size: int
    geometry: tuple[int, int, int]
    geometry_counts: bool
    disk_type: int
    unique_id: bytes

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of the disk to readers that believe the size, and to those that believe the geometry."""
        cylinders, heads, sectors = self.geometry
        return self.size, cylinders * heads * sectors * SECTOR if self.geometry_counts else self.size

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk to the reader for whom it is larger."""
        return max(self.sizes)


class _Table(NamedTuple):
    """Where the block allocation table lies and what its entries mean."""

    offset: int
    entries: int
    used: int  # entries that stand for a part of the disk; there may be spare ones
    span: int  # sectors that one block takes in the file: its bitmap and its data
    avoid: tuple[range, ...]  # sectors that no block may touch


def inspect(stream: Stream) -> Inspection:
    head = yield Region(0, FOOTER_SIZE)
    if head.startswith(COOKIE):
        yield from _inspect_sparse(stream, head)
    else:
        yield from _inspect_fixed(stream)


def _inspect_fixed(stream: Stream) -> Inspection:
    tail = yield Tail(FOOTER_SIZE)
    data = tail if tail.startswith(COOKIE) else tail[FOOTER_SIZE - OLD_FOOTER_SIZE :]
    if not data.startswith(COOKIE) or len(data) < OLD_FOOTER_SIZE or stream.size is None:
        raise NotThisFormat
    at = stream.size - len(data)
    footer = _parse_footer(data)
    yield _facts(data, footer)
    yield from _check_footer(data, footer, at)
    if footer.disk_type != FIXED:
        message = f"the footer says disk type {footer.disk_type}, and there is no copy of it at the start of the file"
        raise MalformedImage(DISK_TYPE, at + 60, message)
    if footer.size != at:
        message = f"the footer says {footer.size} bytes of disk; {at} bytes lie before it"
        raise MalformedImage(SIZE_MISMATCH, at + _SIZE_AT, message)


def _inspect_sparse(stream: Stream, copy: bytes) -> Inspection:
    if len(copy) < FOOTER_SIZE:
        yield Facts(FORMAT, int.from_bytes(copy[_SIZE_AT : _SIZE_AT + 8], "big") if len(copy) >= _SIZE_AT + 8 else None)
        raise MalformedImage(TRUNCATED, len(copy), f"the file has {len(copy)} bytes; the footer's copy alone has 512")
    footer = _parse_footer(copy)
    yield _facts(copy, footer)
    yield from _check_footer(copy, footer, 0)
    if footer.disk_type not in (DYNAMIC, DIFFERENCES):
        raise MalformedImage(DISK_TYPE, 60, f"the footer's copy at the start says disk type {footer.disk_type}")
    if footer.disk_type == DIFFERENCES:
        yield Hazard(DIFFERENCING, 60, "the image is differencing; its parent holds the rest of the disk")
    if footer.size > MAX_DYNAMIC_SIZE:
        message = f"the disk has {footer.size} bytes; a dynamic one can have {MAX_DYNAMIC_SIZE}"
        raise MalformedImage(SIZE, _SIZE_AT, message)

    if footer.data_offset < FOOTER_SIZE:
        raise MalformedImage(HEADER, 16, f"the dynamic disk header at {footer.data_offset} lies over the footer's copy")
    require_within(stream, TRUNCATED, footer.data_offset + HEADER_SIZE, 16, "the dynamic disk header")
    header = yield Region(footer.data_offset, HEADER_SIZE)
    table = yield from _read_header(stream, header, footer)
    last = yield from _read_table(stream, table)
    yield from _check_end(stream, copy, footer, table, last)


def _facts(data: bytes, footer: _Footer) -> Facts:
    creator = data[28:32].decode("ascii", "replace").strip("\0 ")
    details = {"creator": creator} if creator.isprintable() else {}
    return Facts(FORMAT, footer.virtual_size, KINDS.get(footer.disk_type, ""), details)


def _parse_footer(data: bytes) -> _Footer:
    fields = _FOOTER.unpack_from(data)
    _, features, version, data_offset, _, creator, _, _, _, size, *geometry, disk_type, _, unique_id, _ = fields
    cylinders, heads, sectors = geometry
    geometry_counts = creator not in SIZE_CREATORS and cylinders * heads * sectors != LARGEST_GEOMETRY
    return _Footer(
        features, version, data_offset, size, (cylinders, heads, sectors), geometry_counts, disk_type, unique_id
    )


def _check_footer(data: bytes, footer: _Footer, at: int) -> Inspection:
    yield from _check_checksum(data, at, _FOOTER_CHECKSUM_AT, "footer")
    if footer.version != VERSION_1:
        raise MalformedImage(VERSION, at + 12, f"the footer has version {footer.version:#010x}; 0x00010000 is known")
    if unknown := footer.features & ~(TEMPORARY | RESERVED):
        yield Hazard(UNKNOWN_FEATURES, at + 8, f"feature bits {unknown:#x} are set, and nobody knows what they mean")
    if data[84]:
        yield Hazard(SAVED_STATE, at + 84, f"the saved-state byte is {data[84]}: a machine is suspended on this disk")
    if footer.size == 0 or footer.size % SECTOR:
        raise MalformedImage(SIZE, at + _SIZE_AT, f"the disk has {footer.size} bytes; whole sectors of 512 are needed")
    yield from _check_geometry(footer, at)


def _check_geometry(footer: _Footer, at: int) -> Inspection:
    """The geometry may be rounded to whole cylinders, and no more."""
    cylinders, heads, sectors = footer.geometry
    size, by_geometry = footer.sizes
    if size != by_geometry and abs(size - by_geometry) >= max(1, heads * sectors) * SECTOR:
        message = (
            f"the footer says {size} bytes of disk; its geometry, {cylinders} cylinders with {heads} heads and "
            f"{sectors} sectors, is {by_geometry}, and QEMU believes that"
        )
        yield Hazard(GEOMETRY, at + _GEOMETRY_AT, message)


def _check_checksum(data: bytes, at: int, field: int, what: str) -> Inspection:
    stored = int.from_bytes(data[field : field + 4], "big")
    computed = ~(sum(data) - sum(data[field : field + 4])) & 0xFFFFFFFF
    if stored != computed:
        yield Hazard(CHECKSUM, at + field, f"the {what} has checksum {stored:#010x}; its bytes give {computed:#010x}")


def _read_header(stream: Stream, data: bytes, footer: _Footer) -> Steps[_Table]:
    at = footer.data_offset
    if len(data) < HEADER_SIZE:
        raise MalformedImage(TRUNCATED, 16, f"the file ends within the dynamic disk header at {at}")
    cookie, _, table_at, version, entries, block_size, _, _, _, _, parent_name = _HEADER.unpack_from(data)
    if cookie != HEADER_COOKIE:
        raise MalformedImage(HEADER, at, f"there is no dynamic disk header at {at}")
    yield from _check_checksum(data, at, _HEADER_CHECKSUM_AT, "dynamic disk header")
    if version != VERSION_1:
        message = f"the dynamic disk header has version {version:#010x}; 0x00010000 is known"
        raise MalformedImage(VERSION, at + 24, message)
    if footer.disk_type != DIFFERENCES:
        if parent_name.strip(b"\0"):
            yield Hazard(PARENT, at + 64, "the header of a dynamic disk holds the name of a parent")
        if data[_LOCATORS_AT : _LOCATORS_AT + _LOCATORS_SIZE].strip(b"\0"):
            yield Hazard(PARENT, at + _LOCATORS_AT, "the header of a dynamic disk holds a parent locator")
    if block_size & (block_size - 1) or not 64 << 10 <= block_size <= 256 << 20:
        message = f"the block size is {block_size}; powers of two from 65536 to 268435456 are accepted"
        raise MalformedImage(BLOCK_SIZE, at + 32, message)
    return _place_table(stream, footer, table_at, entries, block_size)


def _place_table(stream: Stream, footer: _Footer, table_at: int, entries: int, block_size: int) -> _Table:
    at = footer.data_offset
    needed = -(-footer.virtual_size // block_size)
    # Some writers make room for the largest disk there can be, so that it may grow later.
    most = MAX_DYNAMIC_SIZE // block_size
    if not needed <= entries <= most:
        message = f"the table has {entries} entries; the disk needs {needed}, the largest disk {most}"
        raise MalformedImage(TABLE_SIZE, at + 28, message)
    table = range(table_at, table_at + -(-entries * 4 // SECTOR) * SECTOR)
    header = range(at, at + HEADER_SIZE)
    if table_at % SECTOR or table_at < FOOTER_SIZE or _meet(table, header):
        message = f"the table at {table_at} is not on a sector of its own, or lies over a header"
        raise MalformedImage(TABLE_PLACE, at + 16, message)
    require_within(stream, TRUNCATED, table_at + entries * 4, at + 16, "the block allocation table")
    bitmap = -(-block_size // SECTOR // 8 // SECTOR)
    avoid = tuple(
        range(taken.start // SECTOR, -(-taken.stop // SECTOR)) for taken in (range(FOOTER_SIZE), header, table)
    )
    return _Table(table_at, entries, needed, bitmap + block_size // SECTOR, avoid)


def _meet(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


def _read_table(stream: Stream, table: _Table) -> Steps[int]:
    """Check every entry; return the sector after the last block."""
    overlaps = Overlaps(table.span)
    end = 0
    for first in range(0, table.entries, PIECE // 4):
        count = min(PIECE // 4, table.entries - first)
        at = table.offset + 4 * first
        piece = yield from read_whole(TRUNCATED, at, 4 * count, "the block allocation table")
        if piece == FREE_PIECE[: len(piece)]:
            continue
        entries = struct.unpack(f">{count}I", piece)
        blocks = [entry for entry in entries if entry != FREE]
        end = max(end, max(blocks) + table.span)
        _check_blocks(stream, table, entries, blocks, first)
        _check_overlap(overlaps, entries, blocks, at)
    return end


def _check_blocks(stream: Stream, table: _Table, entries: Sequence[int], blocks: list[int], first: int) -> None:
    at = table.offset + 4 * first
    lowest, highest, span = min(blocks), max(blocks), table.span
    for taken in table.avoid:
        if lowest < taken.stop and any([b < taken.stop and b + span > taken.start for b in blocks]):
            block = next(b for b in blocks if b < taken.stop and b + span > taken.start)
            message = f"a block at sector {block} lies over sectors {taken.start} to {taken.stop - 1}, which are taken"
            raise MalformedImage(BLOCK_PLACE, at + 4 * entries.index(block), message)
    if stream.size is not None and (highest + span) * SECTOR > stream.size - FOOTER_SIZE:
        raise MalformedImage(BLOCK_PLACE, at + 4 * entries.index(highest), _too_far(highest + span, stream.size))
    spare = max(0, table.used - first)
    if beyond := [position for position, entry in enumerate(entries[spare:], spare) if entry != FREE]:
        message = f"the disk has {table.used} blocks; entry {first + beyond[0]} of the table holds one more"
        raise MalformedImage(BLOCK_PLACE, at + 4 * beyond[0], message)


def _too_far(end: int, size: int) -> str:
    return f"a block ends at byte {end * SECTOR}; the file has {size}, and the last 512 are the footer"


def _check_overlap(overlaps: Overlaps, entries: Sequence[int], blocks: list[int], at: int) -> None:
    position = overlaps.find_overlap(blocks, BLOCK_OVERLAP, at)
    if position is not None:
        block = blocks[position]
        # The same number may come twice in one piece; the later entry is the one at fault.
        entry = len(entries) - 1 - entries[::-1].index(block)
        raise MalformedImage(BLOCK_OVERLAP, at + 4 * entry, f"the block at sector {block} overlaps another one")


def _check_end(stream: Stream, copy: bytes, footer: _Footer, table: _Table, last: int) -> Inspection:
    tail = yield Tail(FOOTER_SIZE)
    size = stream.size or 0
    if not tail.startswith(COOKIE) or size < 2 * FOOTER_SIZE:
        raise MalformedImage(FOOTER, max(0, size - FOOTER_SIZE), "the last 512 bytes are not the footer")
    if last * SECTOR > size - FOOTER_SIZE:
        raise MalformedImage(BLOCK_PLACE, table.offset, _too_far(last, size))
    if tail == copy:
        return
    at = size - FOOTER_SIZE
    yield from _check_checksum(tail, at, _FOOTER_CHECKSUM_AT, "footer")
    theirs = _parse_footer(tail)
    if theirs != footer:
        message = f"the copy at the start says {footer.size} bytes of disk, the footer {theirs.size}"
        if theirs.size == footer.size:
            message = "the footer and its copy at the start differ in type, geometry, creator, header or identity"
        raise MalformedImage(COPIES_DIFFER, at, message)
