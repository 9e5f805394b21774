"""ZVHD2 (Huawei Cloud): expand every record; refuse bombs, and an index or a bitmap that contradicts them.

Blocks are compressed one by one, with an index and a bitmap at the end.

After the records come the mid page (the header again), the index, the bitmap and the final page, without gaps. Their
places follow from the records, so nothing that they say is believed: it is compared. See `formats.zvhd.records` for the
structures that ZVHD has as well. Source for zstd frames: RFC 8878.
"""

import struct
from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple

from stillage.formats.base import Facts, Inspection, MalformedImage, NotThisFormat, Region, Rule, Steps, Stream
from stillage.formats.codecs.zlib_stream import Expander, Inflater
from stillage.formats.codecs.zstd_frames import Unzstd
from stillage.formats.tables.digests import Digest, new_digest
from stillage.formats.zvhd.header import (
    HEADER,
    PAGE,
    Header,
    check_header,
    first_difference,
    has_checksum,
    read_header,
    rules_of,
)
from stillage.formats.zvhd.records import BLOCK, Records

FORMAT = "zvhd2"
COOKIE = b"z2strm\0\0"
FORMAT_VERSION = 1
SECOND = struct.Struct("<IIQQIIIIIIIBB")  # from byte 88 to the compress method at 141
SECOND_OFFSET = 88
RESERVED = 142
COUNT = slice(136, 140)

ENTRY = struct.Struct("<QII")
SEGMENT_ENTRIES = 32768
INDEX_SEGMENT = SEGMENT_ENTRIES * ENTRY.size
BITMAP_SEGMENT = SEGMENT_ENTRIES // 8
EMPTY_SEGMENT = bytes(BITMAP_SEGMENT)
EMPTY_OFFSETS = array("Q", bytes(8 * SEGMENT_ENTRIES))

SHARED = rules_of(FORMAT)
GEOMETRY = Rule("zvhd2.geometry", "The block size must be 2 MiB and the number of blocks what the disk's size needs.")
METHOD = Rule("zvhd2.method", "The payloads are compressed by an unknown method; zlib (0) and zstd (1) are known.")
MID_PAGE = Rule("zvhd2.mid-page", "The page after the records must repeat the header and give the number of records.")
INDEX = Rule(
    "zvhd2.index", "The index must list the records where they are: readers that use it would see another disk."
)
BITMAP = Rule(
    "zvhd2.bitmap",
    "The bitmap must have a bit for each record and no other: readers that use it would see another disk.",
)
FINAL_PAGE = Rule("zvhd2.final-page", "The last page, which readers believe, must agree with the file before it.")
RULES = (*SHARED, GEOMETRY, METHOD, MID_PAGE, INDEX, BITMAP, FINAL_PAGE)

METHODS: dict[int, tuple[str, Callable[[], Expander]]] = {0: ("zlib", Inflater), 1: ("zstd", Unzstd)}


class Second(NamedTuple):
    """The second table of a header page."""

    block_size: int
    max_blocks: int
    index_offset: int
    bitmap_offset: int
    index_size: int
    bitmap_size: int
    index_segment: int
    bitmap_segment: int
    index_segments: int
    bitmap_segments: int
    records: int
    full_index: int
    method: int


class Ledger:
    """What index and bitmap must say, as digests, so that no claimed size makes it grow."""

    def __init__(self) -> None:
        self.count = 0
        self._index = new_digest()
        self._bitmap = new_digest()
        self._segment = 0
        self._bits = bytearray(BITMAP_SEGMENT)

    def add(self, offset: int, block: int, length: int) -> None:
        self.count += 1
        self._index.update(ENTRY.pack(offset, block, length))
        segment, bit = divmod(block, SEGMENT_ENTRIES)
        if segment != self._segment:
            self._close_segment()
            self._segment = segment
        self._bits[bit >> 3] |= 1 << (bit & 7)

    def index(self) -> bytes:
        return self._index.digest()

    def bitmap(self) -> bytes:
        """The digest of the segments that are not empty, each after its number."""
        self._close_segment()
        return self._bitmap.digest()

    def _close_segment(self) -> None:
        add_segment(self._bitmap, self._segment, bytes(self._bits))
        self._bits = bytearray(BITMAP_SEGMENT)


