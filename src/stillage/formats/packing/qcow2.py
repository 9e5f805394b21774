"""Writes a compressed QCOW2, zlib or zstd: the data first, each L2 table behind its data, the header at last.

The header names places that follow from the compressed sizes, so it is written over the first cluster in the end: the
output is a file, and cannot be sent while it is made.

Of the specification it takes: version 3, clusters of 64 KiB, refcounts of 16 bits. Compressed clusters lie one behind
the other at any byte, so several share a host cluster, and each counts in its refcount. A cluster that does not get
smaller is stored as it is. The last cluster is a whole one, filled with zeros. Deflate streams refer back at most
4 KiB, as those of QEMU do.

Source: QEMU docs/interop/qcow2, "Header", "Host cluster management", "Cluster mapping" and its "Compressed Clusters
Descriptor". All integers are big-endian.
"""

from array import array
from collections.abc import Callable
from functools import partial

from stillage.errors import DiskDoesNotFit
from stillage.formats.base import SECTOR
from stillage.formats.codecs.compressing import DEFLATER, Compress, Deflater, zstd_frame
from stillage.formats.packing.base import Packet, Unit, padding, whole_units
from stillage.formats.qcow2.header import (
    COMPRESSIONS,
    HAS_COMPRESSION_TYPE,
    HEADER_BYTES,
    MAGIC,
    V2_FIELDS,
    V3_BYTES,
    V3_FIELDS,
)
from stillage.formats.qcow2.l2 import COMPRESSED, COPIED
from stillage.formats.qcow2.tables import MAX_L1_BYTES
from stillage.formats.tables.entries import to_big_endian

BATCH = 1 << 20
WINDOW_BITS = 12
CLUSTER_BITS = 16
REFCOUNT_ORDER = 4
HELD_BYTES = 4 << 20
"""Clusters that stay as they are need a host cluster of their own. They wait until the compressed ones reach the end of
one, or until they are so many: to begin a host cluster each time would waste half a cluster each time."""


def zlib_clusters(deflater: Deflater = DEFLATER) -> Compress:
    return partial(deflater.bare, window_bits=WINDOW_BITS)


CODECS: dict[str, Callable[[], Compress]] = {"zlib": zlib_clusters, "zstd": lambda: zstd_frame}


