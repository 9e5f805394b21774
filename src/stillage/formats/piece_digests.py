"""Digests of the pieces of an image: the SHA-256 of every 4 MiB, by which a server finds what it has of a file already.

Packed they are 32 bytes for each piece, in order. Clients and the server cut and hash in the same way.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Protocol

from stillage.holes import HOLE, ZEROS
from stillage.spans import Span

PIECE = 4 << 20
"""Bytes of a piece; the last one of an image may be shorter."""
LENGTH = 32
"""Bytes of a digest."""
UNKNOWN = bytes(LENGTH)
"""Stands for a digest that was not made yet. No bytes have it."""
MOST_KEPT = 32_768
"""Pieces of one image that have digests: its first 128 GiB, 1 MiB of digests. What follows has to be sent."""
MADE_AT_ONCE = 64
"""Pieces of an image that have digests as soon as it is active: 256 MiB. More would cost its upload time."""
MOST_LISTED = 1024
"""Pieces of one list, 4 GiB: so that a proof of some of their bytes says something about all of them."""
FIRST = 8
"""The first pieces of an image are samples of it."""
GROUP = 16
"""So is the lowest digest of every so many pieces: the same one in a similar image, without comparing them all."""


class _Digest(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class PieceHasher:
    """Feed it the bytes of some pieces in order, in blocks of any size. Zeros are not hashed.

    What follows the first *most* pieces is ignored.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._packed = bytearray()
        self._begun = 0  # bytes of the current piece
        self._digest: _Digest | None = None  # None: only zeros so far

    def feed(self, block: bytes) -> None:
        start = 0
        while start < len(block) and len(self._packed) < self._most * LENGTH:
            end = min(len(block), start + PIECE - self._begun)
            self._update(block, start, end)
            if self._begun == PIECE:
                self._end_piece()
            start = end

    def packed(self) -> bytes:
        """Return the digests of everything that was fed. Nothing can be fed after that."""
        if self._begun:
            self._end_piece()
        return bytes(self._packed)

    def _update(self, block: bytes, start: int, end: int) -> None:
        if self._digest is None and not _is_zero(block, start, end):
            self._digest = hashlib.sha256()
            for at in range(0, self._begun, HOLE):
                self._digest.update(ZEROS[: self._begun - at])
        if self._digest is not None:
            self._digest.update(memoryview(block)[start:end])
        self._begun += end - start

    def _end_piece(self) -> None:
        self._packed += zero_digest(self._begun) if self._digest is None else self._digest.digest()
        self._begun, self._digest = 0, None


def _is_zero(block: bytes, start: int, end: int) -> bool:
    # startswith is a memcmp, and the first piece that holds data ends the search.
    return all(block.startswith(ZEROS[: min(HOLE, end - at)], at) for at in range(start, end, HOLE))


@lru_cache(maxsize=4)
def zero_digest(length: int) -> bytes:
    """Return the SHA-256 of *length* zeros."""
    digest = hashlib.sha256()
    for at in range(0, length, HOLE):
        digest.update(ZEROS[: length - at])
    return digest.digest()


def overlaid(known: bytes, first: int, packed: bytes) -> bytes:
    """Return the digests *known*, packed, with those of *packed*, which are of the pieces from number *first* on."""
    both = bytearray(known.ljust(first * LENGTH + len(packed), b"\0"))
    for at in range(0, len(packed), LENGTH):
        digest = packed[at : at + LENGTH]
        if digest != UNKNOWN:
            both[first * LENGTH + at : first * LENGTH + at + LENGTH] = digest
    return bytes(both)


