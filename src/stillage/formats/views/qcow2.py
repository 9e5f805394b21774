"""Make a QCOW2 image (version 3, not compressed) of a disk.

Header, refcount table, refcount blocks, L1 table, L2 tables, data, each in whole clusters and without gaps, so every
cluster of the file is used once.

Source: QEMU docs/interop/qcow2, "Header", "Host cluster management", "L1 table entry", "Standard cluster descriptor".
All integers are big-endian.
"""

import struct
from functools import partial

from stillage.formats.block_map import BlockMap
from stillage.formats.qcow2.header import COMPRESSION_AT, HEADER_BYTES, MAGIC, V2_FIELDS, V3_FIELDS
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
)

VERSION = 1
CLUSTER_BITS = 16
L2_ENTRIES = CLUSTER // 8
REFCOUNT_ORDER = 4
REFCOUNTS = CLUSTER // 2  # of one block
MAX_L1_ENTRIES = (32 << 20) // 8  # what QEMU reads
COPIED = 1 << 63
"""Bit of an entry: its cluster has a refcount of 1."""


def view(target: Target) -> View:
    target.require_at_most(MAX_L1_ENTRIES * L2_ENTRIES * CLUSTER, "a qcow2 with clusters of 64 KiB")
    data, tables = target.data, target.data.coarser(L2_ENTRIES)
    l1_entries = max(1, tables.blocks)
    l1_clusters = _clusters(8 * l1_entries)
    table_clusters, blocks = _refcount_clusters(1 + l1_clusters + tables.count + data.count)
    l1_at = 1 + table_clusters + blocks
    l2_at = l1_at + l1_clusters
    used = l2_at + tables.count + data.count
    head = _header(target.size, l1_entries, l1_at * CLUSTER, table_clusters)
    return Sections(
        Fixed(head, CLUSTER),
        Tables(table_clusters * L2_ENTRIES, 8, partial(_refcount_table, 1 + table_clusters, blocks)),
        Tables(blocks * REFCOUNTS, 2, partial(_refcounts, used)),
        Tables(l1_clusters * L2_ENTRIES, 8, partial(_entries, tables, l2_at)),
        Tables(tables.count * L2_ENTRIES, 8, partial(_l2, data, tables, l2_at + tables.count)),
        Blocks(data),
    )


def _clusters(length: int) -> int:
    return -(-length // CLUSTER)


def _refcount_clusters(others: int) -> tuple[int, int]:
    """Return the clusters of the refcount table and of its blocks, which count themselves beside the *others*."""
    table, blocks = 1, 1
    while True:
        needed = -(-(others + table + blocks) // REFCOUNTS)
        if (_clusters(8 * needed), needed) == (table, blocks):
            return table, blocks
        table, blocks = _clusters(8 * needed), needed


def _header(size: int, l1_entries: int, l1_at: int, table_clusters: int) -> bytes:
    common = V2_FIELDS.pack(MAGIC, 3, 0, 0, CLUSTER_BITS, size, 0, l1_entries, l1_at, CLUSTER, table_clusters, 0, 0)
    head = common + V3_FIELDS.pack(0, 0, 0, REFCOUNT_ORDER, HEADER_BYTES)
    return head + bytes(HEADER_BYTES - COMPRESSION_AT)


def _refcount_table(first_block: int, blocks: int, first: int, count: int) -> bytes:
    inside = max(0, min(count, blocks - first))
    entries = ((first_block + first + number) * CLUSTER for number in range(inside))
    return struct.pack(f">{inside}Q", *entries) + bytes(8 * (count - inside))


def _refcounts(used: int, first: int, count: int) -> bytes:
    inside = max(0, min(count, used - first))
    return b"\0\1" * inside + bytes(2 * (count - inside))


def _entries(data: BlockMap, cluster: int, first: int, count: int) -> bytes:
    entries = numbers(data, first, count, "Q", base=COPIED + cluster * CLUSTER, step=CLUSTER)
    return to_big_endian(entries)


def _l2(data: BlockMap, tables: BlockMap, cluster: int, first: int, count: int) -> bytes:
    return _entries(data, cluster, entry_of_stored_table(tables, L2_ENTRIES, first), count)
