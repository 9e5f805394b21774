"""Puts checksums right, so that what a fuzzer changed behind them is looked at at all."""

import struct
import zlib
from collections.abc import Iterator

from fuzz.packing import Unpacked, unpack
from stillage.formats.crc32c import crc32c

VHDX_PLACES = ((64 << 10, 4096), (128 << 10, 4096), (192 << 10, 64 << 10), (256 << 10, 64 << 10))
VHDX_SIGNATURES = (b"head", b"regi")


def repaired(packed: bytes) -> Unpacked:
    """Unpack an image, with right checksums wherever a structure begins within a run."""
    unpacked = unpack(packed)
    image = unpacked.image
    if image.startswith((b"stream", b"z2strm")):
        _hwstream(unpacked, bytes(image[:8]))
    elif image.startswith(b"vhdxfile"):
        _vhdx(unpacked)
    else:
        _vhd(unpacked)
        _gpt(unpacked)
    return unpacked


def _places(unpacked: Unpacked, cookie: bytes) -> Iterator[int]:
    """Where *cookie* is. The zeros between the runs are a thousand times longer and are not looked through."""
    for run in unpacked.runs:
        at = run.start
        while (at := unpacked.image.find(cookie, at, run.stop)) >= 0:
            yield at
            at += 1


def _hwstream(unpacked: Unpacked, cookie: bytes) -> None:
    image = unpacked.image
    for at in _places(unpacked, cookie):
        header = image[at : at + 512]
        if len(header) == 512:
            total = sum(header) - sum(header[64:68])
            unpacked.write(at + 64, struct.pack("<I", ~total & 0xFFFFFFFF))


def _vhdx(unpacked: Unpacked) -> None:
    for at, length in VHDX_PLACES:
        part = unpacked.image[at : at + length]
        if len(part) == length and part[:4] in VHDX_SIGNATURES:
            part[4:8] = bytes(4)
            unpacked.write(at + 4, struct.pack("<I", crc32c(bytes(part))))


def _vhd(unpacked: Unpacked) -> None:
    for cookie, length, field in ((b"conectix", 512, 64), (b"cxsparse", 1024, 36)):
        for at in _places(unpacked, cookie):
            part = unpacked.image[at : at + length]
            if len(part) == length:
                total = sum(part) - sum(part[field : field + 4])
                unpacked.write(at + field, struct.pack(">I", ~total & 0xFFFFFFFF))


def _gpt(unpacked: Unpacked) -> None:
    for at in (512, 4096):
        part = unpacked.image[at : at + 92]
        if len(part) == 92 and part.startswith(b"EFI PART"):
            part[16:20] = bytes(4)
            unpacked.write(at + 16, struct.pack("<I", zlib.crc32(part)))
