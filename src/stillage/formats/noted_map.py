"""Notes where a raw disk holds data while its bytes pass, in a few KiB.

The holes of a file are no substitute: they depend on how the bytes were written, and a restored file has none.
"""

from collections.abc import Iterator

from stillage.formats.block_map import BLOCK, Runs
from stillage.holes import ZEROS

MOST_NOTED = 16 << 10
"""Runs of one note, about two bytes each as a rule and 16 at most. See `block_map.Runs` for what happens to more."""


class NotedMap:
    """Feed it the bytes of a disk in order, in blocks of any size. A piece of `BLOCK` bytes is zeros, or data."""

    def __init__(self) -> None:
        self._runs = Runs(MOST_NOTED)
        self._seen = 0

    def feed(self, block: bytes) -> None:
        start = 0
        while start < len(block):
            number, inside = divmod(self._seen + start, BLOCK)
            end = min(len(block), start + BLOCK - inside)
            # startswith is a memcmp, and ends at the first byte of most pieces that hold data.
            if not block.startswith(ZEROS[: end - start], start):
                self._runs.add(number, number + 1)
            start = end
        self._seen += len(block)

    def pack(self) -> bytes:
        """Return the note: lengths of gaps and runs in turn, in blocks, seven bits to a byte, the lowest first."""
        packed, end = bytearray(), 0
        for first, stop in zip(self._runs.firsts, self._runs.stops, strict=True):
            for number in (first - end, stop - first):
                rest = number
                while rest > 0x7F:
                    packed.append(rest & 0x7F | 0x80)
                    rest >>= 7
                packed.append(rest)
            end = stop
        return bytes(packed)


def noted_data(packed: bytes) -> Iterator[tuple[int, int]]:
    """Yield offset and length in bytes of the data that *packed* notes, as `BlockMap` takes them."""
    numbers, number, shift = [], 0, 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(number)
            number, shift = 0, 0
    at = 0
    for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
        yield (at + gap) * BLOCK, length * BLOCK
        at += gap + length
