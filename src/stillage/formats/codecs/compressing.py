"""Compresses blocks with deflate or zstd. With the extra ``fast``, ISA-L does the deflate in place of zlib.

ISA-L is used for compressing only: what comes from outside is expanded with zlib and zstd. Its bytes differ between
processors, so nothing may be derived from "the same input gives the same bytes".

Source: RFC 1950, RFC 1951, RFC 8878.
"""

import sys
import zlib
from collections.abc import Callable
from typing import NamedTuple, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

try:
    from isal import isal_zlib
except ImportError:  # the extra is not installed
    isal_zlib = None  # type: ignore[assignment]

Block = bytes | memoryview
Compress = Callable[[Block], bytes]
"""Compresses one block for itself, in any thread."""

MOST_MEMORY = 9  # zlib's memLevel: QEMU's too, so the sizes are the same
LONGEST_WINDOW = 15


class _Stream(Protocol):
    def compress(self, data: Block, /) -> bytes: ...
    def flush(self, mode: int, /) -> bytes: ...


class Deflater(NamedTuple):
    """A library that compresses with deflate.

    Attributes:
        name: The library's.
        begin: Returns a new stream for a window of so many bits: positive with the header and checksum of zlib,
            negative without.
    """

    name: str
    begin: Callable[[int], _Stream]

    def stream(self, block: Block) -> bytes:
        """A complete zlib stream."""
        return self._whole(LONGEST_WINDOW, block)

    def bare(self, block: Block, window_bits: int) -> bytes:
        """A complete deflate stream, without header and checksum, that refers back at most ``1 << window_bits``."""
        return self._whole(-window_bits, block)

    def flushed(self, block: Block) -> bytes:
        """A part of a deflate stream, to be continued: it ends at a byte, and refers to nothing in front of it."""
        stream = self.begin(-LONGEST_WINDOW)
        return stream.compress(block) + stream.flush(zlib.Z_SYNC_FLUSH)

    def _whole(self, window_bits: int, block: Block) -> bytes:
        stream = self.begin(window_bits)
        return stream.compress(block) + stream.flush(zlib.Z_FINISH)


def _zlib(window_bits: int) -> _Stream:
    return zlib.compressobj(6, zlib.DEFLATED, window_bits, MOST_MEMORY)


def _isal(window_bits: int) -> _Stream:
    return isal_zlib.compressobj(1, isal_zlib.DEFLATED, window_bits, MOST_MEMORY)


ZLIB = Deflater("zlib", _zlib)
ISAL = None if isal_zlib is None else Deflater("isal", _isal)
DEFLATER = ISAL or ZLIB
"""The fastest one that is installed."""


def zstd_frame(block: Block) -> bytes:
    """A complete zstd frame that says how long its content is."""
    return zstd.compress(block, level=3)
