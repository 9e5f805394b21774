"""Writes a stream-optimized VMDK in VMware's own layout: the tables behind the grains, the directory at the end.

Strictly in order, so it can be sent while it is made. QEMU writes the directory in front, which ESX refuses.

Of the specification it takes: version 3, grains of 64 KiB, no redundant tables, a marker in front of every table, the
directory and the footer, the end-of-stream marker. The last grain is a whole one, filled with zeros.

Source: VMware, "Virtual Disk Format 5.0", "Stream-Optimized Compressed Sparse Extents". All integers are little-endian.
"""

import struct
from array import array

from stillage.errors import DiskDoesNotFit
from stillage.formats.base import SECTOR
from stillage.formats.codecs.compressing import DEFLATER, Deflater
from stillage.formats.packing.base import Made, Packet, Unit, padding, whole_units
from stillage.formats.tables.entries import to_little_endian
from stillage.formats.vmdk.header import (
    AT_END,
    COMPRESSED_FLAG,
    DEFLATE,
    LINE_END_FLAG,
    LINE_ENDS_BYTES,
    MARKERS_FLAG,
    Header,
    pack,
)
from stillage.formats.vmdk.stream_optimized import DIRECTORY, END, FOOTER_MARK, MARKER_FIELDS, TABLE
from stillage.formats.vmdk.tables import GRAINS, MAX_TABLES
from stillage.formats.vmdk.writing import DESCRIPTOR_SECTORS, descriptor_text

GRAIN = 64 << 10
GRAIN_SECTORS = GRAIN // SECTOR
OVERHEAD = 128  # sectors in front of the first grain
LARGEST = MAX_TABLES * GRAINS * GRAIN
_GRAIN_HEAD = struct.Struct("<QI")


class StreamVmdk:
    """A packer of one disk of *size* bytes.

    Raises:
        DiskDoesNotFit: If it is larger than `LARGEST`, or a `place` would reach beyond 2 TiB of the file.
    """

    batch = 16 * GRAIN

    def __init__(self, size: int, made: Made, deflater: Deflater = DEFLATER) -> None:
        if size > LARGEST:
            raise DiskDoesNotFit("a vmdk with grains of 64 KiB", LARGEST, size)
        self._capacity = -(-size // SECTOR)
        self._made = made
        self._deflater = deflater
        self._at = OVERHEAD  # the sector of the file that comes next
        self._directory = array("I", bytes(4 * -(-size // (GRAINS * GRAIN))))
        self._table = array("I", bytes(4 * GRAINS))
        self._table_number = 0

    def head(self) -> bytes:
        text = descriptor_text("streamOptimized", "RDONLY", self._capacity, self._made.identity)
        return (pack(self._header(AT_END)) + text).ljust(OVERHEAD * SECTOR, b"\0")

    def pack(self, at: int, guest: memoryview) -> Packet:
        return [Unit(number, self._deflater.stream(grain)) for number, grain in whole_units(at, guest, GRAIN)]

    def place(self, packet: Packet) -> bytes:
        return b"".join(map(self._place_grain, packet))

    def tail(self) -> bytes:
        table = self._close_table()
        directory = self._marked(DIRECTORY, to_little_endian(self._directory))
        directory_at = self._at - (len(directory) // SECTOR - 1)
        footer = self._marked(FOOTER_MARK, pack(self._header(directory_at)))
        return table + directory + footer + self._marked(END, b"")

    def patches(self) -> list[tuple[int, bytes]]:
        return []

    def _header(self, directory_at: int) -> Header:
        return Header(
            version=3,
            flags=LINE_END_FLAG | COMPRESSED_FLAG | MARKERS_FLAG,
            capacity=self._capacity,
            grain=GRAIN_SECTORS,
            descriptor_at=1,
            descriptor_size=DESCRIPTOR_SECTORS,
            table_entries=GRAINS,
            redundant_at=0,
            directory_at=directory_at,
            overhead=OVERHEAD,
            unclean=0,
            line_ends=LINE_ENDS_BYTES,
            compression=DEFLATE,
        )

    def _place_grain(self, unit: Unit) -> bytes:
        table, slot = divmod(unit.number, GRAINS)
        closed = b"" if table == self._table_number else self._close_table()
        self._table_number = table
        if self._at >> 32:
            raise DiskDoesNotFit("the file of a vmdk", SECTOR << 32, self._at * SECTOR)
        self._table[slot] = self._at
        head = _GRAIN_HEAD.pack(unit.number * GRAIN_SECTORS, len(unit.data))
        return closed + self._taken(head + unit.data)

    def _close_table(self) -> bytes:
        """The table of the grains since the last one; nothing if there were none."""
        if not any(self._table):
            return b""
        self._directory[self._table_number] = self._at + 1
        table = self._marked(TABLE, to_little_endian(self._table))
        self._table = array("I", bytes(4 * GRAINS))
        return table

    def _marked(self, kind: int, data: bytes) -> bytes:
        sectors = -(-len(data) // SECTOR)
        return self._taken(MARKER_FIELDS.pack(sectors, 0, kind).ljust(SECTOR, b"\0") + data)

    def _taken(self, data: bytes) -> bytes:
        whole = data + padding(len(data), SECTOR)
        self._at += len(whole) // SECTOR
        return whole