def add_segment(digest: Digest, number: int, segment: bytes) -> None:
    if segment != EMPTY_SEGMENT:
        digest.update(number.to_bytes(8, "little") + segment)


def inspect(stream: Stream) -> Inspection:
    header, second = yield from read_start()
    _, expander = METHODS[second.method]
    records = Records(stream, SHARED, blocks=second.max_blocks, reserved_from=12)
    ledger = Ledger()
    yield from records.begin()
    while records.at_record():
        ledger.add(*(yield from records.read(expander())))
    if not records.head.startswith(COOKIE):
        raise records.neither()
    yield from _inspect_end(stream, header, second, records, ledger)


def read_start() -> Steps[tuple[Header, Second]]:
    """Return both parts of the first page, whose fields have values that the format allows."""
    page = yield Region(0, PAGE)
    if not page.startswith(COOKIE):
        raise NotThisFormat
    yield Facts(FORMAT)
    header = read_header(page, SHARED)
    second = Second(*SECOND.unpack_from(page, SECOND_OFFSET))
    name, _ = METHODS.get(second.method, ("", Inflater))
    details = {
        "original_size": str(header.original_size),
        "creator_version": header.creator,
        "compression": name or f"method {second.method}",
    }
    yield Facts(FORMAT, virtual_size=header.current_size, details=details)
    _check(header, second)
    return header, second


def _inspect_end(stream: Stream, header: Header, second: Second, records: Records, ledger: Ledger) -> Inspection:
    """Compare what comes after the records, up to the end of the file, with the records."""
    mid = yield from records.closing_page(records.offset, records.head)
    _check_mid_page(mid, header, ledger, records.offset)
    final = final_table(second, ledger.count, records.offset + PAGE)
    final_offset = final.bitmap_offset + final.bitmap_size
    if stream.size is not None and stream.size < final_offset + PAGE:
        raise records.truncated(stream.size, f"an image of {final_offset + PAGE} bytes")
    yield from _check_index(final, ledger, records)
    yield from _check_bitmap(final, ledger, records)
    last = yield from records.closing_page(final_offset)
    check_final_page(last, header, final, final_offset)
    yield from records.end(final_offset + PAGE)


