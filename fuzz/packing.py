"""A disk image as a few kilobytes: runs of bytes, and how many zeros lie before each.

Tables of disk images are megabytes apart with zeros between them. A fuzzer that had to invent the zeros would never
find the tables. Any bytes are a packed image.
"""

import struct

LIMIT = 5 << 20
LIMIT_VHDX = 16 << 20  # places its parts on boundaries of a MiB
"""Bytes of an unpacked image. A run that would end behind it ends the image."""
SHORTEST_GAP = 32

_RUN = struct.Struct("<IH")  # zeros before the run, length of the run


def unpack(packed: bytes) -> bytes:
    image = bytearray()
    at = 0
    while at + _RUN.size <= len(packed):
        gap, length = _RUN.unpack_from(packed, at)
        at += _RUN.size
        if len(image) + gap + length > (LIMIT_VHDX if image.startswith(b"vhdxfile") else LIMIT):
            break
        image += bytes(gap)
        image += packed[at : at + length]
        at += length
    return bytes(image)


def pack(image: bytes) -> bytes:
    packed = bytearray()
    at = 0
    while at < len(image):
        start = at + _zeros(image, at)
        gap = image.find(bytes(SHORTEST_GAP), start)
        end = min(len(image) if gap < 0 else gap, start + 0xFFFF)
        packed += _RUN.pack(start - at, end - start) + image[start:end]
        at = end
    return bytes(packed)


def _zeros(image: bytes, at: int) -> int:
    count = 0
    while at + count < len(image):
        block = image[at + count : at + count + 65536]
        rest = block.lstrip(b"\0")
        count += len(block) - len(rest)
        if rest:
            break
    return count
