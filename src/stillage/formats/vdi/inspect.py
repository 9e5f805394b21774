"""VDI (VirtualBox): refuse differencing and undo images, and blocks that are named twice.

Dynamic and static disks are read.

Source: VirtualBox, the header as published in its open source edition (VDICore.h, "VDIHEADER1PLUS"), version 1.1: a
pre-header of text, signature and version, the header, a map of 32-bit block numbers, the blocks. All integers are
little-endian.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from stillage.formats.base import (
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
from stillage.formats.tables.overlaps import Overlaps

FORMAT = "vdi"
REWRITE = "qemu-img convert -f vdi -O vdi IN OUT"

TRUNCATED = Rule("vdi.truncated", "The file ends before something that its header refers to.")
VERSION = Rule("vdi.version", "The header has a version other than 1.1, or a length that version does not have.")
KIND = Rule("vdi.kind", "The image type is not dynamic, static, undo or differencing.")
DIFFERENCING = Rule(
    "vdi.differencing",
    "The image is differencing or undo, or names a parent: the rest of the disk is in another file.",
    "VBoxManage clonemedium disk IN OUT --format VDI",
)
SIZE = Rule("vdi.size", "The virtual size is zero.")
SECTOR_SIZE = Rule("vdi.sector-size", "The sector size is not 512.")
BLOCK_SIZE = Rule(
    "vdi.block-size", "The block size is not a power of two from 64 KiB to 256 MiB, or blocks have an extra part."
)
TABLE_SIZE = Rule("vdi.table-size", "The block map has fewer or more entries than the disk has blocks.")
TABLE_PLACE = Rule("vdi.table-place", "The block map or the data overlap something else, or are not aligned.")
BLOCK_PLACE = Rule("vdi.block-place", "The block map names a block that was never stored.", REWRITE)
BLOCK_OVERLAP = Rule("vdi.block-overlap", "Two entries of the block map name the same stored block.", REWRITE)
BLOCK_COUNT = Rule("vdi.block-count", "The header and the block map disagree on the number of stored blocks.", REWRITE)
TRAILING_DATA = Rule("vdi.trailing-data", "Bytes follow the last block that the header counts.", REWRITE)
RULES = (
    TRUNCATED,
    VERSION,
    KIND,
    DIFFERENCING,
    SIZE,
    SECTOR_SIZE,
    BLOCK_SIZE,
    TABLE_SIZE,
    TABLE_PLACE,
    BLOCK_PLACE,
    BLOCK_OVERLAP,
    BLOCK_COUNT,
    TRAILING_DATA,
)

SIGNATURE = (0xBEDA107F).to_bytes(4, "little")
SIGNATURE_AT = 64
VERSION_1_1 = 0x00010001
HEADER_AT = 72
HEADER_SIZES = (384, 400)  # without and with the logical geometry
HEADER_END = HEADER_AT + 400
SIZE_AT = 0x170
DYNAMIC, STATIC, UNDO, DIFFERENCES = 1, 2, 3, 4
KINDS = {DYNAMIC: "dynamic", STATIC: "static", UNDO: "undo", DIFFERENCES: "differencing"}
FIRST_UNSTORED = 0xFFFFFFFE  # discarded, so zeros; one more is: never written
SECTOR = 512
PIECE = 64 << 10
UNSTORED_PIECE = b"\xff" * PIECE
PARENT_UUIDS_AT, PARENT_UUIDS_END = 0x1A8, 0x1C8

_HEADER = struct.Struct("<IIII256xII12xI4xQIIII")  # from the version on


class Header(NamedTuple):
    header_size: int
    kind: int
    map_at: int
    data_at: int
    sector_size: int
    size: int
    block_size: int
    block_extra: int
    blocks: int
    stored: int

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk: half a sector at its end is a whole one to every reader."""
        return -(-self.size // SECTOR) * SECTOR


def inspect(stream: Stream) -> Inspection:
    header = yield from read_header(stream)
    yield from _read_map(header)
    yield from _check_end(stream, header)


def read_header(stream: Stream) -> Steps[Header]:
    """Return the header, whose fields have values that the format allows."""
    head = yield Region(0, HEADER_END)
    if head[SIGNATURE_AT : SIGNATURE_AT + 4] != SIGNATURE:
        raise NotThisFormat
    if len(head) < HEADER_END:
        yield Facts(FORMAT, int.from_bytes(head[SIZE_AT : SIZE_AT + 8], "little") if len(head) >= SIZE_AT + 8 else None)
        raise MalformedImage(TRUNCATED, len(head), f"the file has {len(head)} bytes; the header alone has {HEADER_END}")
    version, *fields = _HEADER.unpack_from(head, SIGNATURE_AT + 4)
    header = Header(fields[0], fields[1], *fields[3:])
    yield Facts(FORMAT, header.virtual_size, KINDS.get(header.kind, ""), {"block_size": str(header.block_size)})
    if version != VERSION_1_1:
        raise MalformedImage(VERSION, 68, f"the header has version {version:#010x}; 0x00010001 is known")
    yield from _check_header(head, header)
    _check_layout(stream, header)
    return header


def block_offset(header: Header, at: int, entry: int) -> int:
    """Return where the block is that the entry at byte *at* of the map names, zero if it is zeros."""
    if entry >= FIRST_UNSTORED:
        return 0
    if entry >= header.stored:
        message = f"the block map names stored block {entry}; there are {header.stored}"
        raise MalformedImage(BLOCK_PLACE, at, message)
    return header.data_at + entry * header.block_size


def _check_header(head: bytes, header: Header) -> Inspection:
    if header.kind in (UNDO, DIFFERENCES):
        yield Hazard(DIFFERENCING, 76, f"the image is of the {KINDS[header.kind]} kind, which changes another image")
    elif header.kind not in KINDS:
        raise MalformedImage(KIND, 76, f"the image type is {header.kind}; 1 (dynamic) and 2 (static) are accepted")
    if head[PARENT_UUIDS_AT:PARENT_UUIDS_END].strip(b"\0") and header.kind in (DYNAMIC, STATIC):
        yield Hazard(DIFFERENCING, PARENT_UUIDS_AT, f"the {KINDS[header.kind]} image has the UUID of a parent")
    if header.header_size not in HEADER_SIZES:
        raise MalformedImage(VERSION, 72, f"the header has {header.header_size} bytes; 384 and 400 are known")
    if header.sector_size != SECTOR:
        raise MalformedImage(SECTOR_SIZE, 0x168, f"sectors have {header.sector_size} bytes; 512 is accepted")
    if header.size == 0:
        raise MalformedImage(SIZE, SIZE_AT, "the disk has 0 bytes")
    block_size = header.block_size
    if block_size & (block_size - 1) or not 64 << 10 <= block_size <= 256 << 20:
        message = f"the block size is {block_size}; powers of two from 65536 to 268435456 are accepted"
        raise MalformedImage(BLOCK_SIZE, 0x178, message)
    if header.block_extra:
        raise MalformedImage(BLOCK_SIZE, 0x17C, f"each block has {header.block_extra} extra bytes; 0 are accepted")


def _check_layout(stream: Stream, header: Header) -> None:
    needed = -(-header.size // header.block_size)
    if header.blocks != needed:
        message = f"the block map has {header.blocks} entries; a disk of {header.size} bytes has {needed} blocks"
        raise MalformedImage(TABLE_SIZE, 0x180, message)
    if header.stored > header.blocks:
        message = f"{header.stored} blocks are stored, of a disk that has {header.blocks}"
        raise MalformedImage(BLOCK_COUNT, 0x184, message)
    if header.map_at < HEADER_AT + header.header_size or header.map_at % 4:
        raise MalformedImage(TABLE_PLACE, 0x154, f"the block map at {header.map_at} lies over the header, or unaligned")
    map_end = header.map_at + 4 * header.blocks
    if header.data_at < map_end or header.data_at % SECTOR:
        message = f"the data begin at {header.data_at}; the block map ends at {map_end}, and sectors have 512 bytes"
        raise MalformedImage(TABLE_PLACE, 0x158, message)
    end = header.data_at + header.stored * header.block_size
    if stream.size is not None:
        _compare_ends(stream.size, end, header)


def _compare_ends(size: int, end: int, header: Header) -> None:
    if size < end:
        message = f"the {header.stored} stored blocks end at byte {end}; the file has {size}"
        raise MalformedImage(TRUNCATED, 0x184, message)
    if size > end:
        message = f"the {header.stored} stored blocks end at byte {end}; {size - end} bytes follow"
        raise MalformedImage(TRAILING_DATA, end, message)


def _read_map(header: Header) -> Inspection:
    overlaps = Overlaps(1)
    stored = 0
    for first in range(0, header.blocks, PIECE // 4):
        count = min(PIECE // 4, header.blocks - first)
        at = header.map_at + 4 * first
        piece = yield from read_whole(TRUNCATED, at, 4 * count, "the block map")
        if piece == UNSTORED_PIECE[: len(piece)]:
            continue
        entries = struct.unpack(f"<{count}I", piece)
        blocks = [entry for entry in entries if entry < FIRST_UNSTORED]
        stored += len(blocks)
        if blocks:
            _check_blocks(header, overlaps, entries, blocks, at)
    if header.kind == STATIC and stored != header.blocks:
        message = f"a static image stores all of its {header.blocks} blocks; the block map has {stored}"
        raise MalformedImage(BLOCK_COUNT, header.map_at, message)


def _check_blocks(header: Header, overlaps: Overlaps, entries: Sequence[int], blocks: list[int], at: int) -> None:
    highest = max(blocks)
    block_offset(header, at + 4 * entries.index(highest), highest)
    position = overlaps.find_overlap(blocks, BLOCK_OVERLAP, at)
    if position is not None:
        block = blocks[position]
        entry = len(entries) - 1 - entries[::-1].index(block)
        raise MalformedImage(BLOCK_OVERLAP, at + 4 * entry, f"stored block {block} is named twice by the block map")


def _check_end(stream: Stream, header: Header) -> Inspection:
    yield Tail(0)
    _compare_ends(stream.size or 0, header.data_at + header.stored * header.block_size, header)
