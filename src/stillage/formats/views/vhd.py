"""Make a VHD of a disk: dynamic, or fixed, which is the raw disk with a footer behind it.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 11 2006: "Hard Disk Footer
Format", "Dynamic Disk Header Format", "Block Allocation Table and Data Blocks", "Appendix: CHS Calculation". All
integers are big-endian.
"""

from datetime import UTC, datetime
from functools import partial

from stillage.formats.base import SECTOR
from stillage.formats.block_map import BlockMap
from stillage.formats.tables.entries import to_big_endian
from stillage.formats.vhd.geometry import geometry_of
from stillage.formats.vhd.header import (
    COOKIE,
    DYNAMIC,
    FIXED,
    FOOTER_CHECKSUM_AT,
    FOOTER_FIELDS,
    FOOTER_SIZE,
    HEADER_CHECKSUM_AT,
    HEADER_COOKIE,
    HEADER_FIELDS,
    HEADER_SIZE,
    RESERVED,
    VERSION_1,
)
from stillage.formats.vhd.inspect import FREE
from stillage.formats.views.base import (
    CLUSTER,
    Blocks,
    Fixed,
    Sections,
    Tables,
    Target,
    View,
    Whole,
    numbers,
    round_up,
)

VERSION = 1
BLOCK = 2 << 20
LARGEST = 2040 << 30  # bytes; what Windows, Azure and QEMU open
TABLE_AT = FOOTER_SIZE + HEADER_SIZE
BITMAP = b"\xff" * (BLOCK // SECTOR // 8)
"""All sectors of a stored block are valid."""
# Of this creator every reader believes the size. Of most others QEMU believes the geometry, which is often smaller.
CREATOR, CREATOR_VERSION, CREATOR_HOST = b"win ", 0x000A0000, b"Wi2k"
NOWHERE = (1 << 64) - 1
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MOST_SECONDS = (1 << 32) - 1


def fixed(target: Target) -> View:
    target.require_at_most(LARGEST, "a vhd")
    return Sections(Whole(target.size), Fixed(_footer(target, FIXED, NOWHERE), FOOTER_SIZE))


def dynamic(target: Target) -> View:
    target.require_at_most(LARGEST, "a vhd")
    data = target.data.coarser(BLOCK // CLUSTER)
    table_bytes = 4 * data.blocks
    data_at = round_up(TABLE_AT + table_bytes, SECTOR)
    footer = _footer(target, DYNAMIC, FOOTER_SIZE)
    return Sections(
        Fixed(footer, FOOTER_SIZE),
        Fixed(_header(data.blocks), HEADER_SIZE),
        Tables(data.blocks, 4, partial(_table, data, data_at // SECTOR)),
        Fixed(b"\xff" * (data_at - TABLE_AT - table_bytes), data_at - TABLE_AT - table_bytes),
        Blocks(data, BITMAP),
        Fixed(footer, FOOTER_SIZE),
    )


def _footer(target: Target, kind: int, header_at: int) -> bytes:
    made_at = min(max(0, int((target.made_at - EPOCH).total_seconds())), MOST_SECONDS)
    footer = FOOTER_FIELDS.pack(
        COOKIE,
        RESERVED,
        VERSION_1,
        header_at,
        made_at.to_bytes(4, "big"),
        CREATOR,
        CREATOR_VERSION,
        CREATOR_HOST,
        target.size,
        target.size,
        *geometry_of(target.size),
        kind,
        0,
        target.uuid("vhd").bytes,
        0,
    )
    return _with_checksum(footer, FOOTER_CHECKSUM_AT).ljust(FOOTER_SIZE, b"\0")


def _header(blocks: int) -> bytes:
    header = HEADER_FIELDS.pack(
        HEADER_COOKIE, NOWHERE, TABLE_AT, VERSION_1, blocks, BLOCK, 0, bytes(16), 0, 0, bytes(512)
    )
    return _with_checksum(header, HEADER_CHECKSUM_AT).ljust(HEADER_SIZE, b"\0")


def _with_checksum(data: bytes, at: int) -> bytes:
    """Set the checksum of *data*, which has zeros in its place."""
    return data[:at] + (~sum(data) & 0xFFFFFFFF).to_bytes(4, "big") + data[at + 4 :]


def _table(data: BlockMap, first_sector: int, first: int, count: int) -> bytes:
    stride = (len(BITMAP) + BLOCK) // SECTOR
    return to_big_endian(numbers(data, first, count, "I", base=first_sector, step=stride, absent=FREE))
