"""Unpack compressed files while they arrive: gzip, xz, Zstandard and bzip2, by their first bytes, within bounds.

The whole file must be one or more complete members of one kind, with nothing behind them except xz's padding. What
comes out is bounded by the ratio, so that a small file cannot keep a server busy for hours, and the memory by the
largest dictionary. Pure: work for a thread.

Source: RFC 1952, the .xz file format 1.2.1, RFC 8878, and bzip2's block magic.
"""

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC_BYTES = 10
BLOCK = 1 << 20
LARGEST_WINDOW = 26
"""Of Zstandard, as a power of two: 64 MiB. It is what ``zstd --ultra -21`` needs, and xz's largest preset ``-9``."""
XZ_MEMORY = (64 << 20) + (16 << 20)
"""For a dictionary of 64 MiB and what comes with it."""


class NotUnpacked(Exception):
    """The file is damaged, incomplete, or expands too much. The text says which."""


class Member(Protocol):
    """Unpacks one member, as the decompressors of `bz2`, `lzma` and `zstd` do."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /, max_length: int) -> bytes: ...


class Gzip:
    """zlib's decompressor, in the shape of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _xz() -> Member:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


def _zstd() -> Member:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: LARGEST_WINDOW})


MEMBERS: Mapping[str, Callable[[], Member]] = {
    "gzip": Gzip,
    "xz": _xz,
    "zstd": _zstd,
    "bzip2": bz2.BZ2Decompressor,
}
FAILURES = (zlib.error, lzma.LZMAError, zstd.ZstdError, OSError, EOFError, ValueError)


def packing_of(head: bytes) -> str | None:
    """Return how a file that begins with *head* (`MAGIC_BYTES`, or all there is) is packed; None if it is not."""
    if head.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if head.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50):
        return "zstd"
    blocks = (b"1AY&SY", b"\x17rE8P\x90")
    return "bzip2" if head[:3] == b"BZh" and head[3:4] in b"123456789" and head[4:10] in blocks else None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may come out.

    Attributes:
        ratio: Bytes for each byte of the file.
        packed: Bytes of the file, None where only its end tells; then those count that were fed.
        spare: Bytes that may come out whatever the ratio: small files of zeros are harmless.
    """

    ratio: float
    packed: int | None
    spare: int = 64 << 20


class Unpacker:
    """Unpacks one file."""

    def __init__(self, packing: str, bounds: Bounds) -> None:
        self._packing = packing
        self._make = MEMBERS[packing]
        self._bounds = bounds
        self._member: Member | None = self._make()
        self._padding = 0
        self._fed = 0
        self._produced = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield what comes out of *piece*, in blocks of at most `BLOCK` bytes. Take all of it.

        Raises:
            NotUnpacked: If it cannot be unpacked, or grows beyond the bounds.
        """
        self._fed += len(piece)
        while True:
            member, piece = self._current(piece)
            if member is None:
                return
            try:
                block = member.decompress(piece, BLOCK)
            except FAILURES as error:
                raise NotUnpacked(f"the {self._packing} data are damaged, or need too much memory ({error})") from error
            self._count(len(block))
            if block:
                yield block
            piece = b""
            if member.eof:
                piece, self._member = member.unused_data, None
            elif member.needs_input:
                return

    def finish(self) -> None:
        """Say that there is no more.

        Raises:
            NotUnpacked: If there should be.
        """
        if self._member is not None:
            raise NotUnpacked(f"the {self._packing} data end too early")
        if self._padding % 4:
            raise NotUnpacked("the padding of the xz data is not a multiple of four bytes")

    def _current(self, piece: bytes) -> tuple[Member | None, bytes]:
        """Return the member that *piece* goes to, and what of it does; no member if nothing is left."""
        if self._member is not None:
            return self._member, piece
        rest = piece.lstrip(b"\0") if self._packing == "xz" else piece
        self._padding += len(piece) - len(rest)
        if not rest:
            return None, b""
        if self._padding % 4:
            raise NotUnpacked("the padding of the xz data is not a multiple of four bytes")
        self._padding = 0
        self._member = self._make()
        return self._member, rest

    def _count(self, size: int) -> None:
        self._produced += size
        packed = self._fed if self._bounds.packed is None else self._bounds.packed
        if self._produced > self._bounds.spare + self._bounds.ratio * packed:
            raise NotUnpacked(f"it expands to more than {self._bounds.ratio:g} times its size")