def _check(header: Header, second: Second) -> None:
    if header.format_version != FORMAT_VERSION:
        raise MalformedImage(SHARED.variant, 87, f"ZVHD2 format version {header.format_version}; 1 is known")
    check_header(header, SHARED, reserved_from=RESERVED)
    if second.block_size != BLOCK:
        raise MalformedImage(GEOMETRY, 88, f"the block size is {second.block_size}; only {BLOCK} is known")
    needed = -(-header.original_size // BLOCK)
    if second.max_blocks != needed:
        raise MalformedImage(
            GEOMETRY, 92, f"the header counts {second.max_blocks} blocks; {header.original_size} bytes need {needed}"
        )
    if second.full_index > 1:
        raise MalformedImage(SHARED.variant, 140, f"the index is of kind {second.full_index}; 0 and 1 are known")
    if second.method not in METHODS:
        raise MalformedImage(METHOD, 141, f"compression method {second.method}; 0 (zlib) and 1 (zstd) are known")


def _check_mid_page(mid: bytes, header: Header, ledger: Ledger, offset: int) -> None:
    # Its checksum is stale: the writer counted the records up without adding up the bytes again.
    expected = header.stored[: COUNT.start] + ledger.count.to_bytes(4, "little") + header.stored[COUNT.stop :]
    if mid[COUNT] != expected[COUNT]:
        count = int.from_bytes(mid[COUNT], "little")
        raise MalformedImage(
            MID_PAGE, offset + COUNT.start, f"the page at {offset} counts {count} records; there are {ledger.count}"
        )
    if mid[:HEADER] != expected:
        differing = first_difference(mid[:HEADER], expected)
        raise MalformedImage(
            MID_PAGE, offset + differing, f"the page at {offset} differs from the header in byte {differing}"
        )


def final_table(second: Second, count: int, index_offset: int) -> Second:
    """Return the second table as the final page must have it: *index_offset* is behind the mid page.

    Raises:
        MalformedImage: If the table has no room for these numbers.
    """
    entries = second.max_blocks if second.full_index else count
    index_segments = -(-entries // SEGMENT_ENTRIES)
    bitmap_segments = -(-second.max_blocks // SEGMENT_ENTRIES)
    if index_segments * INDEX_SEGMENT >> 32 or index_offset >> 63:
        message = f"an index of {entries} entries at byte {index_offset} is larger than the format can say"
        raise MalformedImage(INDEX, None, message)
    return second._replace(
        index_offset=index_offset,
        bitmap_offset=index_offset + index_segments * INDEX_SEGMENT,
        index_size=index_segments * INDEX_SEGMENT,
        bitmap_size=bitmap_segments * BITMAP_SEGMENT,
        index_segment=INDEX_SEGMENT,
        bitmap_segment=BITMAP_SEGMENT,
        index_segments=index_segments,
        bitmap_segments=bitmap_segments,
        records=count,
    )


def _check_index(final: Second, ledger: Ledger, records: Records) -> Inspection:
    digest = new_digest()
    entries = final.max_blocks if final.full_index else ledger.count
    for first in range(0, entries, SEGMENT_ENTRIES):
        length = min(SEGMENT_ENTRIES, entries - first) * ENTRY.size
        offset = final.index_offset + first * ENTRY.size
        segment = yield Region(offset, length)
        if len(segment) < length:
            raise records.truncated(offset + len(segment), "the index")
        digest.update(_used_entries(segment, first, offset) if final.full_index else segment)
    if digest.digest() != ledger.index():
        raise MalformedImage(
            INDEX, final.index_offset, f"the index does not list the {ledger.count} records where they are"
        )


def _used_entries(segment: bytes, first: int, offset: int) -> bytes:
    """The entries of a full index that name a record; each must stand at its block's number."""
    words = array("Q", segment)
    offsets = words[0::2]
    if offsets == EMPTY_OFFSETS[: len(offsets)]:
        return b""
    return b"".join([ENTRY.pack(*entry) for entry in indexed(segment, first, offset)])


def indexed(segment: bytes, first: int, offset: int) -> Iterator[tuple[int, int, int]]:
    """Yield the records that a piece of a full index names: offset, block and length.

    Its first entry is that of block *first*, and stands at byte *offset*.
    """
    for position, (at, block, length) in enumerate(ENTRY.iter_unpack(segment)):
        if at and length:
            if block != first + position:
                message = f"entry {first + position} of the index is for block {block}"
                raise MalformedImage(INDEX, offset + position * ENTRY.size, message)
            yield at, block, length


def _check_bitmap(final: Second, ledger: Ledger, records: Records) -> Inspection:
    digest = new_digest()
    for number in range(final.bitmap_segments):
        offset = final.bitmap_offset + number * BITMAP_SEGMENT
        segment = yield Region(offset, BITMAP_SEGMENT)
        if len(segment) < BITMAP_SEGMENT:
            raise records.truncated(offset + len(segment), "the bitmap")
        add_segment(digest, number, segment)
    if digest.digest() != ledger.bitmap():
        raise MalformedImage(
            BITMAP, final.bitmap_offset, f"the bitmap does not mark the blocks of the {ledger.count} records"
        )


def check_final_page(page: bytes, header: Header, final: Second, offset: int) -> None:
    if not has_checksum(page):
        raise MalformedImage(FINAL_PAGE, offset + 64, f"the checksum of the last page at {offset} is wrong")
    expected = header.stored[:SECOND_OFFSET] + SECOND.pack(*final) + header.stored[RESERVED:]
    # The writer may have stamped the page anew: timestamp, creator, geometry and checksum say nothing about the disk.
    for start, end in ((0, 16), (40, 56), (68, HEADER)):
        if page[start:end] != expected[start:end]:
            differing = start + first_difference(page[start:end], expected[start:end])
            raise MalformedImage(
                FINAL_PAGE,
                offset + differing,
                f"the last page at {offset} disagrees with the file before it in byte {differing}",
            )
