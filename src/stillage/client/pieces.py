"""Plans which pieces to transfer: what is still missing, cut into requests."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stillage.client.local import HOLE
from stillage.spans import Span, gaps, merged

MIB = 1 << 20
SMALLEST = 4 * MIB
LARGEST = 64 * MIB
FEWEST_ROUNDS = 4
"""At least this many pieces per connection, so that none waits long for the slowest at the end."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one request transfers. For `zeros` no bytes are sent."""

    span: Span
    zeros: bool = False

    @property
    def length(self) -> int:
        return self.span.length


def piece_size(missing: int, connections: int) -> int:
    """Return how large pieces should be when *missing* bytes are sent over *connections*."""
    rounds = max(FEWEST_ROUNDS, -(-missing // (connections * LARGEST)))
    return min(LARGEST, max(SMALLEST, -(-missing // (connections * rounds))))


def plan(wanted: Span, received: Iterable[Span], zeros: Iterable[Span], size: int) -> list[Piece]:
    """Return the pieces of at most *size* bytes that make *wanted* complete, in the order of their places.

    Args:
        wanted: Usually the whole file, or the part of it that one connection has to send.
        received: What the server has. In any order; may overlap.
        zeros: Where the file has only zeros. In any order; may overlap.
        size: Of a piece with data; zeros are never cut.
    """
    holes = merged(zeros)
    found: list[Piece] = []
    for gap in gaps(merged(received), wanted):
        data = gaps(holes, gap)
        found += (Piece(span, zeros=True) for span in gaps(data, gap))
        found += (Piece(piece) for span in data for piece in _cut(span, size))
    return sorted(found, key=lambda piece: piece.span)


def _cut(span: Span, size: int) -> Iterator[Span]:
    for start in range(span.first, span.end, size):
        yield Span(start, min(start + size, span.end))


class ZeroMap:
    """Notes in which whole blocks a file has only zeros, while it is read.

    Runs shorter than a fraction of the file are not worth a request.
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
        if self._run is not None and self._run.end == zeros.first:
            zeros = Span(self._run.first, zeros.end)
        else:
            self._end_run()
        self._run = zeros

    @property
    def runs(self) -> list[Span]:
        self._end_run()
        return self._runs

    def _end_run(self) -> None:
        if self._run is not None and self._run.length >= self._shortest:
            self._runs.append(self._run)
        self._run = None
