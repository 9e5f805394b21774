"""Make a QED image of a disk.

Source: QEMU docs/interop/qed_spec, "Header", "Tables". All integers are little-endian.
"""

from functools import partial

from stillage.formats.block_map import BlockMap
from stillage.formats.qed.inspect import HEADER, MAGIC
from stillage.formats.tables.entries import to_little_endian
from stillage.formats.views.base import (
    CLUSTER,
    Blocks,
    Fixed,
    Sections,
    Tables,
    Target,
    View,
    entry_of_stored_table,
    numbers,
)

VERSION = 1
TABLE_CLUSTERS = 4  # what QEMU makes
TABLE = TABLE_CLUSTERS * CLUSTER
ENTRIES = TABLE // 8


def view(target: Target) -> View:
    target.require_at_most(ENTRIES * ENTRIES * CLUSTER, "a qed with clusters of 64 KiB")
    data, tables = target.data, target.data.coarser(ENTRIES)
    l2_at = CLUSTER + TABLE
    data_at = l2_at + tables.count * TABLE
    head = HEADER.pack(MAGIC, CLUSTER, TABLE_CLUSTERS, 1, 0, 0, 0, CLUSTER, target.size, 0, 0)
    return Sections(
        Fixed(head, CLUSTER),
        Tables(ENTRIES, 8, partial(_entries, tables, l2_at, TABLE)),
        Tables(tables.count * ENTRIES, 8, partial(_l2, data, tables, data_at)),
        Blocks(data),
    )


def _entries(data: BlockMap, at: int, step: int, first: int, count: int) -> bytes:
    return to_little_endian(numbers(data, first, count, "Q", base=at, step=step))


def _l2(data: BlockMap, tables: BlockMap, at: int, first: int, count: int) -> bytes:
    return _entries(data, at, CLUSTER, entry_of_stored_table(tables, ENTRIES, first), count)
