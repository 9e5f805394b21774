"""Make a QCOW image (version 1, not compressed) of a disk.

Source: libyal/libqcow, "QEMU Copy-On-Write file format", sections on format version 1. All integers are big-endian.
"""

from functools import partial

from stillage.formats.block_map import BlockMap
from stillage.formats.qcow.inspect import HEADER, MAGIC, MAX_L1_BYTES
from stillage.formats.tables.entries import to_big_endian
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
    round_up,
)

VERSION = 1
CLUSTER_BITS, L2_BITS = 16, 13  # the largest that every reader takes
L2_ENTRIES = 1 << L2_BITS


def view(target: Target) -> View:
    target.require_at_most(MAX_L1_BYTES // 8 * L2_ENTRIES * CLUSTER, "a qcow with clusters of 64 KiB")
    data, tables = target.data, target.data.coarser(L2_ENTRIES)
    # The L1 table follows the header in the same cluster.
    l1_end = HEADER.size + 8 * tables.blocks
    l2_at = round_up(l1_end, CLUSTER)
    data_at = l2_at + tables.count * CLUSTER
    head = HEADER.pack(
        MAGIC, 0, 0, int(target.made_at.timestamp()), target.size, CLUSTER_BITS, L2_BITS, 0, 0, HEADER.size
    )
    return Sections(
        Fixed(head, HEADER.size),
        Tables(tables.blocks, 8, partial(_entries, tables, l2_at)),
        Fixed(b"", l2_at - l1_end),
        Tables(tables.count * L2_ENTRIES, 8, partial(_l2, data, tables, data_at)),
        Blocks(data),
    )


def _entries(data: BlockMap, at: int, first: int, count: int) -> bytes:
    return to_big_endian(numbers(data, first, count, "Q", base=at, step=CLUSTER))


def _l2(data: BlockMap, tables: BlockMap, at: int, first: int, count: int) -> bytes:
    return _entries(data, at, entry_of_stored_table(tables, L2_ENTRIES, first), count)
