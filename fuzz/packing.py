"""A disk image as a few kilobytes: runs of bytes, and how many zeros lie before each.

Tables of disk images are megabytes apart with zeros between them. A fuzzer that had to invent the zeros would never
find the tables. Any bytes are a packed image.
"""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

LIMIT = 5 << 20
LIMIT_VHDX = 16 << 20  # places its parts on boundaries of a MiB
"""Bytes of an unpacked image. A run that would end behind it ends the image."""
SHORTEST_GAP = 32
ZEROS = {1 << bit: bytes(1 << bit) for bit in range(LIMIT_VHDX.bit_length())}

_RUN = struct.Struct("<IH")  # zeros before the run, length of the run


class Unpacked:
    """An image as its runs. The zeros between them are megabytes, and nobody makes or copies them."""

    def __init__(self) -> None:
        self._size = 0
        self._starts: list[int] = []
        self._runs: list[bytearray] = []

    def __len__(self) -> int:
        return self._size

    def append(self, gap: int, run: bytes) -> None:
        if run:
            self._starts.append(self._size + gap)
            self._runs.append(bytearray(run))
        self._size += gap + len(run)

    def runs(self) -> Iterator[tuple[int, bytes]]:
        return zip(self._starts, map(bytes, self._runs), strict=True)

    def piece(self, at: int, length: int) -> bytes:
        """Bytes from *at* on, short at the end of the image."""
        end = min(at + length, self._size)
        if end <= at:
            return b""
        first, last = max(0, bisect_right(self._starts, at) - 1), bisect_left(self._starts, end)
        parts, done = [], at
        for start, run in zip(self._starts[first:last], self._runs[first:last], strict=True):
            part = run[max(0, at - start) : end - start]
            if part:
                begin = max(at, start)
                parts += [_zeros_of(begin - done), bytes(part)]
                done = begin + len(part)
        return b"".join([*parts, _zeros_of(end - done)]) if parts else _zeros_of(end - at)

    def natural_lengths(self) -> list[int]:
        """Cuts around the runs, and between them at falling powers of two, for which there are zeros at hand."""
        lengths, at = [], 0
        for start, run in zip(self._starts, self._runs, strict=True):
            lengths += [*_powers(start - at), len(run)]
            at = start + len(run)
        return [*lengths, *_powers(self._size - at)]

    def write(self, at: int, data: bytes) -> None:
        """Change what lies within one run; anything else stays as it is."""
        number = bisect_right(self._starts, at) - 1
        inside = at - self._starts[number]
        if number >= 0 and inside + len(data) <= len(self._runs[number]):
            self._runs[number][inside : inside + len(data)] = data


def _zeros_of(length: int) -> bytes:
    return ZEROS[length] if length in ZEROS else bytes(length)


def _powers(number: int) -> list[int]:
    return [1 << bit for bit in reversed(range(number.bit_length())) if number >> bit & 1]


def unpack(packed: bytes) -> Unpacked:
    image = Unpacked()
    at, limit = 0, LIMIT
    while at + _RUN.size <= len(packed):
        gap, length = _RUN.unpack_from(packed, at)
        at += _RUN.size
        if len(image) + gap + length > limit:
            break
        run = packed[at : at + length]
        if not len(image) and not gap and run.startswith(b"vhdxfile"):
            limit = LIMIT_VHDX
        image.append(gap, run)
        at += length
    return image


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
