"""Make a dynamic VHDX of a disk.

Source: Microsoft, [MS-VHDX] 2.2 "Header Section", 2.3 "Log", 2.5 "BAT", 2.6 "Metadata Region". All integers are
little-endian, GUIDs are stored in Microsoft's mixed order.
"""

import struct
from functools import partial

from stillage.formats.block_map import BlockMap
from stillage.formats.codecs.crc32c import crc32c
from stillage.formats.tables.entries import to_little_endian
from stillage.formats.vhdx.bat import PRESENT
from stillage.formats.vhdx.header import (
    BAT,
    DISK_ID,
    DISK_SIZE,
    FILE_PARAMETERS,
    HEADER_FIELDS,
    HEADER_SIZE,
    HEADERS_AT,
    ITEM_FIELDS,
    LOGICAL_SECTOR,
    METADATA_REGION,
    MIB,
    NIL,
    PHYSICAL_SECTOR,
    REGION_FIELDS,
    REGION_TABLES_AT,
    REQUIRED_ITEM,
    REQUIRED_REGION,
    TABLE_SIZE,
)
from stillage.formats.vhdx.inspect import MAX_SIZE, SIGNATURE
from stillage.formats.views.base import (
    CLUSTER,
    Blocks,
    Fixed,
    Sections,
    Tables,
    Target,
    View,
    numbers,
    round_up,
)

VERSION = 1
LOG_AT, METADATA_AT, BAT_AT = MIB, 2 * MIB, 3 * MIB
MOST_ENTRIES = 4 << 20
"""Of the BAT: 32 MiB. Larger disks get larger blocks; 1 MiB suits file systems of Linux best."""
ABSENT = 2  # the state of a block that is zeros
STATE_BITS = 20  # of an entry, below the number of the MiB
DISK_ITEM = 2  # flag of a metadata item: it is of the virtual disk, not of the file
CREATOR = "Stillage"
SECTOR, PHYSICAL = 512, 4096


def view(target: Target) -> View:
    target.require_at_most(MAX_SIZE, "a vhdx")
    block = block_size(target.size)
    data = target.data.coarser(block // CLUSTER)
    chunk = (SECTOR << 23) // block
    # A disk without a parent has no sector bitmaps. Their entries are there, after each chunk but the last.
    entries = data.blocks + (data.blocks - 1) // chunk
    bat_bytes = round_up(8 * entries, MIB)
    return Sections(
        *_front(target, bat_bytes),
        Fixed(_metadata_table(), TABLE_SIZE),
        Fixed(_metadata(target, block), MIB - TABLE_SIZE),
        Tables(entries, 8, partial(_bat, data, chunk, BAT_AT + bat_bytes)),
        Fixed(b"", bat_bytes - 8 * entries),
        Blocks(data),
    )


def block_size(size: int) -> int:
    block = MIB
    while size > block * MOST_ENTRIES:
        block *= 2
    return block


def _front(target: Target, bat_bytes: int) -> list[Fixed]:
    """File identifier, two headers, two region tables, and a log without entries."""
    regions = _region_table(bat_bytes)
    identifier = SIGNATURE + CREATOR.encode("utf-16-le")
    one, other = (Fixed(_header(target, sequence), HEADERS_AT[0]) for sequence in (1, 2))
    tables = [Fixed(regions, TABLE_SIZE) for _ in REGION_TABLES_AT]
    behind = LOG_AT - REGION_TABLES_AT[-1] - TABLE_SIZE
    return [Fixed(identifier, HEADERS_AT[0]), one, other, *tables, Fixed(b"", behind + METADATA_AT - LOG_AT)]


def _header(target: Target, sequence: int) -> bytes:
    file_id, data_id = (target.uuid(what).bytes_le for what in ("vhdx file", "vhdx data"))
    fields = HEADER_FIELDS.pack(b"head", 0, sequence, file_id, data_id, NIL, 0, 1, METADATA_AT - LOG_AT, LOG_AT)
    return _with_checksum(fields.ljust(HEADER_SIZE, b"\0"))


def _region_table(bat_bytes: int) -> bytes:
    regions = [(BAT, BAT_AT, bat_bytes), (METADATA_REGION, METADATA_AT, MIB)]
    table = struct.pack("<4sIII", b"regi", 0, len(regions), 0)
    table += b"".join(REGION_FIELDS.pack(*region, REQUIRED_REGION) for region in regions)
    return _with_checksum(table.ljust(TABLE_SIZE, b"\0"))


def _with_checksum(data: bytes) -> bytes:
    return data[:4] + crc32c(data).to_bytes(4, "little") + data[8:]


ITEMS = (
    (FILE_PARAMETERS, 8, 0),
    (DISK_SIZE, 8, DISK_ITEM),
    (LOGICAL_SECTOR, 4, DISK_ITEM),
    (PHYSICAL_SECTOR, 4, DISK_ITEM),
    (DISK_ID, 16, DISK_ITEM),
)


def _metadata_table() -> bytes:
    table = struct.pack("<8sHH20x", b"metadata", 0, len(ITEMS))
    at = TABLE_SIZE
    for kind, length, flags in ITEMS:
        table += ITEM_FIELDS.pack(kind, at, length, flags | REQUIRED_ITEM)
        at += length
    return table


def _metadata(target: Target, block: int) -> bytes:
    return struct.pack("<IIQII16s", block, 0, target.size, SECTOR, PHYSICAL, target.uuid("vhdx disk").bytes_le)


def _bat(data: BlockMap, chunk: int, data_at: int, first: int, count: int) -> bytes:
    base = data_at // MIB << STATE_BITS | PRESENT
    step = data.block // MIB << STATE_BITS
    every = chunk + 1  # the last of so many is the entry of a sector bitmap
    block = first - first // every
    entries = numbers(data, block, count, "Q", base=base, step=step, absent=ABSENT)
    for bitmap in range(chunk - first % every, count, every):
        entries.insert(bitmap, 0)
    return to_little_endian(entries[:count])
