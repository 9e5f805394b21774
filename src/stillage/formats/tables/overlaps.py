"""Whether two blocks of a disk share bytes of its file: for tables that place many blocks of one length.

A block map that names one place twice gives two guest blocks the same bytes, or lets data lie over tables. Writers put
the pieces on a regular grid, so one bit for each place is enough to see it. Where pieces lie off that grid, each place
remembers where in it a piece starts: two pieces can never start in the same one.
"""

from array import array
from collections.abc import Iterable

from stillage.formats.base import MalformedImage, Rule

MAX_BYTES = 4 << 20
"""Memory of one `Overlaps` at most, whatever the tables say."""


class TooManyPlaces(Exception):
    """The pieces lie further apart, or less regularly, than this can follow in bounded memory."""


class Overlaps:
    """Starts of pieces that are all *length* units long, and whether two of them share a unit."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._phase: int | None = None
        self._bits = bytearray()
        self._starts: array[int] | None = None

    def first_overlap(self, starts: Iterable[int]) -> int | None:
        """Add *starts* in order; return the position in it of the first one that overlaps a piece, None if none.

        Raises:
            TooManyPlaces: Where the memory ends.
        """
        length, bits, phase = self._length, self._bits, self._phase
        for position, start in enumerate(starts):
            if phase is None:
                self._phase = phase = start % length
            place, rest = divmod(start - phase + 2 * length, length)  # a later piece may lie before the first
            if rest or self._starts is not None:
                if not self._add_anywhere(place, rest):
                    return position
                continue
            byte, mask = place >> 3, 1 << (place & 7)
            if byte >= len(bits):
                self._grow(byte + 1)
            if bits[byte] & mask:
                return position
            bits[byte] |= mask
        return None

    def find_overlap(self, starts: Iterable[int], rule: Rule, at: int) -> int | None:
        """The same, for a table at byte *at*: where the memory ends the image is refused under *rule*."""
        try:
            return self.first_overlap(starts)
        except TooManyPlaces:
            message = "the blocks are too many, or too far apart, to be checked for overlap"
            raise MalformedImage(rule, at, message) from None

    def _grow(self, size: int) -> None:
        if size > MAX_BYTES:
            raise TooManyPlaces
        # Doubling keeps a table that grows place by place linear.
        wanted = min(max(size, 2 * len(self._bits)), MAX_BYTES)
        self._bits += bytes(wanted - len(self._bits))

    def _add_anywhere(self, place: int, rest: int) -> bool:
        starts = self._starts
        if starts is None:
            starts = self._starts = self._leave_the_grid()
        if place + 2 > len(starts):
            self._stretch(starts, place + 2)
        # An entry is 1 + the distance of a piece's start from the start of its place; 0 where none starts.
        if starts[place] or starts[place - 1] > rest + 1 or 0 < starts[place + 1] <= rest:
            return False
        starts[place] = rest + 1
        return True

    def _leave_the_grid(self) -> "array[int]":
        starts = array("H" if self._length < 1 << 16 else "I")
        used = self._bits.rstrip(b"\0")
        self._stretch(starts, 8 * len(used) + 1)
        for byte, taken in enumerate(used):
            if taken:
                for bit in range(8):
                    starts[8 * byte + bit] = taken >> bit & 1
        self._bits.clear()
        return starts

    def _stretch(self, starts: "array[int]", places: int) -> None:
        if places * starts.itemsize > MAX_BYTES:
            raise TooManyPlaces
        wanted = min(max(places, 2 * len(starts)), MAX_BYTES // starts.itemsize)
        starts.frombytes(bytes((wanted - len(starts)) * starts.itemsize))
