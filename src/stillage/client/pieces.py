"""Plans which pieces to transfer: what is still missing, cut into requests."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stillage.client.local import HOLE
from stillage.spans import Span, gaps, merged, total

MIB = 1 << 20
SMALLEST = 8 * MIB
"""Pieces are multiples of this, the size of a part in a bucket: the bucket's server copies parts that are whole."""
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
    size = missing // (connections * FEWEST_ROUNDS)
    return min(LARGEST, max(SMALLEST, size - size % SMALLEST))


def plan(
    wanted: Span, received: Iterable[Span], zeros: Iterable[Span], size: int, *, connections: int | None = None
) -> list[Piece]:
    """Return the pieces of at most *size* bytes that make *wanted* complete, in the order of their places.

    Args:
        wanted: Usually the whole file, or the part of it that one connection has to send.
        received: What the server has. In any order; may overlap.
        zeros: Where the file has only zeros. In any order; may overlap.
        size: Of a piece with data; zeros are never cut.
        connections: Cut ever smaller pieces for these towards the end, as `piece_size` says. The server verifies an
            image in order, and has little left after the last byte then: not what came side by side.
    """
    holes = merged(zeros)
    missing = gaps(merged(received), wanted)
    data = [span for gap in missing for span in gaps(holes, gap)]
    found = [Piece(span, zeros=True) for gap in missing for span in gaps(data, gap)]
    left = total(data)
    for span in data:
        found += (Piece(piece) for piece in _cut(span, size, left, connections))
        left -= span.length
    return sorted(found, key=lambda piece: piece.span)


def _cut(span: Span, size: int, left: int, connections: int | None) -> Iterator[Span]:
    """Yield the parts of *span*, with which *left* bytes begin that are to be sent."""
    at = span.first
    while at < span.end:
        length = size if connections is None else min(size, piece_size(left - (at - span.first), connections))
        yield Span(at, min(at + length, span.end))
        at += length


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