def first_unknown(known: bytes, size: int, most: int) -> range:
    """Return the numbers of the first consecutive pieces of *size* bytes that have no digest in *known*.

    At most *most* of them; none if all are known that are ever made.
    """
    count = min(MOST_KEPT, -(-size // PIECE))
    digests = known.ljust(count * LENGTH, b"\0")
    is_unknown = [digests[at : at + LENGTH] == UNKNOWN for at in range(0, count * LENGTH, LENGTH)]
    first = next((number for number in range(count) if is_unknown[number]), count)
    most_end = min(count, first + most)
    return range(first, next((number for number in range(first, most_end) if not is_unknown[number]), most_end))


@dataclass(frozen=True, slots=True)
class PieceList:
    """The digests of consecutive pieces of a file.

    Attributes:
        first: The number of the first of them; number 0 begins at byte 0.
        packed: Their digests.
        size: Bytes of the whole file.
    """

    first: int
    packed: bytes
    size: int

    def __len__(self) -> int:
        return len(self.packed) // LENGTH

    @property
    def is_within_file(self) -> bool:
        """Whether there is a piece in this list, and the last one begins before the end of the file."""
        return len(self) > 0 and 0 <= self.first <= (self.size - 1) // PIECE + 1 - len(self)

    @property
    def span(self) -> Span:
        """The bytes of all of them."""
        return Span(self.first * PIECE, self.span_of(len(self) - 1).end)

    def span_of(self, number: int) -> Span:
        """Return the bytes of the piece at the place *number* of this list."""
        first = (self.first + number) * PIECE
        return Span(first, min(first + PIECE, self.size))

    def digest_of(self, number: int) -> bytes:
        """The digest of the piece at the place *number* of this list; empty behind its end."""
        return self.packed[number * LENGTH : (number + 1) * LENGTH]

    def __iter__(self) -> Iterator[bytes]:
        return (self.digest_of(number) for number in range(len(self)))

    def only(self, spans: Iterable[Span]) -> bytes:
        """Return the digests of the pieces that *spans* are made of, packed; `UNKNOWN` in place of the others."""
        packed = bytearray(len(self.packed))
        for span in spans:
            places = slice((span.first // PIECE - self.first) * LENGTH, (-(-span.end // PIECE) - self.first) * LENGTH)
            packed[places] = self.packed[places]
        return bytes(packed)

    def samples(self) -> list[int]:
        """Return what a similar image has among its own samples, as signed numbers of 64 bits.

        No zeros are among them, which most images have.
        """
        zeros = {zero_digest(PIECE), zero_digest(self.size % PIECE)}
        lowest: dict[int, bytes] = {}
        data: dict[bytes, None] = {}
        for number, digest in enumerate(self, self.first):
            if digest not in zeros:
                data[digest] = None
                lowest[number // GROUP] = min(digest, lowest.get(number // GROUP, digest))
        chosen = {*islice(data, FIRST), *lowest.values()}
        return sorted(int.from_bytes(digest[:8], "big", signed=True) for digest in chosen)


@dataclass(frozen=True, slots=True)
class Run:
    """Bytes that two files have in common: *span* of the one, which begin at the byte *at* of the other."""

    span: Span
    at: int

    def place_of(self, span: Span) -> Span:
        """Return where *span*, a part of this run, is in the other file."""
        return Span(self.at + span.first - self.span.first, self.at + span.end - self.span.first)


def runs_in_common(wanted: PieceList, known: PieceList) -> list[Run]:
    """Return which pieces of *wanted* are among *known*, those of another file from its first on; neighbours joined."""
    listed = list(wanted)
    looked_for = set(listed) - {UNKNOWN}
    places: dict[bytes, int] = {}
    for number, digest in enumerate(known):
        if digest in looked_for:
            places.setdefault(digest, number)
    runs: list[Run] = []
    for number, digest in enumerate(listed):
        if digest not in looked_for:
            continue
        span, same = wanted.span_of(number), wanted.first + number
        # The same place is better than an earlier one: neighbours stay neighbours.
        place = same if known.digest_of(same) == digest else places.get(digest)
        if place is None or known.span_of(place).length != span.length:
            continue
        _join(runs, Run(span, place * PIECE))
    return runs


def _join(runs: list[Run], run: Run) -> None:
    before = runs[-1] if runs else None
    if before is not None and before.span.end == run.span.first and before.at + before.span.length == run.at:
        runs[-1] = Run(Span(before.span.first, run.span.end), before.at)
    else:
        runs.append(run)
