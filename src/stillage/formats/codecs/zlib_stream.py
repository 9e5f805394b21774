"""Expands zlib streams within bounds, to prove that they can be expanded, or to read what is in them.

The streams come from images that strangers made. Source: RFC 1950 (zlib), RFC 1951 (deflate).
"""

import zlib
from dataclasses import dataclass
from typing import Protocol

CHUNK = 256 << 10
ZLIB, DEFLATE = 15, -15
"""Streams with and without the zlib header, expanded with the largest window, whatever the writer used."""


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


@dataclass(frozen=True, slots=True)
class Zlib:
    """The codec of units that are a stream each.

    Attributes:
        bits: `ZLIB` or `DEFLATE`.
        must_end: False if a unit may stop without a final block. Where it is known to end so, give no bytes behind it.
    """

    bits: int
    must_end: bool

    def expand(self, packed: bytes | memoryview, limit: int) -> bytes:
        """As `formats.disk.Codec`."""
        stream = zlib.decompressobj(self.bits)
        try:
            expanded = stream.decompress(packed, limit + 1)
        except zlib.error as error:
            raise Broken(str(error)) from error
        if self.must_end and len(expanded) <= limit and not stream.eof:
            raise Broken("the stream does not end")
        return expanded


class Continued:
    """One zlib stream that runs through many units, each of which ends at a flush."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(ZLIB)

    def copy(self) -> "Continued":
        """Return the same stream at the same place, which goes on by itself."""
        other = Continued()
        other._stream = self._stream.copy()
        return other

    def expand(self, packed: bytes, limit: int) -> bytes:
        """Return what the next unit expands to: at most *limit* + 1 bytes.

        Raises:
            Broken: If it cannot be expanded, or ends the stream.
        """
        try:
            expanded = self._stream.decompress(packed, limit + 1)
        except zlib.error as error:
            raise Broken(str(error)) from error
        if self._stream.eof:
            raise Broken("the zlib stream is finished, where a flush is expected")
        return expanded
