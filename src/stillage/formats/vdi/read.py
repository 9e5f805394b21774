"""Reads the disk of a VDI image, dynamic or static. Source: VirtualBox, VDICore.h, "VDIHEADER1PLUS"."""

from collections.abc import Iterator
from functools import partial

from stillage.formats.base import Steps, Stream
from stillage.formats.disk import Charting, Extent, tolerating
from stillage.formats.tables.entries import little_endian_32
from stillage.formats.tables.levels import Table
from stillage.formats.tables.runs import place
from stillage.formats.vdi.inspect import TRUNCATED, Header, block_offset, read_header


def chart(stream: Stream) -> "Steps[VdiDisk]":
    return VdiDisk((yield from tolerating([], read_header(stream))))


class VdiDisk:
    """The disk that the block map of an image describes."""

    unit = 1
    in_order = False

    def __init__(self, header: Header) -> None:
        self.size = header.virtual_size
        self._block_size = header.block_size
        self._block_offset = partial(block_offset, header)
        self._map = Table(header.map_at, 4, header.block_size, self._blocks, TRUNCATED, "the block map")

    def extents(self, first: int, length: int) -> Charting:
        return self._map.extents(first, first + length)

    def _blocks(self, at: int, piece_at: int, piece: bytes) -> Iterator[Extent]:
        entries = little_endian_32(piece)
        blocks = range(at, at + len(entries) * self._block_size, self._block_size)
        return place(entries, 1, blocks, range(piece_at, piece_at + len(piece), 4), self._block_offset)