class PackedQcow2:
    """A packer of one disk of *size* bytes.

    Args:
        size: Bytes of the disk, a multiple of 512.
        compression: ``zlib`` or ``zstd``.
        compress: Packs one cluster, in that compression; None takes the fastest way.
        cluster_bits: 9 to 21.

    Raises:
        DiskDoesNotFit: If the tables would be larger than QEMU reads.
    """

    def __init__(
        self, size: int, compression: str = "zlib", compress: Compress | None = None, cluster_bits: int = CLUSTER_BITS
    ) -> None:
        per_table = (1 << cluster_bits) // 8
        limit = MAX_L1_BYTES // 8 * per_table << cluster_bits
        if size > limit:
            raise DiskDoesNotFit(f"a qcow2 with clusters of {1 << cluster_bits} bytes", limit, size)
        self._size = size
        self._compression = compression
        self._compress = compress or CODECS[compression]()
        self._bits = cluster_bits
        self._cluster = 1 << cluster_bits
        self._sectors_shift = 62 - (cluster_bits - 8)
        self.batch = max(BATCH, self._cluster)
        self._at = self._cluster
        self._refcounts = array("H", [1])
        self._per_table = per_table
        self._l1 = array("Q", bytes(8 * -(-size // (per_table << cluster_bits))))
        self._l2 = array("Q", bytes(self._cluster))
        self._table = 0
        self._is_empty = True
        self._held: list[Unit] = []
        self._header = b""

    def head(self) -> bytes:
        return bytes(self._cluster)

    def pack(self, at: int, guest: memoryview) -> Packet:
        return [self.unit(number, cluster) for number, cluster in whole_units(at, guest, self._cluster)]

    def unit(self, number: int, cluster: memoryview) -> Unit:
        """Pack one whole cluster."""
        packed = self._compress(cluster)
        return Unit(number, packed) if len(packed) < self._cluster else Unit(number, bytes(cluster), is_packed=False)

    def place(self, packet: Packet) -> bytes:
        return b"".join([piece for unit in packet for piece in self._place_unit(unit)])

    def tail(self) -> bytes:
        pieces = [*self._close_table(), *self._aligned()]
        l1_at = self._at
        pieces.append(self._taken(to_big_endian(self._l1)))
        pieces += self._aligned()
        table_at, table_clusters, refcounts = self._refcount_structures()
        self._header = self._header_of(l1_at, table_at, table_clusters)
        return b"".join([*pieces, *refcounts])

    def patches(self) -> list[tuple[int, bytes]]:
        return [(0, self._header)]

    def _place_unit(self, unit: Unit) -> list[bytes]:
        table, slot = divmod(unit.number, self._per_table)
        pieces = [] if table == self._table else self._close_table()
        self._table = table
        self._is_empty = False
        if not unit.is_packed:
            self._held.append(unit)
            return pieces + (self._place_held() if len(self._held) * self._cluster >= HELD_BYTES else [])
        room = -self._at % self._cluster
        if self._held and room < min(len(unit.data), self._cluster // 32):
            pieces += self._place_held()
        # A descriptor counts the sectors behind the one in which the data begin.
        sectors = (self._at % SECTOR + len(unit.data) - 1) // SECTOR
        self._l2[slot] = COMPRESSED | sectors << self._sectors_shift | self._at
        return [*pieces, self._taken(unit.data)]

    def _place_held(self) -> list[bytes]:
        pieces = self._aligned()
        for unit in self._held:
            self._l2[unit.number % self._per_table] = COPIED | self._at
            pieces.append(self._taken(unit.data))
        self._held.clear()
        return pieces

    def _close_table(self) -> list[bytes]:
        """The L2 table of the clusters since the last one, at the end of its data; nothing if there were none."""
        if self._is_empty:
            return []
        pieces = [*self._place_held(), *self._aligned()]
        self._l1[self._table] = COPIED | self._at
        pieces.append(self._taken(to_big_endian(self._l2)))
        self._l2 = array("Q", bytes(self._cluster))
        self._is_empty = True
        return pieces

    def _taken(self, data: bytes) -> bytes:
        """Count *data* in the refcounts of all host clusters that it touches."""
        first, last = self._at >> self._bits, (self._at + len(data) - 1) >> self._bits
        self._refcounts.frombytes(bytes(2 * max(0, last + 1 - len(self._refcounts))))
        for cluster in range(first, last + 1):
            self._refcounts[cluster] += 1
        self._at += len(data)
        return data

    def _aligned(self) -> list[bytes]:
        gap = padding(self._at, self._cluster)
        self._at += len(gap)
        return [gap]

    def _refcount_structures(self) -> tuple[int, int, list[bytes]]:
        """The refcount table's place and clusters, and the blocks and the table, which count themselves as well."""
        per_block = self._cluster * 8 >> REFCOUNT_ORDER
        used, blocks, table = self._at >> self._bits, 0, 0
        while True:
            counted = used + blocks + table
            needed = -(-counted // per_block), -(-blocks * 8 // self._cluster) or 1
            if needed == (blocks, table):
                break
            blocks, table = needed
        self._refcounts.extend([1] * (blocks + table))
        self._refcounts.frombytes(bytes(2 * (blocks * per_block - len(self._refcounts))))
        places = array("Q", range(self._at, self._at + (blocks << self._bits), self._cluster))
        places.frombytes(bytes(table * self._cluster - 8 * blocks))
        table_at = self._at + (blocks << self._bits)
        return table_at, table, [to_big_endian(self._refcounts), to_big_endian(places)]

    def _header_of(self, l1_at: int, table_at: int, table_clusters: int) -> bytes:
        number = {name: number for number, name in COMPRESSIONS.items()}[self._compression]
        common = (MAGIC, 3, 0, 0, self._bits, self._size, 0, len(self._l1), l1_at, table_at, table_clusters, 0, 0)
        features = (HAS_COMPRESSION_TYPE if number else 0, 0, 0)
        header = V2_FIELDS.pack(*common) + V3_FIELDS.pack(*features, REFCOUNT_ORDER, HEADER_BYTES)
        return header + bytes([number]).ljust(HEADER_BYTES - V3_BYTES, b"\0")
