"""Which blocks of a disk hold data, how many of them lie before a block, and where the n-th of them is.

The layout of a converted image follows from this alone. Kept as runs of blocks and not as a bitmap: a disk of 64 TiB
with one file in it needs a few bytes, and its runs are what is copied.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

BLOCK = 64 << 10
MOST_RUNS = 1 << 18
"""Runs of one map, 24 bytes each. A disk with more gets them joined: the gap between two runs counts as data."""


class Run(NamedTuple):
    """The blocks ``first … stop - 1``, which hold data. *rank*: how many blocks with data lie before them."""

    first: int
    stop: int
    rank: int


class BlockMap:
    """The blocks of a disk of *size* bytes that hold data. The last block may be shorter than the others.

    Equal runs of data give equal maps, in whatever pieces they come.
    """

    def __init__(self, size: int, data: Iterable[tuple[int, int]], *, block: int = BLOCK) -> None:
        """*data*: offset and length in bytes of what is not known to be zeros, ascending, without overlaps."""
        self.size = size
        self.block = block
        self.blocks = -(-size // block)
        runs = Runs()
        for offset, length in data:
            runs.add(offset // block, min(-(-(offset + length) // block), self.blocks))
        self._firsts, self._stops = runs.firsts, runs.stops
        if self._stops and self._stops[-1] > self.blocks:
            self._stops[-1] = self.blocks  # it was rounded
        self._ranks = _ranks(self._firsts, self._stops)

    @property
    def count(self) -> int:
        """How many blocks hold data."""
        return self._ranks[-1] + self._stops[-1] - self._firsts[-1] if self._firsts else 0

    def holds(self, block: int) -> bool:
        position = bisect_right(self._firsts, block) - 1
        return position >= 0 and block < self._stops[position]

    def rank(self, block: int) -> int:
        """Return how many blocks with data lie before *block*."""
        position = bisect_right(self._firsts, block) - 1
        if position < 0:
            return 0
        return self._ranks[position] + min(block, self._stops[position]) - self._firsts[position]

    def runs(self, first: int = 0, stop: int | None = None) -> Iterator[Run]:
        """Yield what holds data of the blocks ``first … stop - 1``, ascending."""
        stop = self.blocks if stop is None else stop
        for position in range(bisect_right(self._stops, first), len(self._firsts)):
            begin, end, rank = self._firsts[position], self._stops[position], self._ranks[position]
            if begin >= stop:
                return
            inside = max(begin, first)
            yield Run(inside, min(end, stop), rank + inside - begin)

    def stored(self, rank: int, count: int) -> Iterator[Run]:
        """Yield the *count* blocks with data that begin with the one that has *rank* others before it."""
        position = bisect_right(self._ranks, rank) - 1
        while count > 0:
            begin, end, before = self._firsts[position], self._stops[position], self._ranks[position]
            inside = begin + rank - before
            run = Run(inside, min(end, inside + count), rank)
            yield run
            taken = run.stop - run.first
            rank, count, position = rank + taken, count - taken, position + 1

    def coarser(self, factor: int) -> "BlockMap":
        """Return the map of blocks *factor* times as large: one holds data if any part of it does."""
        block = self.block
        data = ((run.first * block, (run.stop - run.first) * block) for run in self.runs())
        return BlockMap(self.size, data, block=block * factor)


class Runs:
    """Runs of blocks, added in ascending order; neighbours are one.

    Where there would be more than *most*, runs are rounded to twice as many blocks, as often as it takes. The result
    does not depend on the pieces in which they came.
    """

    def __init__(self, most: int | None = None) -> None:
        self.firsts, self.stops = array("Q"), array("Q")
        self._most = most or MOST_RUNS
        self._grain = 1

    def add(self, first: int, stop: int) -> None:
        if first < stop:
            self._append(first, stop)
        while len(self.firsts) > self._most:
            self._grain *= 2
            runs = zip(self.firsts, self.stops, strict=True)
            self.firsts, self.stops = array("Q"), array("Q")
            for before, after in runs:
                self._append(before, after)

    def _append(self, first: int, stop: int) -> None:
        first, stop = first // self._grain * self._grain, -(-stop // self._grain) * self._grain
        if self.stops and first <= self.stops[-1]:
            self.stops[-1] = max(self.stops[-1], stop)
        else:
            self.firsts.append(first)
            self.stops.append(stop)


def _ranks(firsts: "array[int]", stops: "array[int]") -> "array[int]":
    ranks, before = array("Q"), 0
    for first, stop in zip(firsts, stops, strict=True):
        ranks.append(before)
        before += stop - first
    return ranks
