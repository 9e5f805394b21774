"""Reads the disk of a ZVHD image, whose blocks are all one zlib stream. Source: as `inspect`.

A block can be expanded only behind those before it. So copies of the inflater are kept at points of the file, each a
few dozen KiB, as reading passes them: in order each block costs itself, and a block at random those from the nearest
point on. The first that is read costs all before it.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Generator
from itertools import count
from typing import NamedTuple

from stillage.formats.base import MalformedImage, Region, Steps, Stream
from stillage.formats.codecs.zlib_stream import Broken, Continued
from stillage.formats.disk import Chain, Charting, Packed, Zeros, tolerating
from stillage.formats.tables.bounds import read_whole
from stillage.formats.zvhd.header import PAGE
from stillage.formats.zvhd.inspect import SHARED, check_end, read_start, records_of
from stillage.formats.zvhd.records import BLOCK, RECORD, RECORD_COOKIE, parse_head

DISTANCE = 16
"""Records from one point to the next."""
MOST_COPIES = 256
MOST_RUNNING = 4


class Points(NamedTuple):
    """Every `DISTANCE`th record, from the first one on: the number of its block, and where it begins."""

    blocks: "array[int]"
    offsets: "array[int]"


class Record(NamedTuple):
    payload: int
    block: int
    length: int


def chart(stream: Stream) -> "Steps[ZvhdDisk]":
    header = yield from tolerating([], read_start())
    records, points = records_of(stream, header), Points(array("Q"), array("Q"))
    yield from records.begin()
    for number in count():
        if not records.at_record():
            break
        offset, block, _ = yield from records.skip()
        if number % DISTANCE == 0:
            points.blocks.append(block)
            points.offsets.append(offset)
    end = records.offset
    yield from check_end(records, header)
    return ZvhdDisk(header.current_size, points, end)


class ZvhdDisk(Chain):
    """The disk that the records of an image hold, and what has been expanded of it as far as that helps."""

    unit = BLOCK
    in_order = True

    def __init__(self, size: int, points: Points, end: int) -> None:
        self.size = size
        self._points = points
        self._end = end
        self._spacing = 1
        # Streams by the place of the record that they come to next: copies at points, and those that readers go on
        # with. Each step on them is one that threads cannot interrupt, so they need no lock.
        self._copies: dict[int, Continued] = {}
        self._running: dict[int, Continued] = {}

    def extents(self, first: int, length: int) -> Charting:
        block, stop = first // BLOCK, -(-(first + length) // BLOCK)
        point = bisect_right(self._points.blocks, block) - 1
        at = self._points.offsets[point] if point >= 0 else PAGE
        while at < self._end:
            record = yield from _head(at)
            if record.block >= stop:
                break
            if record.block > block:
                yield Zeros(block * BLOCK, (record.block - block) * BLOCK)
            if record.block >= block:
                yield Packed(record.block * BLOCK, BLOCK, at, record.length, self)
                block = record.block + 1
            at += record.length
        if block < stop:
            yield Zeros(block * BLOCK, (stop - block) * BLOCK)

    def expand_unit(self, unit: Packed) -> Generator[Region, bytes, tuple[bytes, int]]:
        at, stream = self._nearest(unit.offset)
        units = 0
        while True:
            record = yield from _head(at)
            payload = yield from read_whole(SHARED.truncated, at + RECORD.size, record.payload, "a record")
            data = _expanded(stream, payload, at, record.block)
            is_last = at >= unit.offset
            at += record.length
            units += 1
            self._note(at, stream)
            if is_last:
                self._go_on(at, stream)
                return data, units

    def _nearest(self, offset: int) -> tuple[int, Continued]:
        """A stream that comes to the record at *offset*, or to one before it, next; nobody else uses it."""
        for at in sorted([at for at in [*self._running, *self._copies] if at <= offset], reverse=True):
            copied = self._copies.get(at)
            stream = self._running.pop(at, None) or (copied.copy() if copied else None)
            if stream is not None:
                return at, stream
        return PAGE, Continued()

    def _go_on(self, at: int, stream: Continued) -> None:
        self._running[at] = stream
        for forgotten in [*self._running][:-MOST_RUNNING]:
            self._running.pop(forgotten, None)

    def _note(self, at: int, stream: Continued) -> None:
        """Keep a copy of *stream* if a point is at *at*; of fewer points where they are too many."""
        offsets = self._points.offsets
        point = bisect_left(offsets, at)
        if point == len(offsets) or offsets[point] != at or point % self._spacing or at in self._copies:
            return
        self._copies[at] = stream.copy()
        if len(self._copies) > MOST_COPIES:
            self._spacing *= 2
            for kept in [*self._copies]:
                if bisect_left(offsets, kept) % self._spacing:
                    self._copies.pop(kept, None)


def _head(at: int) -> Generator[Region, bytes, Record]:
    head = yield from read_whole(SHARED.truncated, at, RECORD.size, "a record")
    if not head.startswith(RECORD_COOKIE):
        raise MalformedImage(SHARED.record, at, f"no record begins at {at}")
    return Record(*parse_head(head, at, SHARED))


def _expanded(stream: Continued, payload: bytes, at: int, block: int) -> bytes:
    try:
        data = stream.expand(payload, BLOCK)
    except Broken as broken:
        message = f"the record of block {block} cannot be expanded: {broken}"
        raise MalformedImage(SHARED.payload, at, message) from broken
    if len(data) != BLOCK:
        rule = SHARED.bomb if len(data) > BLOCK else SHARED.payload
        length = f"more than {BLOCK}" if len(data) > BLOCK else str(len(data))
        raise MalformedImage(rule, at, f"the record of block {block} expands to {length} bytes; a block has {BLOCK}")
    return data
