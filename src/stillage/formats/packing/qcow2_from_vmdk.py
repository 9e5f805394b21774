"""Moves the grains of a stream-optimized VMDK into a compressed QCOW2 without expanding them.

A grain is a zlib stream: two bytes, a deflate stream, four bytes of checksum. The deflate stream is what a compressed
cluster is, whatever its length, since clusters may begin at any byte. So the clusters are as large as the grains.

Two things follow. Damage inside a grain is moved along, as nothing is expanded. And a stream may refer back 32 KiB, as
RFC 1951 and the specification of QCOW2 allow, while QEMU writes 4 KiB. QEMU reads such clusters, as it expands each
in one call; a reader that expands with a window of 4 KiB piece by piece does not.

Source: VMware, "Virtual Disk Format 5.0", "Stream-Optimized Compressed Sparse Extents"; QEMU docs/interop/qcow2,
"Compressed Clusters Descriptor"; RFC 1950.
"""

from stillage.formats.disk import Disk, Packed
from stillage.formats.packing.base import Unit
from stillage.formats.packing.qcow2 import PackedQcow2
from stillage.formats.vmdk.read import DATA_AT, Grain, VmdkDisk
from stillage.formats.vmdk.stream_optimized import GRAIN, ZLIB_STARTS

SMALLEST, LARGEST = 1 << 9, 1 << 21  # clusters of qcow2
HEADER, CHECKSUM = 2, 4
DICTIONARY = 0x20  # in the second byte: the stream needs bytes that are not in it


def packer_for(disk: Disk) -> PackedQcow2 | None:
    """Return a packer whose clusters are as large as the grains of *disk*; None if it has none that can be moved."""
    if not isinstance(disk, VmdkDisk):
        return None
    bits = disk.unit.bit_length() - 1
    if disk.unit != 1 << bits or not SMALLEST <= disk.unit <= LARGEST:
        return None
    return PackedQcow2(disk.size, "zlib", cluster_bits=bits)


def moved(unit: Packed, record: bytes | memoryview, size: int) -> Unit | None:
    """Return the cluster that the grain in *record* becomes; None if it has to be expanded and compressed anew.

    Args:
        unit: The grain.
        record: Its bytes, and perhaps those that follow.
        size: Bytes of a cluster, and of a grain.
    """
    if not isinstance(unit.codec, Grain) or unit.length < size or len(record) < GRAIN.size:
        return None
    sector, length, start = GRAIN.unpack_from(record)
    data = record[DATA_AT : DATA_AT + length]
    is_whole = sector == unit.codec.sector and len(data) == length
    if not is_whole or start not in ZLIB_STARTS or start >> 8 & DICTIONARY:
        return None
    # One that does not get smaller stays as it is, as in any other qcow2.
    if not HEADER + CHECKSUM < length < size:
        return None
    return Unit(unit.at // size, bytes(data[HEADER:-CHECKSUM]))
