"""Which blocks of a disk hold data, how many of them lie before a block, and where the n-th of them is.

The layout of a converted image follows from this alone. Kept as runs of blocks and not as a bitmap: a disk of 64 TiB
with one file in it needs a few bytes, and its runs are what is copied.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

BLOCK = 64 << 10
MOST_RUNS = 1 << 20
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
        self._firsts, self._stops = _joined(_blocks_of(data, block), self.blocks)
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


def _blocks_of(data: Iterable[tuple[int, int]], block: int) -> Iterator[tuple[int, int]]:
    for offset, length in data:
        if length:
            yield offset // block, -(-(offset + length) // block)


def _joined(runs: Iterable[tuple[int, int]], blocks: int) -> "tuple[array[int], array[int]]":
    """Merge neighbours. Beyond `MOST_RUNS`, round runs to twice as many blocks, as often as it takes."""
    firsts, stops = array("Q"), array("Q")
    grain = 1
    for first, stop in runs:
        _append(firsts, stops, first // grain * grain, min(-(-stop // grain) * grain, blocks))
        while len(firsts) > MOST_RUNS:
            grain *= 2
            rounded = zip(firsts, stops, strict=True)
            firsts, stops = array("Q"), array("Q")
            for before, after in rounded:
                _append(firsts, stops, before // grain * grain, min(-(-after // grain) * grain, blocks))
    return firsts, stops


def _append(firsts: "array[int]", stops: "array[int]", first: int, stop: int) -> None:
    if stops and first <= stops[-1]:
        stops[-1] = max(stops[-1], stop)
    elif first < stop:
        firsts.append(first)
        stops.append(stop)


def _ranks(firsts: "array[int]", stops: "array[int]") -> "array[int]":
    ranks, before = array("Q"), 0
    for first, stop in zip(firsts, stops, strict=True):
        ranks.append(before)
        before += stop - first
    return ranks
