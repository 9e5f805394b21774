"""Expands zlib streams within bounds, to prove that they can be expanded."""

import zlib
from typing import Protocol

CHUNK = 256 << 10


class Broken(Exception):
    """A payload cannot be expanded."""


class Expander(Protocol):
    """Expands one payload, piece by piece, and keeps nothing of what comes out."""

    def expand(self, piece: bytes, limit: int) -> int:
        """Return how many bytes came out: at most *limit* + 1, which says that there are too many.

        Raises:
            Broken: If *piece* cannot be expanded.
        """
        ...

    def finish(self) -> None:
        """The payload is complete.

        Raises:
            Broken: If its end is not an end.
        """
        ...


class Inflater:
    """One zlib stream that never ends: each payload stops at a flush, and the next one continues it or starts anew."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj()

    def expand(self, piece: bytes, limit: int) -> int:
        produced = 0
        while True:
            most = min(CHUNK, limit + 1 - produced)
            try:
                out = len(self._stream.decompress(piece, most))
            except zlib.error as error:
                raise Broken(str(error)) from error
            produced += out
            piece = self._stream.unconsumed_tail
            # A full chunk may have left bytes inside zlib even when no input is left.
            if produced > limit or (out < most and not piece):
                return produced
            if self._stream.eof:
                return produced

    def finish(self) -> None:
        if self._stream.eof:
            raise Broken("the zlib stream is finished, where a flush is expected")
