"""The body of a stream-optimized VMware disk: compressed grains one behind the other, each with a marker.

Every grain says for itself which part of the disk it is, and the grain tables say it again. Some readers go by one,
some by the other, so both must agree. The tables are either in front (the directory's place is in the header), or
between and behind the grains, with a second header, the footer, at the end.

Source: VMware, "Virtual Disk Format 5.0", "Stream-Optimized Compressed Sparse Extents".
"""

import os
import struct
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import compress
from operator import mul
from typing import NamedTuple

from stillage.formats.base import SECTOR, Inspection, MalformedImage, Region, Rule, Steps, Stream, Tail
from stillage.formats.tables.entries import little_endian_32
from stillage.formats.vmdk.tables import (
    GRAINS,
    REWRITE,
    TABLE_BYTES,
    TABLE_SECTORS,
    TRUNCATED,
    Layout,
)

MARKER = Rule("vmdk.marker", "A marker is of an unknown kind, or its numbers are impossible.", REWRITE)
GRAIN_DATA = Rule("vmdk.grain-data", "A compressed grain is misplaced, too long, or not a zlib stream.", REWRITE)
TABLES_DIFFER = Rule("vmdk.tables-differ", "The grain tables name other grains than the file holds.", REWRITE)
FOOTER = Rule("vmdk.footer", "The footer is missing, not at the end, or contradicts the header.", REWRITE)
TRAILING_DATA = Rule("vmdk.trailing-data", "Bytes follow the end of the disk.", REWRITE)
RULES = (MARKER, GRAIN_DATA, TABLES_DIFFER, FOOTER, TRAILING_DATA)

END, TABLE, DIRECTORY, FOOTER_MARK = range(4)  # kinds of markers
PIECE = 16 << 10
PADDING = bytes(64 << 10)
MARKER_FIELDS = struct.Struct("<QII")
GRAIN = struct.Struct("<QIH")  # disk sector, length, the first two bytes of the zlib stream
# RFC 1950: method 8 in the low bits of the first byte, and both bytes as one big-endian number divide by 31.
ZLIB_STARTS = frozenset(
    flags << 8 | method for method in range(8, 256, 16) for flags in range(256) if not (method << 8 | flags) % 31
)


def check_footer(footer: bytes, header: bytes, at: int) -> None:
    """Raise `MalformedImage` if the *footer* at byte *at* describes another disk than the *header*."""
    # The clean-shutdown byte may differ; the directory's place must: it is why there is a footer.
    if any([footer[part] != header[part] for part in (slice(56), slice(64, 72), slice(73, None))]):
        raise MalformedImage(FOOTER, at, "the footer and the header describe two different disks")


class _Mark(NamedTuple):
    at: int
    sectors: int
    kind: int


class Tally:
    """What each table should map, in an order-free sum for each: `sums`. The walk along the grains adds to it.

    Grains and tables come in any order and need not fit in memory. A grain at *sector* in place *slot* of its table
    counts ``sector * factors[slot] + terms[slot]``, modulo a prime. The numbers are random and new for every file, so
    nobody can prepare two different sets of grains with equal sums: the term counts the grains of a place, which must
    be one, and the factor then leaves one sector only.
    """

    PRIME = (1 << 61) - 1

    def __init__(self, layout: Layout) -> None:
        self._lowest_grain = layout.lowest_grain
        secret = [number % self.PRIME for number in array("Q", os.urandom(8 * 2 * GRAINS))]
        self.factors, self.terms = secret[:GRAINS], secret[GRAINS:]
        self.sums = array("Q", bytes(8 * layout.tables))

    def of_table(self, data: bytes) -> int:
        sectors: Sequence[int] = little_endian_32(data)
        if self._lowest_grain > 1 and 1 in sectors:
            sectors = [sector if sector >= self._lowest_grain else 0 for sector in sectors]
        total: int = sum(map(mul, sectors, self.factors)) + sum(compress(self.terms, sectors))
        return total % self.PRIME

    def first_difference(self, sums: "array[int]") -> int | None:
        """The first table whose sum is not that of its grains."""
        if sums == self.sums:
            return None
        return next(table for table in range(len(sums)) if sums[table] != self.sums[table])


