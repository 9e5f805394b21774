"""Builds ZVHD and ZVHD2 images, right and wrong, from the few choices that a test makes."""

import struct
import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PAGE = 4096
BLOCK = 2 << 20
GIB = 1 << 30
SEGMENT = 32768
HEADER = struct.Struct("<8sIIQI4sHHIQQIII16sBBBB")
SECOND = struct.Struct("<IIQQIIIIIIIBB")


def checksummed(header: bytes) -> bytes:
    """The header with its checksum, as a page."""
    header = header.ljust(512, b"\0")
    total = sum(header[:64]) + sum(header[68:512])
    return (header[:64] + struct.pack("<I", ~total & 0xFFFFFFFF) + header[68:]).ljust(PAGE, b"\0")


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def header_page(cookie: bytes, original: int, current: int, *, format_version: int = 0, second: bytes = b"") -> bytes:
    fields = (cookie, 2, 0x10000, 2**64 - 1, 0, b"tap\0", 4, 1, 0, original, current, 0, 4, 0, b"u" * 16)
    return checksummed(HEADER.pack(*fields, 0, 0, 0, format_version) + second)


def record(block: int, payload: bytes, *, reserved: bytes = bytes(28)) -> bytes:
    body = b"hwstream bg\0" + struct.pack("<II", len(payload), block) + reserved + payload
    length = -(-(len(body) + 4) // PAGE) * PAGE
    return body.ljust(length - 4, b"\xaa") + b"end\0"


def guest_block(number: int) -> bytes:
    return (b"block %d " % number * (BLOCK // 8))[:BLOCK]


def continued(blocks: Iterable[bytes]) -> list[bytes]:
    """Payloads of one zlib stream, as in ZVHD."""
    stream = zlib.compressobj(1)
    return [stream.compress(block) + stream.flush(zlib.Z_SYNC_FLUSH) for block in blocks]


def deflated(block: bytes) -> bytes:
    """The payload of a zlib stream of its own, as in ZVHD2."""
    return continued([block])[0]


def zvhd(
    numbers: Iterable[int] = (0, 3),
    *,
    original: int = 9 * BLOCK,
    current: int = GIB,
    payloads: list[bytes] | None = None,
) -> bytes:
    numbers = list(numbers)
    page = header_page(b"stream\0\0", original, current)
    contents = continued(map(guest_block, numbers)) if payloads is None else payloads
    return b"".join([page, *(record(n, p) for n, p in zip(numbers, contents, strict=True)), page])


@dataclass
class Zvhd2:
    """The parts of a ZVHD2 image; a test changes one and joins them."""

    numbers: list[int] = field(default_factory=lambda: [0, 3])
    original: int = 9 * BLOCK
    current: int = GIB
    method: int = 1
    full_index: int = 0
    payloads: list[bytes] | None = None

    def parts(self) -> list[bytes]:
        """Header, records, mid page, index, bitmap and final page."""
        blocks = -(-self.original // BLOCK)
        begun = SECOND.pack(BLOCK, blocks, 0, 0, 0, 0, 0, 0, 0, 0, 0, self.full_index, self.method)
        header = self._page(begun)
        records = [record(n, p) for n, p in zip(self.numbers, self._payloads(), strict=True)]
        mid = patched(header, 136, struct.pack("<I", len(records)))

        entries: list[bytes] = []
        bitmap = bytearray(-(-blocks // SEGMENT) * PAGE)
        offset = PAGE
        for number, written in zip(self.numbers, records, strict=True):
            if self.full_index:
                entries += [bytes(16)] * (number - len(entries))
            entries.append(struct.pack("<QII", offset, number, len(written)))
            bitmap[number // 8] |= 1 << number % 8
            offset += len(written)
        if self.full_index:
            entries += [bytes(16)] * (blocks - len(entries))
        segments = -(-len(entries) // SEGMENT)
        index = b"".join(entries).ljust(segments * SEGMENT * 16, b"\xbb")
        at = offset + PAGE
        places = (at, at + len(index), len(index), len(bitmap), SEGMENT * 16, PAGE, segments, len(bitmap) // PAGE)
        final = SECOND.pack(BLOCK, blocks, *places, len(records), self.full_index, self.method)
        return [header, b"".join(records), mid, index, bytes(bitmap), self._page(final)]

    def image(self) -> bytes:
        return b"".join(self.parts())

    def _page(self, second: bytes) -> bytes:
        return header_page(b"z2strm\0\0", self.original, self.current, format_version=1, second=second)

    def _payloads(self) -> list[bytes]:
        if self.payloads is not None:
            return self.payloads
        pack = zstd.compress if self.method else deflated
        return [pack(guest_block(number)) for number in self.numbers]
