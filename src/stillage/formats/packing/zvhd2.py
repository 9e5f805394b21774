"""Writes a ZVHD2, of Huawei Cloud: a zstd frame for each block, with an index and a bitmap of them at the end.

Strictly in order, so it can be sent while it is made. The index has an entry for each record only, as the vendor's
writer has it, and so has the stale checksum of the page behind the records. Sizes are as in `formats.packing.zvhd`.

Source: as `formats.zvhd.header`; RFC 8878. All integers are little-endian.
"""

from stillage.formats.codecs.compressing import zstd_frame
from stillage.formats.packing.base import Made, Packet, Unit, padding, whole_units
from stillage.formats.packing.zvhd import header_page, record
from stillage.formats.zvhd.header import PAGE
from stillage.formats.zvhd.records import BLOCK
from stillage.formats.zvhd2.inspect import (
    BITMAP_SEGMENT,
    COOKIE,
    COUNT,
    ENTRY,
    FORMAT_VERSION,
    INDEX_SEGMENT,
    SECOND,
    Second,
    final_table,
)

ZSTD = 1


class Zvhd2:
    """A packer of one disk of *size* bytes, a multiple of 512."""

    batch = BLOCK

    def __init__(self, size: int, made: Made) -> None:
        blocks = -(-size // BLOCK)
        self._size = size
        self._made = made
        self._second = Second(BLOCK, blocks, 0, 0, 0, 0, 0, 0, 0, 0, records=0, full_index=0, method=ZSTD)
        self._at = PAGE
        self._index = bytearray()
        self._bitmap = bytearray(-(-blocks // 8))

    def head(self) -> bytes:
        return self._page(self._second)

    def pack(self, at: int, guest: memoryview) -> Packet:
        return [Unit(number, zstd_frame(block)) for number, block in whole_units(at, guest, BLOCK)]

    def place(self, packet: Packet) -> bytes:
        return b"".join(map(self._place_block, packet))

    def tail(self) -> bytes:
        count = len(self._index) // ENTRY.size
        head = self.head()
        mid = head[: COUNT.start] + count.to_bytes(4, "little") + head[COUNT.stop :]
        index = bytes(self._index) + padding(len(self._index), INDEX_SEGMENT)
        bitmap = bytes(self._bitmap) + padding(len(self._bitmap), BITMAP_SEGMENT)
        return mid + index + bitmap + self._page(final_table(self._second, count, self._at + PAGE))

    def patches(self) -> list[tuple[int, bytes]]:
        return []

    def _place_block(self, unit: Unit) -> bytes:
        made = record(unit.number, unit.data)
        self._index += ENTRY.pack(self._at, unit.number, len(made))
        self._bitmap[unit.number >> 3] |= 1 << (unit.number & 7)
        self._at += len(made)
        return made

    def _page(self, second: Second) -> bytes:
        table = SECOND.pack(*second)
        return header_page(COOKIE, self._size, self._made, format_version=FORMAT_VERSION, second=table)
