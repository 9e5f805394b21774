"""Find the partitions of a disk: GPT, or MBR with its logical partitions.

Source: UEFI Specification 2.10, 5.2.1 "Legacy MBR", 5.3.2 "GPT Header", 5.3.3 "GPT Partition Entry Array".
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from stillage.formats.base import ReadAt
from stillage.formats.guids import written
from stillage.formats.printable import printable
from stillage.formats.raw.inspect import BOOT_SIGNATURE, HEAD, PARTITION, SECTOR_SIZES, is_gpt, partition_table

MOST = 128
"""Partitions that are listed. No disk of a machine has more."""
EXTENDED = (0x05, 0x0F, 0x85)
SECTOR = 512  # of an MBR; the table does not say
_GPT_ARRAY = struct.Struct("<72xQII")  # first sector, entries, bytes of one
_GPT_ENTRY = struct.Struct("<16s16sQQQ72s")
_LARGEST_ENTRY = 4096


class Partition(NamedTuple):
    """A partition.

    Attributes:
        number: As Linux counts them.
        first: Its first byte on the disk.
        length: In bytes. It may end behind the disk.
        kind: The type: a GUID, or two hexadecimal digits.
        name: What a GPT calls it.
    """

    number: int
    first: int
    length: int
    kind: str
    name: str = ""


def find_partitions(read_at: ReadAt) -> tuple[str, list[Partition]]:
    """Return ``gpt``, ``mbr`` or nothing, and the partitions of the disk that *read_at* reads."""
    head = read_at(0, HEAD)
    table = partition_table(head)
    if table == "gpt":
        sector = next(size for size in SECTOR_SIZES if is_gpt(head[size : 2 * size]))
        return table, list(_gpt(head[sector : 2 * sector], sector, read_at))
    return table, list(_mbr(head[:SECTOR], read_at)) if table else []


def _gpt(header: bytes, sector: int, read_at: ReadAt) -> Iterator[Partition]:
    first, entries, size = _GPT_ARRAY.unpack_from(header)
    if not _GPT_ENTRY.size <= size <= _LARGEST_ENTRY:
        return
    # Nobody stores bytes there, and the number must stay one of a file.
    array = read_at(first * sector, min(entries, MOST) * size) if first < 1 << 50 else b""
    for number in range(len(array) // size):
        kind, _, begin, last, _, name = _GPT_ENTRY.unpack_from(array, number * size)
        if kind != bytes(16) and begin <= last:
            text = name.decode("utf-16-le", "replace").partition("\0")[0]
            length = (last + 1 - begin) * sector
            yield Partition(number + 1, begin * sector, length, written(kind), printable(text))


def _mbr(sector: bytes, read_at: ReadAt) -> Iterator[Partition]:
    extended = None
    for number, (_, kind, first, sectors) in enumerate(PARTITION.iter_unpack(sector[446:510]), 1):
        if kind and sectors:
            yield Partition(number, first * SECTOR, sectors * SECTOR, f"{kind:02x}")
            if kind in EXTENDED and extended is None:
                extended = first
    if extended is not None:
        yield from _logical(extended, read_at)


def _logical(extended: int, read_at: ReadAt) -> Iterator[Partition]:
    """Follow the chain of sectors in the extended partition, forwards only."""
    at = extended
    for number in range(5, MOST):
        sector = read_at(at * SECTOR, SECTOR)
        if not sector.endswith(BOOT_SIGNATURE) or len(sector) < SECTOR:
            return
        (_, kind, first, sectors), (_, link, following, _) = PARTITION.iter_unpack(sector[446:478])
        if kind and sectors:
            yield Partition(number, (at + first) * SECTOR, sectors * SECTOR, f"{kind:02x}")
        if link not in EXTENDED or extended + following <= at:
            return
        at = extended + following
