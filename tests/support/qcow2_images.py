"""Small QCOW2 images, built field by field so that one of them can be wrong."""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

COPIED, COMPRESSED = 1 << 63, 1 << 62


def entries(*values: int) -> bytes:
    return struct.pack(f">{len(values)}Q", *values)


def extension(kind: int, data: bytes) -> bytes:
    return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)


@dataclass
class Qcow2:
    """Header, refcount table, refcount block, L1 table, one L2 table, then data; a cluster each.

    Attributes:
        l2: Entries of the L2 table; data clusters start at `DATA`.
        clusters: Clusters of data that follow the L2 table.
        more: Bytes written over the image, by offset.
    """

    version: int = 3
    cluster_bits: int = 16
    size: int = 4 << 20
    backing: tuple[int, int] = (0, 0)
    encryption: int = 0
    l1_entries: int = 1
    l1_cluster: int = 3
    l1: Iterable[int] | None = None
    l2: Iterable[int] = ()
    clusters: int = 4
    refcount_clusters: int = 1
    refcount_table: Iterable[int] | None = None
    snapshots: tuple[int, int] = (0, 0)
    incompatible: int = 0
    compatible: int = 0
    autoclear: int = 0
    refcount_order: int = 4
    header_length: int = 112
    compression: int = 0
    extensions: bytes = b""
    more: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def cluster(self) -> int:
        return 1 << self.cluster_bits

    def at(self, number: int) -> int:
        return number * self.cluster

    def build(self) -> bytes:
        cluster = self.cluster
        header = struct.pack(
            ">4sIQIIQIIQQIIQ",
            b"QFI\xfb",
            self.version,
            *self.backing,
            self.cluster_bits,
            self.size,
            self.encryption,
            self.l1_entries,
            self.l1_cluster * cluster,
            cluster,
            self.refcount_clusters,
            *self.snapshots,
        )
        if self.version == 3:
            header += struct.pack(
                ">QQQII", self.incompatible, self.compatible, self.autoclear, self.refcount_order, self.header_length
            )
            header += bytes([self.compression]) + bytes(7)
        image = bytearray((5 + self.clusters) * cluster)
        parts = {
            0: header + self.extensions,
            cluster: entries(*(self.refcount_table or [2 * cluster])),
            3 * cluster: entries(*([COPIED | 4 * cluster] if self.l1 is None else self.l1)),
            4 * cluster: entries(*self.l2),
        }
        for offset, part in (parts | dict(self.more)).items():
            image[offset : offset + len(part)] = part
        return bytes(image)