class Body:
    """A walk along the markers, from the first grain to the end of the stream."""

    def __init__(self, stream: Stream, layout: Layout, header: bytes) -> None:
        self._stream = stream
        self._layout = layout
        self._header = header
        self._at = layout.overhead * SECTOR
        self._piece_at, self._piece = self._at, b""
        self._last_grain: int | None = None
        self._tables_at = array("I")
        self._tables_sum = array("Q")
        self._directory_at: int | None = None
        self.tally = Tally(layout)

    def read_with_tables_in_front(self, sums: "array[int]") -> Inspection:
        """Walk the grains, whose tables have the *sums* given."""
        mark = yield from self._next_mark()
        while mark is not None and mark.kind != END:
            self._at = mark.at + SECTOR * (1 + mark.sectors)
            mark = yield from self._next_mark()
        if (table := self.tally.first_difference(sums)) is not None:
            raise _differ(table, self._layout.directory_at)
        yield from self._check_padding(ended=mark is not None)

    def read_with_tables_behind(self) -> Inspection:
        """Walk grains and tables up to the footer, and to the end."""
        while (mark := (yield from self._next_mark())) is not None and mark.kind in (TABLE, DIRECTORY):
            if mark.kind == TABLE:
                yield from self._take_table(mark)
            else:
                yield from self._take_directory(mark)
        if mark is None:
            message = "the file ends without the directory, the footer and the end marker"
            raise MalformedImage(TRUNCATED, self._at, message)
        if mark.kind == END:
            raise MalformedImage(FOOTER, mark.at, "the end marker does not come directly behind a footer")
        yield from self._take_footer(mark)

    def _next_mark(self) -> Steps[_Mark | None]:
        """Pass over grains; return the next marker of another kind, None at the end of the stream."""
        while True:
            piece = yield from self._window()
            if len(piece) < MARKER_FIELDS.size:
                yield from self._demand_the_last_record(len(piece))
                return None
            self._at += self._pass_grains(piece)
            inside = self._at - self._piece_at
            if inside + MARKER_FIELDS.size <= len(self._piece):
                sectors, _, kind = MARKER_FIELDS.unpack_from(self._piece, inside)
                mark = _Mark(self._at, sectors, kind)
                self._check_mark(mark)
                return mark

    def _window(self) -> Steps[bytes]:
        """The bytes from where we are, some of which may be at hand: what has passed cannot be asked for again."""
        inside = self._at - self._piece_at
        if inside >= len(self._piece):
            self._piece_at, inside = self._at, 0
            self._piece = yield Region(self._at, PIECE)
        return self._piece[inside:]

    def _fetch(self, mark: _Mark, length: int) -> Steps[bytes]:
        """The *length* bytes behind *mark*; go on behind them."""
        inside = mark.at + SECTOR - self._piece_at
        data = self._piece[inside : inside + length]
        if len(data) < length:
            data += yield Region(mark.at + SECTOR + len(data), length - len(data))
        if len(data) < length:
            message = (
                f"what the marker at {mark.at} describes ends at byte {mark.at + SECTOR + length}; the file does not"
            )
            raise MalformedImage(TRUNCATED, mark.at, message)
        self._at = mark.at + SECTOR * (1 + mark.sectors)
        return data

    def _pass_grains(self, piece: bytes) -> int:
        """Check the grains that begin in *piece*; return where the next marker is, behind the piece perhaps."""
        capacity, grain = self._layout.capacity, self._layout.grain
        table_sectors, longest = grain * GRAINS, 2 * grain * SECTOR
        sums, factors, terms, prime = self.tally.sums, self.tally.factors, self.tally.terms, self.tally.PRIME
        unpack = GRAIN.unpack_from
        first, at, last, end = self._at, 0, -1, len(piece) - MARKER_FIELDS.size
        # A grain of zeros is one sector here, so 2000 of them are in a MiB: this loop calls nothing of ours.
        while at <= end:
            sector, length, start = unpack(piece, at)
            if not length:
                break
            if sector % grain or sector >= capacity or length > longest:
                message = f"a grain for disk sector {sector} with {length} bytes; the disk has {capacity} sectors"
                raise MalformedImage(GRAIN_DATA, first + at, message)
            if start not in ZLIB_STARTS:
                raise MalformedImage(GRAIN_DATA, first + at + 12, "a grain does not begin as a zlib stream does")
            table, inside = divmod(sector, table_sectors)
            slot = inside // grain
            sums[table] = (sums[table] + (first + at) // SECTOR * factors[slot] + terms[slot]) % prime
            last = at
            at += (length + 12 + SECTOR - 1) // SECTOR * SECTOR
        if last >= 0:
            self._last_grain = first + last
        return at

    def _demand_the_last_record(self, left: int) -> Inspection:
        yield Tail(0)
        if left or self._at > (self._stream.size or 0):
            message = f"the last record ends at byte {self._at}; the file has {self._stream.size}"
            raise MalformedImage(TRUNCATED, self._at, message)

    def _check_mark(self, mark: _Mark) -> None:
        expected = {
            END: 0,
            TABLE: TABLE_SECTORS,
            DIRECTORY: self._layout.directory_sectors,
            FOOTER_MARK: 1,
        }
        if expected.get(mark.kind) != mark.sectors:
            message = f"a marker of kind {mark.kind} with {mark.sectors} sectors is none that this disk can have"
            raise MalformedImage(MARKER, mark.at, message)

    def _take_table(self, mark: _Mark) -> Inspection:
        data = yield from self._fetch(mark, TABLE_BYTES)
        if len(self._tables_at) >= self._layout.tables or self._directory_at is not None:
            message = (
                f"the disk has {self._layout.tables} grain tables, all in front of the directory; here is one more"
            )
            raise MalformedImage(MARKER, mark.at, message)
        self._tables_at.append(mark.at // SECTOR + 1)
        self._tables_sum.append(self.tally.of_table(data))

    def _take_directory(self, mark: _Mark) -> Inspection:
        if self._directory_at is not None:
            raise MalformedImage(MARKER, mark.at, "there is a second grain directory")
        self._directory_at = mark.at // SECTOR + 1
        count = self._layout.tables
        data = yield from self._fetch(mark, 4 * count)
        for position, sector in enumerate(little_endian_32(data)):
            index = bisect_left(self._tables_at, sector) if sector else None
            if index is not None and (index == len(self._tables_at) or self._tables_at[index] != sector):
                message = f"the directory names a grain table at sector {sector}, where none has been"
                raise MalformedImage(TABLES_DIFFER, mark.at + SECTOR + 4 * position, message)
            if self.tally.sums[position] != (0 if index is None else self._tables_sum[index]):
                raise _differ(position, self._directory_at)

    def _take_footer(self, mark: _Mark) -> Inspection:
        data = yield from self._fetch(mark, SECTOR)
        if self._directory_at is None or int.from_bytes(data[56:64], "little") != self._directory_at:
            raise MalformedImage(FOOTER, mark.at + SECTOR + 56, "the footer gives another place for the directory")
        check_footer(data, self._header, mark.at + SECTOR)
        end = yield from self._next_mark()
        if end is None:
            raise MalformedImage(TRUNCATED, mark.at, "the file ends behind the footer, without the end marker")
        if end.kind != END:
            raise MalformedImage(FOOTER, mark.at, "the footer is not followed by the end marker")
        yield Tail(0)
        size, needed = self._stream.size or 0, end.at + SECTOR
        if size != needed:
            rule = TRAILING_DATA if size > needed else TRUNCATED
            raise MalformedImage(rule, needed, f"the end marker ends at byte {needed}; the file has {size}")

    def _check_padding(self, *, ended: bool) -> Inspection:
        """Check the end of a stream without a footer: an end marker, or zeros up to the size of a whole last grain."""
        start = self._at
        whole = start if self._last_grain is None else self._last_grain + self._layout.grain * SECTOR
        marked = start + SECTOR if ended else start
        while (data := (yield from self._window())) and self._at <= max(whole, marked):
            if data != PADDING[: len(data)]:
                raise MalformedImage(TRAILING_DATA, self._at, f"behind the last grain, at {self._at}, is more data")
            self._at += len(data)
        yield Tail(0)
        size = self._stream.size or 0
        if size < whole and size != marked:
            message = f"the last grain's place ends at byte {whole}; the file has {size}, and no end marker there"
            raise MalformedImage(TRUNCATED, start, message)
        if size > max(whole, marked):
            raise MalformedImage(
                TRAILING_DATA, start, f"the disk ends at byte {max(whole, marked)}; the file has {size}"
            )


def _differ(table: int, directory_at: int) -> MalformedImage:
    message = f"grain table {table} does not name the grains that the file holds for it"
    return MalformedImage(TABLES_DIFFER, directory_at * SECTOR + 4 * table, message)
