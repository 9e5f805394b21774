"""How large the parts of an object are: S3 has room for 10,000, and each is in memory while it is sent. Pure."""

from dataclasses import dataclass

from stillage.errors import StorageFull
from stillage.s3_limits import MOST_PARTS, STANDARD_PART
from stillage.spans import Span

PARTS_OF_KNOWN_SIZE = 9000
"""Fewer than there may be: a declared size may grow."""
STEP = STANDARD_PART
GROWING = ((1000, 1), (1000, 8), (MOST_PARTS - 2000, 32))
"""Of an object of unknown size: how many parts have how many times the size of the first. With 8 MiB 2 TiB in all."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the parts of an object begin and end.

    Attributes:
        steps: How many parts have which size, in order.
    """

    steps: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, part_size: int, size: int | None, *, equal: bool = False) -> "Parts":
        """Return the parts of an object of *size* bytes; None if that is unknown. *part_size*: the least."""
        if size is not None:
            least = -(-size // PARTS_OF_KNOWN_SIZE)
            return cls(((MOST_PARTS, part_size if least <= part_size else -(-least // STEP) * STEP),))
        if equal:
            return cls(((MOST_PARTS, part_size),))
        return cls(tuple((count, times * part_size) for count, times in GROWING))

    def span(self, index: int) -> Span:
        """Return the bytes of the part with this index; the first is 0.

        Raises:
            StorageFull: If an object has no such part.
        """
        first, left = 0, index
        for count, size in self.steps:
            if left < count:
                return Span(first + left * size, first + (left + 1) * size)
            first += count * size
            left -= count
        raise _too_many(first)

    def index(self, offset: int) -> int:
        """Return the index of the part that contains *offset*; StorageFull if none does."""
        first, before = 0, 0
        for count, size in self.steps:
            if offset < first + count * size:
                return before + (offset - first) // size
            first += count * size
            before += count
        raise _too_many(first)


def _too_many(most: int) -> StorageFull:
    return StorageFull(
        f"an object of {MOST_PARTS:,} parts, the most that S3 allows, ends at byte {most}; declare the size of the "
        "image before its first byte, or ask the operator for a larger part_size"
    )
