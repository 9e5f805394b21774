"""Puts checksums right, so that what a fuzzer changed behind them is looked at at all."""

import struct
import zlib

from stillage.formats.crc32c import crc32c

VHDX_PLACES = ((64 << 10, 4096), (128 << 10, 4096), (192 << 10, 64 << 10), (256 << 10, 64 << 10))
VHDX_SIGNATURES = (b"head", b"regi")


def repaired(image: bytes) -> bytes:
    changed = bytearray(image)
    if image.startswith((b"stream", b"z2strm")):
        _hwstream(changed)
    elif image.startswith(b"vhdxfile"):
        _vhdx(changed)
    else:
        _vhd(changed)
        _gpt(changed)
    return bytes(changed)


def _hwstream(image: bytearray) -> None:
    cookie = bytes(image[:8])
    at = 0
    while (at := image.find(cookie, at)) >= 0:
        header = image[at : at + 512]
        if len(header) == 512:
            total = sum(header) - sum(header[64:68])
            image[at + 64 : at + 68] = struct.pack("<I", ~total & 0xFFFFFFFF)
        at += 512


def _vhdx(image: bytearray) -> None:
    for at, length in VHDX_PLACES:
        part = image[at : at + length]
        if len(part) == length and part[:4] in VHDX_SIGNATURES:
            part[4:8] = bytes(4)
            image[at + 4 : at + 8] = struct.pack("<I", crc32c(bytes(part)))


def _vhd(image: bytearray) -> None:
    for cookie, length, field in ((b"conectix", 512, 64), (b"cxsparse", 1024, 36)):
        at = 0
        while (at := image.find(cookie, at)) >= 0:
            part = image[at : at + length]
            if len(part) == length:
                total = sum(part) - sum(part[field : field + 4])
                image[at + field : at + field + 4] = struct.pack(">I", ~total & 0xFFFFFFFF)
            at += length


def _gpt(image: bytearray) -> None:
    for at in (512, 4096):
        part = image[at : at + 92]
        if len(part) == 92 and part.startswith(b"EFI PART"):
            part[16:20] = bytes(4)
            image[at + 16 : at + 20] = struct.pack("<I", zlib.crc32(part))
