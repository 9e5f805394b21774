"""Writes a ZVHD, of Huawei Cloud: one zlib stream that runs through the records of all blocks.

Strictly in order, so it can be sent while it is made. Each payload ends at a flush and refers to nothing in front of
it, so blocks are compressed in any thread, and together they still are the one stream that readers expect.

The format rounds the disk up to whole GiB: a disk grows by going through it. The size before is kept in the header.

Source: as `formats.zvhd.header`. All integers are little-endian.
"""

from datetime import UTC, datetime

from stillage.formats.codecs.compressing import DEFLATER, Deflater
from stillage.formats.packing.base import Made, Packet, Unit, padding, whole_units
from stillage.formats.vhd.geometry import geometry_of
from stillage.formats.zvhd.header import CHECKSUM, FEATURES, FIELDS, HEADER, PAGE, VERSION, checksum
from stillage.formats.zvhd.inspect import COOKIE
from stillage.formats.zvhd.records import BLOCK, RECORD, RECORD_COOKIE, RECORD_END

GIB = 1 << 30
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
TYPE = 4
ZLIB_HEADER = b"\x78\x9c"  # RFC 1950: deflate, a window of 32 KiB, the default level


class Zvhd:
    """A packer of one disk of *size* bytes, a multiple of 512."""

    batch = BLOCK

    def __init__(self, size: int, made: Made, deflater: Deflater = DEFLATER) -> None:
        self._page = header_page(COOKIE, size, made)
        self._deflater = deflater
        self._begun = False

    def head(self) -> bytes:
        return self._page

    def pack(self, at: int, guest: memoryview) -> Packet:
        return [Unit(number, self._deflater.flushed(block)) for number, block in whole_units(at, guest, BLOCK)]

    def place(self, packet: Packet) -> bytes:
        records = []
        for unit in packet:
            records.append(record(unit.number, unit.data if self._begun else ZLIB_HEADER + unit.data))
            self._begun = True
        return b"".join(records)

    def tail(self) -> bytes:
        return self._page

    def patches(self) -> list[tuple[int, bytes]]:
        return []


def header_page(cookie: bytes, size: int, made: Made, *, format_version: int = 0, second: bytes = b"") -> bytes:
    """The header page of ZVHD and ZVHD2; *second* is the second table, which ZVHD does not have."""
    cylinders, heads, sectors = geometry_of(size)
    fields = FIELDS.pack(
        FEATURES,
        VERSION,
        (1 << 64) - 1,
        int((made.at - EPOCH).total_seconds()) & 0xFFFFFFFF,
        b"tap\0",
        4,
        1,
        0,
        size,
        -(-size // GIB) * GIB,
        cylinders << 16 | heads << 8 | sectors,
        TYPE,
        0,
        made.identity,
        0,
        0,
        0,
        format_version,
    )
    return with_checksum((cookie + fields + second).ljust(PAGE, b"\0"))


def with_checksum(page: bytes) -> bytes:
    return page[: CHECKSUM.start] + checksum(page[:HEADER]).to_bytes(4, "little") + page[CHECKSUM.stop :]


def record(block: int, payload: bytes) -> bytes:
    """The record of one block. Its padding is zeros: elsewhere it is what the writer had in memory."""
    head = RECORD.pack(RECORD_COOKIE, len(payload), block, bytes(28))
    return head + payload + padding(len(head) + len(payload) + len(RECORD_END), PAGE) + RECORD_END
