"""Make a VMDK (monolithicSparse) of a disk.

Source: VMware, "Virtual Disk Format 5.0", "Hosted Sparse Extents". All integers are little-endian; places and lengths
are sectors of 512 bytes.
"""

from functools import partial

from stillage.errors import DiskDoesNotFit
from stillage.formats.base import SECTOR
from stillage.formats.block_map import BlockMap
from stillage.formats.tables.entries import to_little_endian
from stillage.formats.views.base import CLUSTER, Blocks, Fixed, Sections, Tables, Target, View, numbers, round_up
from stillage.formats.vmdk.header import LINE_END_FLAG, LINE_ENDS_BYTES, REDUNDANT_FLAG, Header, pack
from stillage.formats.vmdk.tables import GRAINS, MAX_TABLES, TABLE_SECTORS
from stillage.formats.vmdk.writing import DESCRIPTOR_SECTORS, descriptor_text

VERSION = 1
SUBFORMAT = "monolithicSparse"
GRAIN_SECTORS = CLUSTER // SECTOR
MOST_SECTORS = 1 << 32  # of the file: entries have 32 bits
REDUNDANT_AT = 1 + DESCRIPTOR_SECTORS


def view(target: Target) -> View:
    target.require_at_most(MAX_TABLES * GRAINS * CLUSTER, "a vmdk with grains of 64 KiB")
    data = target.data
    tables = -(-data.blocks // GRAINS)
    # Every table is there, as VMware has it, twice: behind the redundant directory and behind the other.
    directory_sectors = round_up(4 * tables, SECTOR) // SECTOR
    set_sectors = directory_sectors + tables * TABLE_SECTORS
    overhead = round_up(REDUNDANT_AT + 2 * set_sectors, GRAIN_SECTORS)
    end = overhead + data.count * GRAIN_SECTORS
    if end > MOST_SECTORS:
        raise DiskDoesNotFit("the file of a vmdk", MOST_SECTORS * SECTOR, end * SECTOR)
    grains = Tables(tables * GRAINS, 4, partial(_grains, data, overhead))
    return Sections(
        Fixed(_header(target, REDUNDANT_AT + set_sectors, overhead), SECTOR),
        Fixed(
            descriptor_text(SUBFORMAT, "RW", target.size // SECTOR, target.uuid("vmdk").bytes),
            DESCRIPTOR_SECTORS * SECTOR,
        ),
        Tables(directory_sectors * SECTOR // 4, 4, partial(_directory, tables, REDUNDANT_AT + directory_sectors)),
        grains,
        Tables(
            directory_sectors * SECTOR // 4,
            4,
            partial(_directory, tables, REDUNDANT_AT + set_sectors + directory_sectors),
        ),
        grains,
        Fixed(b"", (overhead - REDUNDANT_AT - 2 * set_sectors) * SECTOR),
        Blocks(data),
    )


def _header(target: Target, directory_at: int, overhead: int) -> bytes:
    return pack(
        Header(
            version=1,
            flags=LINE_END_FLAG | REDUNDANT_FLAG,
            capacity=target.size // SECTOR,
            grain=GRAIN_SECTORS,
            descriptor_at=1,
            descriptor_size=DESCRIPTOR_SECTORS,
            table_entries=GRAINS,
            redundant_at=REDUNDANT_AT,
            directory_at=directory_at,
            overhead=overhead,
            unclean=0,
            line_ends=LINE_ENDS_BYTES,
            compression=0,
        )
    )


def _directory(tables: int, first_table: int, first: int, count: int) -> bytes:
    entries = (first_table + number * TABLE_SECTORS if number < tables else 0 for number in range(first, first + count))
    return b"".join(entry.to_bytes(4, "little") for entry in entries)


def _grains(data: BlockMap, overhead: int, first: int, count: int) -> bytes:
    return to_little_endian(numbers(data, first, count, "I", base=overhead, step=GRAIN_SECTORS))
