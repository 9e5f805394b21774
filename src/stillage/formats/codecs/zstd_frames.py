"""Expands zstd frames within bounds, to prove that they can be expanded, or to read what is in them.

Source: RFC 8878.
"""

import sys

from stillage.formats.codecs.zlib_stream import Broken

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK = 256 << 10
# A frame says how much memory its expansion takes. 4 MiB is twice what one block can use, and half of what the state
# of an upload may be.
LIMITS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 22}
MOST_FRAMES = 16


class Unzstd:
    """One payload: a zstd frame, or a few, one after the other."""

    def __init__(self) -> None:
        self._frames = 0
        self._frame: zstd.ZstdDecompressor | None = None

    def expand(self, piece: bytes, limit: int) -> int:
        produced = 0
        while True:
            frame = self._frame or self._next_frame()
            try:
                produced += len(frame.decompress(piece, min(CHUNK, limit + 1 - produced)))
            except zstd.ZstdError as error:
                raise Broken(str(error)) from error
            piece = b""
            if frame.eof:
                piece, self._frame = frame.unused_data, None
            if produced > limit or not (piece or (self._frame and not frame.needs_input)):
                return produced

    def finish(self) -> None:
        if self._frame is not None:
            raise Broken("the zstd frame is not complete")

    def _next_frame(self) -> zstd.ZstdDecompressor:
        self._frames += 1
        if self._frames > MOST_FRAMES:
            raise Broken(f"it has more than {MOST_FRAMES} zstd frames")
        self._frame = zstd.ZstdDecompressor(options=LIMITS)
        return self._frame


class Zstd:
    """The codec of units that are a frame each, or a few, one after the other."""

    def expand(self, packed: bytes | memoryview, limit: int) -> bytes:
        """As `formats.disk.Codec`. Frames are expanded until *limit* bytes are there."""
        expanded = b""
        rest: bytes | memoryview = packed
        for _ in range(MOST_FRAMES):
            frame = zstd.ZstdDecompressor(options=LIMITS)
            try:
                expanded += frame.decompress(rest, limit + 1 - len(expanded))
            except zstd.ZstdError as error:
                raise Broken(str(error)) from error
            rest = frame.unused_data
            if len(expanded) >= limit or not (frame.eof and rest):
                break
        return expanded
