"""Reads the disk of a VHD image, fixed or dynamic.

A block of a dynamic disk has a bitmap in front, one bit for each sector: 1 says that it was written. The specification
lets the others be zeros, and QEMU reads what the file has there. Where that is not zeros, two programs would see two
disks, so the image is not read.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 11 2006: "Block Allocation Table
and Data Blocks".
"""

import re
from collections.abc import Generator
from functools import partial

from stillage.formats.base import SECTOR, MalformedImage, Region, Rule, Steps, Stream
from stillage.formats.disk import Charting, Disk, Stored, Zeros, tolerating
from stillage.formats.raw.read import RawDisk
from stillage.formats.tables import levels
from stillage.formats.tables.bounds import read_whole
from stillage.formats.tables.entries import big_endian_32
from stillage.formats.vhd.header import (
    CHECKSUM,
    COOKIE,
    FOOTER_SIZE,
    GEOMETRY,
    PARENT,
    REWRITE,
    SAVED_STATE,
    TRUNCATED,
)
from stillage.formats.vhd.inspect import Table, is_stored, read_dynamic, read_fixed

UNWRITTEN_DATA = Rule(
    "vhd.unwritten-data", "Sectors that a block's bitmap calls unwritten hold data: some programs see it.", REWRITE
)
# A parent that is named is not used: the disk type says so. Of two sizes the larger one is the disk's.
READABLE = (CHECKSUM, SAVED_STATE, GEOMETRY, PARENT)
PIECE = 256 << 10
ZEROS = bytes(PIECE)
RUN = re.compile("0+|1+")


def chart(stream: Stream) -> Steps[Disk]:
    head = yield Region(0, FOOTER_SIZE)
    if not head.startswith(COOKIE):
        fixed = yield from tolerating(READABLE, read_fixed(stream))
        return RawDisk(fixed.virtual_size, fixed.size)
    footer, table = yield from tolerating(READABLE, read_dynamic(stream, head))
    return DynamicDisk(footer.virtual_size, table)


class DynamicDisk:
    """The disk that the block allocation table of a dynamic image describes."""

    unit = 1
    in_order = False

    def __init__(self, size: int, table: Table) -> None:
        self.size = size
        self._table = table

    def extents(self, first: int, length: int) -> Charting:
        table, end = self._table, min(first + length, self.size)
        blocks = partial(self._blocks, first, end)
        entries = levels.Table(table.offset, 4, table.block_size, blocks, TRUNCATED, "the block allocation table")
        return entries.extents(first, end)

    def _blocks(self, first: int, end: int, at: int, _piece_at: int, piece: bytes) -> Charting:
        size = self._table.block_size
        for entry in big_endian_32(piece):
            if is_stored(entry):
                yield from self._block(entry * SECTOR, at, max(first, at), min(end, at + size))
            else:
                yield Zeros(at, size)
            at += size

    def _block(self, bitmap_at: int, at: int, first: int, end: int) -> Charting:
        """What lies from *first* to *end* of the block that begins at *at* on the disk."""
        begin, stop = (first - at) // SECTOR, -((at - end) // SECTOR)
        bits = yield from _written(bitmap_at, begin, stop)
        data_at = bitmap_at + self._table.bitmap * SECTOR
        for run in RUN.finditer(bits):
            inside, length = (begin + run.start()) * SECTOR, len(run[0]) * SECTOR
            if run[0][0] == "1":
                yield Stored(at + inside, length, data_at + inside)
            else:
                yield from _check_zeros(data_at + inside, length)
                yield Zeros(at + inside, length)


def _written(bitmap_at: int, begin: int, stop: int) -> Generator[Region, bytes, str]:
    """The bits of the sectors from *begin* to *stop*, as text."""
    start = begin // 8
    bitmap = yield from read_whole(TRUNCATED, bitmap_at + start, -(-stop // 8) - start, "a block's bitmap")
    bits = f"{int.from_bytes(bitmap):0{8 * len(bitmap)}b}"
    return bits[begin - 8 * start : stop - 8 * start]


def _check_zeros(offset: int, length: int) -> Generator[Region, bytes, None]:
    for at in range(offset, offset + length, PIECE):
        size = min(PIECE, offset + length - at)
        piece = yield from read_whole(TRUNCATED, at, size, "a block")
        if piece != ZEROS[:size]:
            message = f"sectors from byte {at} on are marked as not written, and hold data"
            raise MalformedImage(UNWRITTEN_DATA, at, message)
