"""Puts checksums right, so that what a fuzzer changed behind them is looked at at all."""

import struct
import zlib
from collections.abc import Iterator

from fuzz.packing import Unpacked
from stillage.formats.codecs.crc32c import crc32c

VHDX_PLACES = ((64 << 10, 4096), (128 << 10, 4096), (192 << 10, 64 << 10), (256 << 10, 64 << 10))
VHDX_SIGNATURES = (b"head", b"regi")


def repaired(image: bytes) -> bytes:
    """Return *image* with right checksums."""
    whole = Unpacked()
    whole.append(0, image)
    repair(whole)
    return whole.piece(0, len(whole))


def repair(image: Unpacked) -> None:
    """Put the checksums right that lie within a run."""
    head = image.piece(0, 8)
    if head.startswith((b"stream", b"z2strm")):
        _hwstream(image, head)
    elif head == b"vhdxfile":
        _vhdx(image)
    else:
        _vhd(image)
        _gpt(image)


def _places(image: Unpacked, cookie: bytes) -> Iterator[int]:
    for start, run in image.runs():
        at = run.find(cookie)
        while at >= 0:
            yield start + at
            at = run.find(cookie, at + 1)


def _hwstream(image: Unpacked, cookie: bytes) -> None:
    for at in _places(image, cookie):
        header = image.piece(at, 512)
        if len(header) == 512:
            total = sum(header) - sum(header[64:68])
            image.write(at + 64, struct.pack("<I", ~total & 0xFFFFFFFF))


def _vhdx(image: Unpacked) -> None:
    for at, length in VHDX_PLACES:
        part = image.piece(at, length)
        if len(part) == length and part[:4] in VHDX_SIGNATURES:
            image.write(at + 4, struct.pack("<I", crc32c(part[:4] + bytes(4) + part[8:])))


def _vhd(image: Unpacked) -> None:
    for cookie, length, field in ((b"conectix", 512, 64), (b"cxsparse", 1024, 36)):
        for at in _places(image, cookie):
            part = image.piece(at, length)
            if len(part) == length:
                total = sum(part) - sum(part[field : field + 4])
                image.write(at + field, struct.pack(">I", ~total & 0xFFFFFFFF))


def _gpt(image: Unpacked) -> None:
    for at in (512, 4096):
        part = image.piece(at, 92)
        if len(part) == 92 and part.startswith(b"EFI PART"):
            image.write(at + 16, struct.pack("<I", zlib.crc32(part[:16] + bytes(4) + part[20:])))
