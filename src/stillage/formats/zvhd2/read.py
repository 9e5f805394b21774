"""Reads the disk of a ZVHD2 image at random, through the bitmap and the index at its end. Source: as `inspect`."""

from collections.abc import Generator, Iterator
from typing import NamedTuple

from stillage.formats.base import MalformedImage, Region, Steps, Stream
from stillage.formats.codecs.zlib_stream import ZLIB, Broken, Zlib
from stillage.formats.codecs.zstd_frames import Zstd
from stillage.formats.disk import Charting, Codec, Extent, Packed, Zeros, tolerating
from stillage.formats.tables.bounds import read_whole
from stillage.formats.zvhd.header import PAGE
from stillage.formats.zvhd.records import BLOCK, LARGEST_PAYLOAD, RECORD, RECORD_COOKIE, RECORD_END, parse_head
from stillage.formats.zvhd2.inspect import (
    BITMAP,
    ENTRY,
    FINAL_PAGE,
    INDEX,
    SECOND,
    SECOND_OFFSET,
    SHARED,
    Second,
    check_final_page,
    final_table,
    indexed,
    read_start,
)

CODECS: dict[int, Codec] = {0: Zlib(ZLIB, must_end=False), 1: Zstd()}
LARGEST_RECORD = -(-(RECORD.size + LARGEST_PAYLOAD + len(RECORD_END)) // PAGE) * PAGE
PIECE = 4096
"""Blocks whose entries are read together."""


class Record(NamedTuple):
    """The codec of the record for one *block*, which begins at byte *offset*."""

    block: int
    offset: int
    payload: Codec

    def expand(self, packed: bytes | memoryview, limit: int) -> bytes:
        """As `formats.disk.Codec`; raises `MalformedImage` too."""
        if len(packed) < RECORD.size or packed[: len(RECORD_COOKIE)] != RECORD_COOKIE:
            raise Broken("no record begins here")
        size, block, length = parse_head(bytes(packed[: RECORD.size]), self.offset, SHARED)
        if block != self.block or length != len(packed) or packed[-len(RECORD_END) :] != RECORD_END:
            raise Broken(f"the record is for block {block} and has {length} bytes; the index says otherwise")
        return self.payload.expand(packed[RECORD.size : RECORD.size + size], limit)


def chart(stream: Stream) -> "Steps[Zvhd2Disk]":
    header, second = yield from tolerating([], read_start())
    final_at = (stream.size or 0) - PAGE
    page = yield from read_whole(SHARED.truncated, max(0, final_at), PAGE, "the last page")
    last = Second(*SECOND.unpack_from(page, SECOND_OFFSET))
    # Where the index is and how many records there are is what only the last page says; the rest follows from it.
    final = final_table(second, last.records, last.index_offset)
    check_final_page(page, header, final, final_at)
    if final.bitmap_offset + final.bitmap_size != final_at:
        message = f"the index at {final.index_offset} and the bitmap do not end where the last page begins"
        raise MalformedImage(FINAL_PAGE, final_at + SECOND_OFFSET, message)
    return Zvhd2Disk(header.current_size, final)


class Zvhd2Disk:
    """The disk that the records of an image hold."""

    unit = BLOCK
    in_order = False

    def __init__(self, size: int, final: Second) -> None:
        self.size = size
        self._final = final
        self._codec = CODECS[final.method]

    def extents(self, first: int, length: int) -> Charting:
        block, stop = first // BLOCK, min(-(-(first + length) // BLOCK), self._final.max_blocks)
        position = block if self._final.full_index or block >= stop else (yield from self._find(block))
        while block < stop:
            count = min(PIECE - block % PIECE, stop - block)
            marked = yield from self._marked(block, count)
            records = yield from self._indexed(block, count, position, len(marked))
            if [number for _, number, _ in records] != marked:
                message = (
                    f"bitmap and index disagree on which of the blocks {block} to {block + count - 1} have records"
                )
                raise MalformedImage(INDEX, self._final.index_offset, message)
            yield from self._place(block, count, records)
            block += count
            position += count if self._final.full_index else len(marked)
        end = max(first, block * BLOCK)
        if first + length > end:
            yield Zeros(end, first + length - end)

    def _marked(self, first: int, count: int) -> Generator[Region, bytes, list[int]]:
        """Those of the *count* blocks from *first* on whose bits are set in the bitmap."""
        start = first // 8
        length = -(-(first + count) // 8) - start
        bitmap = yield from read_whole(BITMAP, self._final.bitmap_offset + start, length, "the bitmap")
        if not bitmap.strip(b"\0"):
            return []
        bits = f"{int.from_bytes(bitmap, 'little'):0{8 * length}b}"[::-1]
        return [block for block in range(first, first + count) if bits[block - 8 * start] == "1"]

    def _find(self, block: int) -> Generator[Region, bytes, int]:
        """The position in the index, which ascends, of the first entry for *block* or one behind it."""
        low, high = 0, self._final.records
        while low < high:
            middle = (low + high) // 2
            at = self._final.index_offset + middle * ENTRY.size
            entry = yield from read_whole(INDEX, at, ENTRY.size, "the index")
            if ENTRY.unpack(entry)[1] < block:
                low = middle + 1
            else:
                high = middle
        return low

    def _indexed(
        self, first: int, count: int, position: int, marked: int
    ) -> Generator[Region, bytes, list[tuple[int, int, int]]]:
        """The entries for the *count* blocks from *first* on, the first of which is at *position* in the index.

        A full index has one for each block. Another one has one for each record, of which *marked* are expected: one
        more is read, which must be for none of these blocks.
        """
        full = bool(self._final.full_index)
        entries = count if full else min(marked + 1, self._final.records - position)
        at = self._final.index_offset + position * ENTRY.size
        data = yield from read_whole(INDEX, at, entries * ENTRY.size, "the index")
        if full:
            return list(indexed(data, first, at))
        return [entry for entry in ENTRY.iter_unpack(data) if entry[1] < first + count]

    def _place(self, first: int, count: int, records: list[tuple[int, int, int]]) -> Iterator[Extent]:
        block = first
        for offset, number, length in records:
            if number > block:
                yield Zeros(block * BLOCK, (number - block) * BLOCK)
            if not PAGE <= length <= LARGEST_RECORD:
                message = f"the record of block {number} has {length} bytes in the index; {LARGEST_RECORD} can be"
                raise MalformedImage(INDEX, self._final.index_offset, message)
            yield Packed(number * BLOCK, BLOCK, offset, length, Record(number, offset, self._codec))
            block = number + 1
        if block < first + count:
            yield Zeros(block * BLOCK, (first + count - block) * BLOCK)
