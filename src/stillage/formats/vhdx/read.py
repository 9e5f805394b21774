"""Reads the disk of a VHDX image, dynamic or fixed. Source: Microsoft, [MS-VHDX] 2.5 "BAT"."""

import struct
from array import array

from stillage.formats.base import MalformedImage, Steps, Stream
from stillage.formats.disk import Charting, tolerating
from stillage.formats.tables.bounds import read_whole
from stillage.formats.tables.runs import place
from stillage.formats.vhdx.bat import BLOCK_PLACE, PIECE, TRUNCATED, Disk, is_stored, payload
from stillage.formats.vhdx.header import BAT, MIB
from stillage.formats.vhdx.inspect import PARENT, read_metadata, read_regions


def chart(_stream: Stream) -> "Steps[VhdxDisk]":
    regions, _ = yield from tolerating([PARENT], read_regions({}))
    disk = yield from tolerating([PARENT], read_metadata(regions, {}))
    return VhdxDisk(disk, regions[BAT].start)


class VhdxDisk:
    """The disk that the block allocation table (BAT) of an image describes."""

    unit = 1
    in_order = False

    def __init__(self, disk: Disk, bat_at: int) -> None:
        self.size = disk.size
        self._disk = disk
        self._bat_at = bat_at

    def extents(self, first: int, length: int) -> Charting:
        size, chunk = self._disk.block_size, self._disk.chunk
        last = (first + length - 1) // size
        index, stop = first // size + first // size // chunk, last + last // chunk + 1
        while index < stop:
            count = min(stop - index, PIECE // 8)
            at = self._bat_at + 8 * index
            piece = yield from read_whole(TRUNCATED, at, 8 * count, "the BAT")
            entries = array("Q", payload(self._disk, struct.unpack(f"<{count}Q", piece), index, at))
            begin = (index - index // (chunk + 1)) * size
            blocks = range(begin, begin + len(entries) * size, size)
            # A sector bitmap's entry moves those behind it by one: messages name the place of the piece.
            yield from place(entries, size, blocks, range(at, at + len(entries)), _block_offset)
            index += count


def _block_offset(at: int, entry: int) -> int:
    if not is_stored(entry):
        return 0
    if entry < MIB:
        raise MalformedImage(BLOCK_PLACE, at, "a block lies over the headers, at byte 0")
    return entry // MIB * MIB
