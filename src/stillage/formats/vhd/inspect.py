"""VHD (Virtual PC, Azure): refuse differencing disks, footers that contradict each other, blocks that overlap.

A fixed disk is raw bytes with a footer behind them, so it shows only when the stream ends, and any file, of whatever
other format, may turn out to be one. A dynamic disk begins with a copy of its footer.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 11 2006: "Block Allocation Table
and Data Blocks". All integers are big-endian.
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
from stillage.formats.vhd.header import (
    COOKIE,
    DIFFERENCES,
    DYNAMIC,
    FIXED,
    FOOTER_CHECKSUM_AT,
    FOOTER_SIZE,
    HEADER,
    HEADER_SIZE,
    KINDS,
    OLD_FOOTER_SIZE,
    REWRITE,
    SIZE,
    SIZE_AT,
    TRUNCATED,
    DynamicHeader,
    Footer,
    check_checksum,
    check_footer,
    parse_footer,
    read_dynamic_header,
)
from stillage.formats.vhd.header import RULES as HEADER_RULES

FORMAT = "vhd"

DISK_TYPE = Rule(
    "vhd.disk-type", "The disk type is not fixed, dynamic or differencing, or contradicts the layout of the file."
)
SIZE_MISMATCH = Rule("vhd.size-mismatch", "A fixed disk has more or fewer bytes than its footer says.")
DIFFERENCING = Rule(
    "vhd.differencing",
    "The image holds only the differences to a parent file, which a reader would open.",
    "qemu-img convert -O vpc -o force_size=on IN OUT",
)
TABLE_SIZE = Rule("vhd.table-size", "The block allocation table is too small for the disk, or absurdly large.")
TABLE_PLACE = Rule("vhd.table-place", "The block allocation table is not aligned, or overlaps a header.")
BLOCK_PLACE = Rule("vhd.block-place", "A block lies outside the file, over a table, or outside the disk.", REWRITE)
BLOCK_OVERLAP = Rule("vhd.block-overlap", "Two blocks share bytes of the file.", REWRITE)
FOOTER = Rule("vhd.footer", "The file does not end with the footer: it was cut, or something was appended.")
COPIES_DIFFER = Rule("vhd.copies-differ", "The footer and its copy at the start describe two different disks.")
RULES = (
    DISK_TYPE,
    SIZE_MISMATCH,
    DIFFERENCING,
    TABLE_SIZE,
    TABLE_PLACE,
    BLOCK_PLACE,
    BLOCK_OVERLAP,
    FOOTER,
    COPIES_DIFFER,
    *HEADER_RULES,
)

MAX_DYNAMIC_SIZE = SECTOR << 32  # the table holds sector numbers of 32 bits
FREE = 0xFFFFFFFF
PIECE = 64 << 10
FREE_PIECE = b"\xff" * PIECE


class Table(NamedTuple):
    """Where the block allocation table lies and what its entries mean."""

    offset: int
    entries: int
    used: int  # entries that stand for a part of the disk; there may be spare ones
    block_size: int  # bytes
    bitmap: int  # sectors that the bitmap in front of each block takes
    avoid: tuple[range, ...]  # sectors that no block may touch

    @property
    def span(self) -> int:
        """Sectors that one block takes in the file: its bitmap and its data."""
        return self.bitmap + self.block_size // SECTOR


def inspect(stream: Stream) -> Inspection:
    head = yield Region(0, FOOTER_SIZE)
    if head.startswith(COOKIE):
        yield from _inspect_sparse(stream, head)
    else:
        yield from read_fixed(stream)


def _inspect_sparse(stream: Stream, copy: bytes) -> Inspection:
    footer, table = yield from read_dynamic(stream, copy)
    last = yield from _read_table(stream, table)
    yield from _check_end(stream, copy, footer, table, last)


def read_fixed(stream: Stream) -> Steps[Footer]:
    """Return the footer of a fixed disk, which the bytes in front of it are."""
    tail = yield Tail(FOOTER_SIZE)
    data = tail if tail.startswith(COOKIE) else tail[FOOTER_SIZE - OLD_FOOTER_SIZE :]
    if not data.startswith(COOKIE) or len(data) < OLD_FOOTER_SIZE or stream.size is None:
        raise NotThisFormat
    at = stream.size - len(data)
    footer = parse_footer(data)
    yield _facts(data, footer)
    yield from check_footer(data, footer, at)
    if footer.disk_type != FIXED:
        message = f"the footer says disk type {footer.disk_type}, and there is no copy of it at the start of the file"
        raise MalformedImage(DISK_TYPE, at + 60, message)
    if footer.size != at:
        message = f"the footer says {footer.size} bytes of disk; {at} bytes lie before it"
        raise MalformedImage(SIZE_MISMATCH, at + SIZE_AT, message)
    return footer


def read_dynamic(stream: Stream, copy: bytes) -> Steps[tuple[Footer, Table]]:
    """Return what the footer's copy at the start and the dynamic disk header say."""
    if len(copy) < FOOTER_SIZE:
        yield Facts(FORMAT, int.from_bytes(copy[SIZE_AT : SIZE_AT + 8], "big") if len(copy) >= SIZE_AT + 8 else None)
        raise MalformedImage(TRUNCATED, len(copy), f"the file has {len(copy)} bytes; the footer's copy alone has 512")
    footer = parse_footer(copy)
    yield _facts(copy, footer)
    yield from check_footer(copy, footer, 0)
    if footer.disk_type not in (DYNAMIC, DIFFERENCES):
        raise MalformedImage(DISK_TYPE, 60, f"the footer's copy at the start says disk type {footer.disk_type}")
    if footer.disk_type == DIFFERENCES:
        yield Hazard(DIFFERENCING, 60, "the image is differencing; its parent holds the rest of the disk")
    if footer.size > MAX_DYNAMIC_SIZE:
        message = f"the disk has {footer.size} bytes; a dynamic one can have {MAX_DYNAMIC_SIZE}"
        raise MalformedImage(SIZE, SIZE_AT, message)

    if footer.data_offset < FOOTER_SIZE:
        raise MalformedImage(HEADER, 16, f"the dynamic disk header at {footer.data_offset} lies over the footer's copy")
    require_within(stream, TRUNCATED, footer.data_offset + HEADER_SIZE, 16, "the dynamic disk header")
    data = yield Region(footer.data_offset, HEADER_SIZE)
    header = yield from read_dynamic_header(data, footer)
    return footer, _place_table(stream, footer, header)


