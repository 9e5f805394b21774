"""What the entries of a QCOW2 image's L1 and L2 tables say: where a table, a cluster or compressed data lies.

The inspector and the reader both ask here, so that they cannot understand an entry in two ways.

Source: QEMU docs/interop/qcow2, "Cluster mapping", "Extended L2 Entries". All integers are big-endian.
"""

from stillage.formats.base import SECTOR, MalformedImage, Rule
from stillage.formats.qcow2.header import CONVERT, Header
from stillage.formats.tables.clusters import LayoutRules
from stillage.formats.tables.walk import PIECE

LAYOUT = LayoutRules.of("qcow2", CONVERT)
RESERVED = Rule(
    "qcow2.reserved-bits", "A table entry has bits set that the format reserves, so programs may disagree on it."
)

OFFSET = ((1 << 56) - 1) & ~0x1FF
COPIED, COMPRESSED = 1 << 63, 1 << 62
L1_RESERVED = 0x7F << 56 | 0x1FF
L2_RESERVED = 0x3F << 56 | 0x1FE
READS_AS_ZEROS = 1 << 0


def table_offset(at: int, entry: int) -> int:
    """Return where the L2 table is that the L1 entry at byte *at* names, zero if it names none."""
    if entry & L1_RESERVED:
        raise reserved_bits(at, "L1", entry, L1_RESERVED)
    return entry & OFFSET


class L2Entries:
    """How the L2 entries of one image are read."""

    def __init__(self, header: Header) -> None:
        self.extended = header.extended_l2
        self.entry_size = 16 if header.extended_l2 else 8
        self._cluster_size = header.cluster_size
        self._reserved = L2_RESERVED
        if header.version == 2 or header.extended_l2:
            self._reserved |= READS_AS_ZEROS
        self._misaligned = self._cluster_size - SECTOR
        self._unusual = _repeated(COMPRESSED | self._reserved | self._misaligned)
        self._packed_shift = 62 - (header.cluster_bits - 8)

    def are_plain(self, piece: bytes) -> bool:
        """True if no entry of *piece* is compressed, or anything but a cluster's offset. Not for extended entries."""
        return not int.from_bytes(piece, "big") & self._unusual

    def data_offset(self, at: int, entry: int) -> int:
        """Return where the guest data of an entry is that is not compressed, zero if it maps none."""
        if entry & self._reserved:
            raise reserved_bits(at, "L2", entry, self._reserved)
        if entry & self._misaligned:
            message = f"guest data starts at byte {entry & OFFSET}; the clusters have {self._cluster_size}"
            raise MalformedImage(LAYOUT.misaligned, at, message)
        if entry == COPIED and not self.extended:
            raise maps_header(at)
        return entry & OFFSET

    def stored_offset(self, at: int, entry: int) -> int:
        """Return where the guest reads the cluster of an entry that is not compressed, zero if it reads zeros."""
        offset = self.data_offset(at, entry)
        return 0 if entry & READS_AS_ZEROS else offset

    def packed_at(self, at: int, entry: int) -> tuple[int, int]:
        """Return the first byte of compressed data, and the byte behind the last sector that it touches."""
        offset = entry & ((1 << self._packed_shift) - 1)
        sectors = (entry & (COMPRESSED - 1)) >> self._packed_shift
        if entry & COPIED or offset >> 56:
            raise reserved_bits(at, "compressed L2", entry, COPIED | 0x3F << 56)
        return offset, (offset & -SECTOR) + (sectors + 1) * SECTOR

    def allocated_subclusters(self, at: int, entry: int, bitmap: int) -> int:
        """Return the bits of the subclusters, the first one lowest, that an extended entry at byte *at* stores."""
        allocated, zeros = bitmap & 0xFFFFFFFF, bitmap >> 32
        is_mapped = entry & OFFSET and not entry & COMPRESSED
        if allocated & zeros or (allocated and not is_mapped) or (bitmap and entry & COMPRESSED):
            message = f"subclusters {bitmap:#018x} do not go with the L2 entry {entry:#018x}"
            raise MalformedImage(RESERVED, at + 8, message)
        return allocated


def maps_header(at: int) -> MalformedImage:
    return MalformedImage(LAYOUT.overlap, at, "guest data is placed at byte 0, where the header is already")


def reserved_bits(at: int, table: str, entry: int, reserved: int) -> MalformedImage:
    message = f"the {table} entry is {entry:#018x}; its bits {entry & reserved:#x} are reserved"
    return MalformedImage(RESERVED, at, message)


def _repeated(mask: int) -> int:
    """Return *mask* for each entry of a piece: one AND tests them all."""
    return int.from_bytes(mask.to_bytes(8, "big") * (PIECE // 8), "big")
