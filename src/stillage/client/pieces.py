"""What is still missing, cut into pieces that connections can take one by one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from stillage.client.local import HOLE

MIB = 1 << 20
SMALLEST = 4 * MIB
LARGEST = 64 * MIB
FEWEST_ROUNDS = 4
"""So many pieces for each connection at least, so that none waits long for the slowest at the end."""


class Span(NamedTuple):
    """The bytes ``start … end - 1``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What one request sends. Of `zeros` only the fact is sent."""

    span: Span
    zeros: bool = False

    @property
    def length(self) -> int:
        return self.span.end - self.span.start


def piece_size(missing: int, connections: int) -> int:
    """How large pieces should be when *missing* bytes go over so many connections."""
    rounds = max(FEWEST_ROUNDS, -(-missing // (connections * LARGEST)))
    return min(LARGEST, max(SMALLEST, -(-missing // (connections * rounds))))


def plan(wanted: Span, received: Iterable[Span], zeros: Iterable[Span], size: int) -> list[Piece]:
    """Return the pieces of at most *size* bytes that make *wanted* complete, in the order of their places.

    Args:
        wanted: The whole file as a rule, or the part of it that one connection has to send.
        received: What the server has. In any order; may overlap.
        zeros: Where the file holds nothing but zeros. In any order; may overlap.
        size: Of a piece with data; zeros are never cut.
    """
    holes = merged(zeros)
    found: list[Piece] = []
    for gap in without(wanted, merged(received)):
        data = list(without(gap, holes))
        found += (Piece(span, zeros=True) for span in without(gap, data))
        found += (Piece(piece) for span in data for piece in _cut(span, size))
    return sorted(found, key=lambda piece: piece.span)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same bytes in ascending order, in as few spans as possible, none of them empty."""
    result: list[Span] = []
    for span in sorted(span for span in spans if span.start < span.end):
        if result and span.start <= result[-1].end:
            result[-1] = Span(result[-1].start, max(result[-1].end, span.end))
        else:
            result.append(span)
    return result


def without(whole: Span, taken: Iterable[Span]) -> Iterator[Span]:
    """What remains of *whole* without *taken*, which ascends and does not overlap."""
    at = whole.start
    for span in taken:
        if span.start > at:
            gap = Span(at, min(span.start, whole.end))
            if gap.start < gap.end:
                yield gap
        at = max(at, span.end)
    if at < whole.end:
        yield Span(at, whole.end)


def total(spans: Iterable[Span]) -> int:
    return sum(span.end - span.start for span in spans)


def _cut(span: Span, size: int) -> Iterator[Span]:
    for start in range(span.start, span.end, size):
        yield Span(start, min(start + size, span.end))


class ZeroMap:
    """Notes where a file holds nothing but zeros, in whole blocks, while it passes.

    Runs shorter than a part of the file are not worth a request of their own.
    """

    MOST_RUNS = 4096

    def __init__(self, size: int) -> None:
        self._shortest = max(MIB, -(-size // self.MOST_RUNS))
        self._run: Span | None = None
        self._runs: list[Span] = []

    def saw(self, start: int, block: bytes) -> None:
        """Note *block*, which begins at *start*."""
        if block is HOLE or HOLE.startswith(block):
            self.note(Span(start, start + len(block)))

    def note(self, zeros: Span) -> None:
        """Note zeros. In ascending order."""
        if self._run is not None and self._run.end == zeros.start:
            zeros = Span(self._run.start, zeros.end)
        else:
            self._end_run()
        self._run = zeros

    @property
    def runs(self) -> list[Span]:
        self._end_run()
        return self._runs

    def _end_run(self) -> None:
        if self._run is not None and self._run.end - self._run.start >= self._shortest:
            self._runs.append(self._run)
        self._run = None