def _facts(data: bytes, footer: Footer) -> Facts:
    creator = data[28:32].decode("ascii", "replace").strip("\0 ")
    details = {"creator": creator} if creator.isprintable() else {}
    return Facts(FORMAT, footer.virtual_size, KINDS.get(footer.disk_type, ""), details)


def _place_table(stream: Stream, footer: Footer, header: DynamicHeader) -> Table:
    needed = -(-footer.virtual_size // header.block_size)
    # Some writers make room for the largest disk there can be, so that it may grow later.
    most = MAX_DYNAMIC_SIZE // header.block_size
    if not needed <= header.entries <= most:
        message = f"the table has {header.entries} entries; the disk needs {needed}, the largest disk {most}"
        raise MalformedImage(TABLE_SIZE, header.at + 28, message)
    table_end = header.table_at + -(-header.entries * 4 // SECTOR) * SECTOR
    taken = (range(FOOTER_SIZE), range(header.at, header.at + HEADER_SIZE), range(header.table_at, table_end))
    if header.table_at % SECTOR or header.table_at < FOOTER_SIZE or _meet(taken[1], taken[2]):
        message = f"the table at {header.table_at} is not on a sector of its own, or lies over a header"
        raise MalformedImage(TABLE_PLACE, header.at + 16, message)
    table_end = header.table_at + header.entries * 4
    require_within(stream, TRUNCATED, table_end, header.at + 16, "the block allocation table")
    bitmap = -(-header.block_size // SECTOR // 8 // SECTOR)
    avoid = tuple(range(part.start // SECTOR, -(-part.stop // SECTOR)) for part in taken)
    return Table(header.table_at, header.entries, needed, header.block_size, bitmap, avoid)


def is_stored(entry: int) -> bool:
    """Whether an entry of the table is the sector of a block; otherwise the block is zeros."""
    return entry != FREE


def _meet(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


def _read_table(stream: Stream, table: Table) -> Steps[int]:
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
        blocks = [entry for entry in entries if is_stored(entry)]
        end = max(end, max(blocks) + table.span)
        _check_blocks(stream, table, entries, blocks, first)
        _check_overlap(overlaps, entries, blocks, at)
    return end


def _check_blocks(stream: Stream, table: Table, entries: Sequence[int], blocks: list[int], first: int) -> None:
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
    if beyond := [position for position, entry in enumerate(entries[spare:], spare) if is_stored(entry)]:
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


def _check_end(stream: Stream, copy: bytes, footer: Footer, table: Table, last: int) -> Inspection:
    tail = yield Tail(FOOTER_SIZE)
    size = stream.size or 0
    if not tail.startswith(COOKIE) or size < 2 * FOOTER_SIZE:
        raise MalformedImage(FOOTER, max(0, size - FOOTER_SIZE), "the last 512 bytes are not the footer")
    if last * SECTOR > size - FOOTER_SIZE:
        raise MalformedImage(BLOCK_PLACE, table.offset, _too_far(last, size))
    if tail == copy:
        return
    at = size - FOOTER_SIZE
    yield from check_checksum(tail, at, FOOTER_CHECKSUM_AT, "footer")
    theirs = parse_footer(tail)
    if theirs != footer:
        message = f"the copy at the start says {footer.size} bytes of disk, the footer {theirs.size}"
        if theirs.size == footer.size:
            message = "the footer and its copy at the start differ in type, geometry, creator, header or identity"
        raise MalformedImage(COPIES_DIFFER, at, message)
