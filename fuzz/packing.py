"""A disk image as a few kilobytes: runs of bytes, and how many zeros lie before each.

Tables of disk images are megabytes apart with zeros between them. A fuzzer that had to invent the zeros would never
find the tables. Any bytes are a packed image.
"""

import struct
from bisect import bisect_right
from dataclasses import dataclass

LIMIT = 5 << 20
LIMIT_VHDX = 16 << 20  # places its parts on boundaries of a MiB
"""Bytes of an unpacked image. A run that would end behind it ends the image."""
SHORTEST_GAP = 32
ZEROS = {1 << bit: bytes(1 << bit) for bit in range(LIMIT_VHDX.bit_length())}

_RUN = struct.Struct("<IH")  # zeros before the run, length of the run


@dataclass(slots=True)
class Unpacked:
    """An image, of which nobody has to touch the zeros.

    Attributes:
        image: Its bytes.
        runs: Where others than zeros can be, ascending.
    """

    image: bytearray
    runs: list[range]

    def __len__(self) -> int:
        return len(self.image)

    def piece(self, at: int, length: int) -> bytes:
        length = max(0, min(length, len(self) - at))
        following = bisect_right(self.runs, at, key=lambda run: run.stop)
        if following < len(self.runs) and self.runs[following].start < at + length:
            return bytes(memoryview(self.image)[at : at + length])
        return ZEROS[length] if length in ZEROS else bytes(length)

    def natural_lengths(self) -> list[int]:
        """Cuts around the runs, and between them at powers of two, for which there are zeros at hand."""
        lengths, at = [], 0
        for run in self.runs:
            lengths += [1 << bit for bit in _bits(run.start - at)] + [len(run)]
            at = run.stop
        return lengths + [1 << bit for bit in _bits(len(self) - at)]

    def write(self, at: int, data: bytes) -> None:
        self.image[at : at + len(data)] = data
        end = at + len(data)
        first = bisect_right(self.runs, at, key=lambda run: run.stop)
        last = first
        while last < len(self.runs) and self.runs[last].start < end:
            last += 1
        touched = self.runs[first:last]
        whole = range(min([at, *(run.start for run in touched)]), max([end, *(run.stop for run in touched)]))
        self.runs[first:last] = [whole]


def _bits(number: int) -> list[int]:
    return [bit for bit in range(number.bit_length()) if number >> bit & 1]


def unpack(packed: bytes) -> Unpacked:
    runs: list[tuple[int, bytes]] = []
    at = size = 0
    limit = LIMIT
    while at + _RUN.size <= len(packed):
        gap, length = _RUN.unpack_from(packed, at)
        at += _RUN.size
        if size + gap + length > limit:
            break
        run = packed[at : at + length]
        if not size and not gap and run.startswith(b"vhdxfile"):
            limit = LIMIT_VHDX
        runs.append((size + gap, run))
        size += gap + len(run)
        at += length
    # Made at its full size, the zeros cost nothing until somebody reads them.
    image = bytearray(size)
    for start, run in runs:
        image[start : start + len(run)] = run
    return Unpacked(image, [range(start, start + len(run)) for start, run in runs if run])


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
