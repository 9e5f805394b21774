"""Ploop (Parallels, Virtuozzo): refuse dirty disks, extensions, blocks that overlap or lie over the table.

Parallels expanding disks, which the Image API calls ploop: a header, a block allocation table, the blocks.

A disk of several files is described by an XML file beside them, which is no image; the image itself names no file.

Source: QEMU, docs/interop/parallels, "Parallels Expandable Image File Format". All integers are little-endian.
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
from stillage.formats.tables.bounds import read_whole
from stillage.formats.tables.entries import little_endian_32
from stillage.formats.tables.overlaps import Overlaps

FORMAT = "ploop"
REWRITE = "qemu-img convert -f parallels -O parallels IN OUT"

HEADER = Rule("ploop.header", "The header's version, sizes or number of blocks are impossible.")
DIRTY = Rule("ploop.dirty", "The disk was not closed: its table may be older than its data.", REWRITE)
EXTENSION = Rule(
    "ploop.extension", "The image has an extension, which holds dirty bitmaps or something unknown.", REWRITE
)
TRUNCATED = Rule("ploop.truncated", "The file ends before its table, or before a block that the table names.")
BLOCK_PLACE = Rule("ploop.block-place", "A block lies over the header or the table.", REWRITE)
BLOCK_OVERLAP = Rule("ploop.block-overlap", "Two blocks share bytes of the file.", REWRITE)
RULES = (HEADER, DIRTY, EXTENSION, TRUNCATED, BLOCK_PLACE, BLOCK_OVERLAP)

OLD_MAGIC = b"WithoutFreeSpace"
"""The table counts in sectors, and the disk's size has 32 bits."""
MAGIC = b"WithouFreSpacExt"
"""The table counts in blocks."""
MAGICS = (OLD_MAGIC, MAGIC)
VERSION = 2
IN_USE = 0x746F6E59
MAX_BLOCK = (1 << 31) // 513  # sectors; QEMU opens no larger one
MAX_ENTRIES = 16 << 20  # a disk of 16 TiB with blocks of 1 MiB
PIECE = 64 << 10

_HEADER = struct.Struct("<16sIIIIIQIIIQ")


class _Header(NamedTuple):
    magic: bytes
    version: int
    heads: int
    cylinders: int
    block: int
    entries: int
    sectors: int
    in_use: int
    data_at: int
    flags: int
    extension_at: int

    @property
    def unit(self) -> int:
        """Sectors that an entry of the table counts."""
        return self.block if self.magic == MAGIC else 1

    @property
    def table_end(self) -> int:
        """The first sector behind the table."""
        return -(-(_HEADER.size + 4 * self.entries) // SECTOR)


def inspect(stream: Stream) -> Inspection:
    head = yield Region(0, _HEADER.size)
    if not head.startswith(MAGICS):
        raise NotThisFormat
    yield Facts(FORMAT)
    if len(head) < _HEADER.size:
        message = f"the file has {len(head)} bytes; the header alone has {_HEADER.size}"
        raise MalformedImage(TRUNCATED, len(head), message)
    header = _Header(*_HEADER.unpack(head))
    yield Facts(FORMAT, header.sectors * SECTOR, details={"block_size": str(header.block * SECTOR)})
    if header.in_use == IN_USE:
        yield Hazard(DIRTY, 44, "the header says that the disk is in use or was not closed")
    if header.extension_at:
        yield Hazard(EXTENSION, 56, f"the image has an extension at sector {header.extension_at}")
    _check_header(header)
    end = yield from _read_table(header)
    yield from _check_end(stream, end)


def _check_header(header: _Header) -> None:
    if header.version != VERSION:
        raise MalformedImage(HEADER, 16, f"the header has version {header.version}; 2 is known")
    if not 0 < header.block <= MAX_BLOCK:
        raise MalformedImage(HEADER, 28, f"blocks have {header.block} sectors; 1 to {MAX_BLOCK} are accepted")
    # Readers take 32 bits of the older kind's size.
    limit = 1 << (32 if header.magic == OLD_MAGIC else 54)
    if not 0 < header.sectors < limit:
        raise MalformedImage(HEADER, 36, f"the disk has {header.sectors} sectors; 1 to {limit - 1} are accepted")
    needed = -(-header.sectors // header.block)
    if not needed <= header.entries <= MAX_ENTRIES:
        message = f"the table has {header.entries} entries; the disk needs {needed}, and {MAX_ENTRIES} are accepted"
        raise MalformedImage(HEADER, 32, message)


def _read_table(header: _Header) -> Steps[int]:
    """Check every entry; return the first sector behind the table and all blocks."""
    overlaps, end = Overlaps(header.block), header.table_end
    for first in range(0, header.entries, PIECE // 4):
        at, count = _HEADER.size + 4 * first, min(PIECE // 4, header.entries - first)
        entries = little_endian_32((yield from read_whole(TRUNCATED, at, 4 * count, "the table")))
        blocks = [entry * header.unit for entry in entries if entry]
        if blocks:
            _check_blocks(header, overlaps, entries, blocks, at)
            end = max(end, max(blocks) + header.block)
    return end


def _check_blocks(header: _Header, overlaps: Overlaps, entries: "array[int]", blocks: list[int], at: int) -> None:
    lowest = min(blocks)
    if lowest < header.table_end:
        message = f"a block at sector {lowest} lies over the table, which ends at sector {header.table_end}"
        raise MalformedImage(BLOCK_PLACE, at + 4 * entries.index(lowest // header.unit), message)
    position = overlaps.find_overlap(blocks, BLOCK_OVERLAP, at)
    if position is not None:
        message = f"the block at sector {blocks[position]} overlaps another one"
        raise MalformedImage(BLOCK_OVERLAP, at + 4 * entries.index(blocks[position] // header.unit), message)


def _check_end(stream: Stream, end: int) -> Inspection:
    if stream.size is None:
        yield Tail(0)
    if (stream.size or 0) < end * SECTOR:
        message = f"the last block ends at byte {end * SECTOR}; the file has {stream.size}"
        raise MalformedImage(TRUNCATED, None, message)
