"""Reads the records of ZVHD and ZVHD2: the compressed blocks of the disk, each of which is expanded to verify it.

A file is a run of structures that each begin on a page of 4096 bytes: a header page, one record for each guest block
that is not all zero, in ascending order, and closing pages. See `formats.zvhd.header` for the sources.
"""

import struct

from stillage.formats.base import Inspection, MalformedImage, Region, Steps, Stream
from stillage.formats.codecs.zlib_stream import Broken, Expander
from stillage.formats.zvhd.header import PAGE, Rules

BLOCK = 2 << 20
LARGEST_PAYLOAD = BLOCK + BLOCK // 16
PIECE = 256 << 10
RECORD = struct.Struct("<12sII28s")
RECORD_COOKIE = b"hwstream bg\0"
RECORD_END = b"end\0"


def parse_head(head: bytes, at: int, rules: Rules) -> tuple[int, int, int]:
    """Return what the *head* of the record at byte *at* says: bytes of payload, block number, and bytes on disk."""
    _, size, block, _ = RECORD.unpack_from(head)
    if not 0 < size <= LARGEST_PAYLOAD:
        message = f"a record claims {size} bytes; 1 to {LARGEST_PAYLOAD} are possible"
        raise MalformedImage(rules.record_size, at + 12, message)
    return size, block, -(-(RECORD.size + size + len(RECORD_END)) // PAGE) * PAGE


class Records:
    """Reads the records from the second page on, up to whatever is no record.

    Attributes:
        offset: Where the next structure begins.
        head: The first 48 bytes of it; fewer if the file ends there.
    """

    def __init__(self, stream: Stream, rules: Rules, *, blocks: int, reserved_from: int) -> None:
        self._stream = stream
        self._rules = rules
        self._blocks = blocks
        self._reserved_from = reserved_from
        self._last = -1
        self.offset = PAGE
        self.head = b""

    def begin(self) -> Inspection:
        self.head = yield Region(PAGE, RECORD.size)

    def at_record(self) -> bool:
        return self.head[:12] == RECORD_COOKIE

    def read(self, expander: Expander) -> Steps[tuple[int, int, int]]:
        """Verify the record at hand. Returns its offset, its block number and its length on disk."""
        start = self.offset
        size, block, length = self._read_head()
        yield from self._expand(expander, start + RECORD.size, size, block)
        yield from self._read_end(block, length)
        return start, block, length

    def skip(self) -> Steps[tuple[int, int, int]]:
        """Pass over the record at hand, as `read` does, without expanding it."""
        start = self.offset
        _, block, length = self._read_head()
        yield from self._read_end(block, length)
        return start, block, length

    def _read_end(self, block: int, length: int) -> Inspection:
        """Go on to what follows the record at hand, which must end as one does."""
        start = self.offset
        end = start + length - len(RECORD_END)
        following = yield Region(end, len(RECORD_END) + RECORD.size)
        if len(following) < len(RECORD_END):
            raise self.truncated(end + len(following), "a record")
        if not following.startswith(RECORD_END):
            raise MalformedImage(self._rules.record, end, f"the record of block {block} does not end with 'end'")
        self._last = block
        self.offset, self.head = start + length, following[len(RECORD_END) :]

    def _read_head(self) -> tuple[int, int, int]:
        """Return the length of the record's payload, the number of its block, and the record's length on disk."""
        start, rules = self.offset, self._rules
        if len(self.head) < RECORD.size:
            raise self.truncated(start + len(self.head), "the head of a record")
        size, block, length = parse_head(self.head, start, rules)
        if not self._last < block < self._blocks:
            after = f", after block {self._last}" if self._last >= 0 else ""
            message = f"a record is for block {block} of {self._blocks}{after}"
            raise MalformedImage(rules.block_number, start + 16, message)
        if self.head[20 + self._reserved_from :].strip(b"\0"):
            raise MalformedImage(rules.variant, start + 20, "reserved bytes in the head of a record are not all zero")
        if self._stream.size is not None and start + length > self._stream.size:
            raise self.truncated(self._stream.size, f"a record of {length} bytes that begins at {start}")
        return size, block, length

    def _expand(self, expander: Expander, offset: int, size: int, block: int) -> Inspection:
        produced = 0
        for done in range(0, size, PIECE):
            wanted = min(PIECE, size - done)
            piece = yield Region(offset + done, wanted)
            if len(piece) < wanted:
                raise self.truncated(offset + done + len(piece), f"the record of block {block}")
            try:
                produced += expander.expand(piece, BLOCK - produced)
                if done + wanted == size and produced <= BLOCK:
                    expander.finish()
            except Broken as broken:
                raise MalformedImage(
                    self._rules.payload, offset, f"the record of block {block} cannot be expanded: {broken}"
                ) from broken
            if produced > BLOCK:
                raise MalformedImage(
                    self._rules.bomb, offset, f"the record of block {block} expands to more than {BLOCK} bytes"
                )
        if produced < BLOCK:
            raise MalformedImage(
                self._rules.payload, offset, f"the record of block {block} expands to {produced} bytes, not to {BLOCK}"
            )

    def truncated(self, at: int, inside: str) -> MalformedImage:
        return MalformedImage(self._rules.truncated, at, f"the file ends after {at} bytes, inside {inside}")

    def neither(self) -> MalformedImage:
        """What stands here is neither a record nor the closing page."""
        if len(self.head) < 12:
            at = self.offset + len(self.head)
            return MalformedImage(self._rules.truncated, at, f"the file ends after {at} bytes, before its closing page")
        return MalformedImage(
            self._rules.record, self.offset, f"neither a record nor the closing page begins at {self.offset}"
        )

    def closing_page(self, offset: int, begun: bytes = b"") -> Steps[bytes]:
        """Return the page at *offset*, of which *begun* is at hand."""
        page = begun + (yield Region(offset + len(begun), PAGE - len(begun)))
        if len(page) < PAGE:
            raise self.truncated(offset + len(page), f"the page at {offset}")
        return page

    def end(self, offset: int) -> Inspection:
        """Nothing may follow."""
        if (yield Region(offset, 1)):
            raise MalformedImage(self._rules.trailing, offset, f"bytes follow the end of the image at {offset}")
