"""Raw disks: whatever no other format claims; find partition tables (MBR, GPT) and LUKS.

A raw image has no header of its own, so this inspector matches every stream and `formats.safety` lets any other match
take precedence. The virtual size is the length of the file, in whole sectors. What the guest will find first is told
as the subformat: a partition table, or a LUKS container.

Source: UEFI Specification 2.10, 5.2.1 "Legacy MBR" and 5.3.2 "GPT Header".
"""

import struct
import zlib

from stillage.formats import luks
from stillage.formats.base import Facts, Inspection, Region, Stream, Tail, whole_sectors

FORMAT = "raw"
RULES = luks.RULES

BOOT_SIGNATURE = b"\x55\xaa"
PARTITION = struct.Struct("<B3xB3xII")  # boot indicator, type, first sector, sectors
GPT_HEADER = struct.Struct("<8sIII")
SECTOR_SIZES = (512, 4096)
HEAD = 2 * max(SECTOR_SIZES)


def inspect(stream: Stream) -> Inspection:
    yield Facts(FORMAT, virtual_size=whole_sectors(stream.size))
    head = yield Region(0, HEAD)
    if head.startswith(luks.MAGIC):
        yield from _container(head, stream)
        return
    subformat = partition_table(head)
    yield Facts(FORMAT, virtual_size=whole_sectors(stream.size), subformat=subformat)
    yield Tail(0)
    yield Facts(FORMAT, virtual_size=whole_sectors(stream.size), subformat=subformat)


def _container(head: bytes, stream: Stream) -> Inspection:
    yield Facts(FORMAT, subformat="luks")
    yield luks.encrypted(head)
    area = luks.json_area(head)
    before = luks.payload_offset(head, (yield area) if area else b"")
    details = {"luks_version": str(luks.version(head))}
    yield Tail(0)
    size = whole_sectors(stream.size)
    inside = None if size is None else max(0, size - before)
    yield Facts(FORMAT, virtual_size=inside, subformat="luks", details=details)


def partition_table(head: bytes) -> str:
    """Return ``gpt``, ``mbr``, or nothing, for the first sectors of a disk."""
    if any(is_gpt(head[size : 2 * size]) for size in SECTOR_SIZES):
        return "gpt"
    return "mbr" if _is_mbr(head[:512]) else ""


def is_gpt(sector: bytes) -> bool:
    if len(sector) < 512:
        return False
    size: int
    checksum: int
    signature, _, size, checksum = GPT_HEADER.unpack_from(sector)
    if signature != b"EFI PART" or not 92 <= size <= 512:
        return False
    return checksum == zlib.crc32(sector[:16] + bytes(4) + sector[20:size])


def _is_mbr(sector: bytes) -> bool:
    if len(sector) < 512 or not sector.endswith(BOOT_SIGNATURE):
        return False
    partitions = list(PARTITION.iter_unpack(sector[446:510]))
    # Boot sectors of file systems carry the signature too, with code or text where the table would be.
    return all(status in (0, 0x80) for status, *_ in partitions) and any(
        kind and first and sectors for _, kind, first, sectors in partitions
    )
