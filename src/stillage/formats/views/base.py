"""A view: a disk image that exists only as a rule, so that any range of it can be made at any time.

It is made of sections, one after the other: literal bytes, zeros, tables whose entries are computed when they are
asked for, and the blocks of the guest's disk that hold data. Nothing here reads or stores anything.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, Protocol

from stillage.errors import DiskDoesNotFit
from stillage.formats.block_map import BlockMap
from stillage.formats.guids import derived

if TYPE_CHECKING:
    from uuid import UUID

CLUSTER = 64 << 10
"""Bytes of a cluster or grain, where the format lets us choose: what `BlockMap` counts in, and most writers use."""
PIECE = 64 << 10
"""Bytes of a table that are computed at once."""


class Literal(NamedTuple):
    """These bytes."""

    data: bytes


class Guest(NamedTuple):
    """The bytes of the guest's disk ``first … first + length - 1``."""

    first: int
    length: int


class Blank(NamedTuple):
    """So many zero bytes."""

    length: int


Piece = Literal | Guest | Blank


class View(Protocol):
    """A file that is made when it is read."""

    @property
    def size(self) -> int:
        """Bytes of the whole file."""

    def pieces(self, first: int, length: int) -> Iterator[Piece]:
        """Yield what the bytes ``first … first + length - 1`` are made of. They do not depend on how ranges are cut."""


class Target(NamedTuple):
    """What a view is made for.

    Attributes:
        size: Bytes of the guest's disk, whole sectors.
        data: Where the disk holds data, in blocks of `CLUSTER`.
        identity: What stands for the disk's content; identifiers in headers follow from it.
        made_at: For formats that keep the time of their creation; aware.
    """

    size: int
    data: BlockMap
    identity: bytes
    made_at: datetime

    def uuid(self, purpose: str) -> "UUID":
        """Return an identifier for a header: the same disk gets the same one."""
        return derived(f"{purpose} {self.identity.hex()}")

    def require_at_most(self, limit: int, what: str) -> None:
        """Raise `DiskDoesNotFit` if the disk has more than *limit* bytes, all that *what* holds."""
        if self.size > limit:
            raise DiskDoesNotFit(what, limit, self.size)


class Section(Protocol):
    @property
    def length(self) -> int: ...

    def pieces(self, first: int, length: int) -> Iterator[Piece]: ...


class Fixed(NamedTuple):
    """A header: literal bytes, and zeros up to *length*."""

    data: bytes
    length: int

    def pieces(self, first: int, length: int) -> Iterator[Piece]:
        if shown := self.data[first : first + length]:
            yield Literal(shown)
        if length > len(shown):
            yield Blank(length - len(shown))


class Tables(NamedTuple):
    """Entries of *width* bytes. *make* returns the bytes of ``first … first + count - 1``, at most `PIECE` of them."""

    entries: int
    width: int
    make: Callable[[int, int], bytes]

    @property
    def length(self) -> int:
        return self.entries * self.width

    def pieces(self, first: int, length: int) -> Iterator[Piece]:
        end = first + length
        while first < end:
            # Pieces begin at multiples of their size, so no piece is in two tables.
            stop = min(end, (first // PIECE + 1) * PIECE)
            begin, last = first // self.width, -(-stop // self.width)
            data = self.make(begin, last - begin)
            yield Literal(data[first - begin * self.width : stop - begin * self.width])
            first = stop


class Blocks(NamedTuple):
    """The blocks of a disk that hold data, in order, each behind the bytes *before*; the last one filled with zeros."""

    data: BlockMap
    before: bytes = b""

    @property
    def length(self) -> int:
        return self.data.count * (len(self.before) + self.data.block)

    def pieces(self, first: int, length: int) -> Iterator[Piece]:
        if not self.before:
            block, end = self.data.block, first + length
            rank, last = first // block, -(-end // block)
            for run in self.data.stored(rank, last - rank):
                skipped = max(0, first - run.rank * block)
                stop = min(run.stop * block, run.first * block + end - run.rank * block)
                yield from guest(run.first * block + skipped, stop, self.data.size)
            return
        yield from self._with_headers(first, length)

    def _with_headers(self, first: int, length: int) -> Iterator[Piece]:
        block, stride, end = self.data.block, len(self.before) + self.data.block, first + length
        rank, last = first // stride, -(-end // stride)
        for run in self.data.stored(rank, last - rank):
            for number in range(run.first, run.stop):
                at = (run.rank + number - run.first) * stride
                begin, stop = max(first - at, 0), min(end - at, stride)
                if header := self.before[begin:stop]:
                    yield Literal(header)
                begin, stop = max(begin - len(self.before), 0), stop - len(self.before)
                if stop > begin:
                    yield from guest(number * block + begin, number * block + stop, self.data.size)


class Whole(NamedTuple):
    """All of the disk, holes included."""

    length: int

    def pieces(self, first: int, length: int) -> Iterator[Piece]:
        yield Guest(first, length)


def guest(first: int, stop: int, size: int) -> Iterator[Piece]:
    """Yield the bytes ``first … stop - 1`` of a disk of *size* bytes: zeros behind its end."""
    inside = min(stop, size)
    if first < inside:
        yield Guest(first, inside - first)
    if stop > max(first, inside):
        yield Blank(stop - max(first, inside))


class Sections:
    """A view made of sections."""

    def __init__(self, *sections: Section) -> None:
        self._sections = [section for section in sections if section.length]
        self._starts = [0, *accumulate(section.length for section in self._sections)]

    @property
    def size(self) -> int:
        return self._starts[-1]

    def pieces(self, first: int, length: int) -> Iterator[Piece]:
        end = min(first + length, self.size)
        for position in range(max(0, bisect_right(self._starts, first) - 1), len(self._sections)):
            start = self._starts[position]
            if start >= end:
                return
            begin, stop = max(first, start), min(end, self._starts[position + 1])
            yield from self._sections[position].pieces(begin - start, stop - begin)


def round_up(length: int, unit: int) -> int:
    return -(-length // unit) * unit


def numbers(
    data: BlockMap, first: int, count: int, kind: str, *, base: int, step: int, absent: int = 0
) -> "array[int]":
    """Return entries for the blocks ``first … first + count - 1``: *base* and *step* times the rank, or *absent*.

    Args:
        data: Which blocks hold data.
        first: The first block; those beyond the last one are absent.
        count: Of the entries.
        kind: ``I`` or ``Q``, as in `array`.
        base: The entry of the first block with data.
        step: By how much the entry of each following one is larger.
        absent: The entry of a block without data.
    """
    entries = array(kind, [absent]) * count
    for run in data.runs(first, first + count):
        start = base + run.rank * step
        length = run.stop - run.first
        entries[run.first - first : run.stop - first] = array(kind, range(start, start + length * step, step))
    return entries


def entry_of_stored_table(tables: BlockMap, entries: int, position: int) -> int:
    """Return the number of an entry in all tables of a disk, of its *position* in those that are stored.

    Args:
        tables: Which tables are stored: those that map any data.
        entries: How many a table has.
        position: In the stored tables, one after the other.
    """
    return next(tables.stored(position // entries, 1)).first * entries + position % entries
