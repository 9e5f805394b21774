"""Compares two disks, whatever the formats that they are in."""

from collections.abc import Iterator
from heapq import merge

from stillage.conversion.pool import Pool
from stillage.conversion.progress import Advance
from stillage.conversion.source import Source, batches
from stillage.formats.zvhd.header import first_difference as place_of_difference

BATCH = 1 << 20

Work = tuple[int, bytes | None, bytes | None]


def first_difference(one: Source, other: Source, pool: Pool, advance: Advance = lambda _count: None) -> int | None:
    """Return the first byte in which two disks differ, None if they are equal. A longer one may end with zeros.

    Raises:
        MalformedImage: If a disk cannot be read.
        OSError: If a file cannot be read.
    """

    def compare(work: Work) -> tuple[int, int | None]:
        at, *at_hand = work
        pair = [_read(source, at) if data is None else data for source, data in zip((one, other), at_hand, strict=True)]
        return at, _difference(*pair)

    done = 0
    for at, difference in pool.in_order(compare, _work(one, other)):
        if difference is not None:
            return at + difference
        advance(at - done)
        done = at
    advance(max(one.reader.size, other.reader.size) - done)
    return None


def _work(one: Source, other: Source) -> Iterator[Work]:
    """The batches in which either disk has data; with the bytes of disks that must be read in order."""
    before = -1
    for at in merge(batches(one.data(), BATCH), batches(other.data(), BATCH)):
        if at != before:
            first, second = (_read(source, at) if source.reader.disk.in_order else None for source in (one, other))
            yield at, first, second
        before = at


def _read(source: Source, at: int) -> bytes:
    return source.reader.read(at, BATCH)


def _difference(one: bytes, other: bytes) -> int | None:
    length = max(len(one), len(other))
    pair = one.ljust(length, b"\0"), other.ljust(length, b"\0")
    return None if pair[0] == pair[1] else place_of_difference(*pair)
