"""ZVHD (Huawei Cloud): expand every record; refuse bombs, damaged payloads, bytes behind the end.

Blocks are compressed with zlib, written and read from the front to the back.

One zlib stream runs through the payloads of all records, so one inflater verifies the whole file; the last page repeats
the header. The format has no backing files, no snapshots, no encryption. See `formats.zvhd.records`.
"""

from stillage.formats.base import Facts, Inspection, MalformedImage, NotThisFormat, Region, Rule, Steps, Stream
from stillage.formats.codecs.zlib_stream import Inflater
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

FORMAT = "zvhd"
COOKIE = b"stream\0\0"
RESERVED = 87

SHARED = rules_of(FORMAT)
TRAILER = Rule("zvhd.trailer", "The closing page must repeat the header; a reader would believe one or the other.")
RULES = (*SHARED, TRAILER)


def inspect(stream: Stream) -> Inspection:
    header = yield from read_start()
    records = records_of(stream, header)
    inflater = Inflater()
    yield from records.begin()
    while records.at_record():
        yield from records.read(inflater)
    yield from check_end(records, header)


def read_start() -> Steps[Header]:
    """Return the header, whose fields have values that the format allows."""
    page = yield Region(0, PAGE)
    # Six letters are an English word; the two zeros make them a cookie.
    if not page.startswith(COOKIE):
        raise NotThisFormat
    yield Facts(FORMAT)
    header = read_header(page, SHARED)
    details = {"original_size": str(header.original_size), "creator_version": header.creator}
    yield Facts(FORMAT, virtual_size=header.current_size, details=details)
    check_header(header, SHARED, reserved_from=RESERVED)
    return header


def records_of(stream: Stream, header: Header) -> Records:
    return Records(stream, SHARED, blocks=-(-header.current_size // BLOCK), reserved_from=0)


def check_end(records: Records, header: Header) -> Inspection:
    """Demand that the closing page comes, where there is no further record, and nothing behind it."""
    if not records.head.startswith(COOKIE):
        raise records.neither()
    trailer = yield from records.closing_page(records.offset, records.head)
    _check_trailer(trailer, header.stored, records.offset)
    yield from records.end(records.offset + PAGE)


def _check_trailer(trailer: bytes, header: bytes, offset: int) -> None:
    if trailer[:HEADER] == header:
        return
    if not has_checksum(trailer):
        raise MalformedImage(TRAILER, offset + 64, f"the checksum of the closing page at {offset} is wrong")
    differing = first_difference(header, trailer[:HEADER])
    raise MalformedImage(
        TRAILER, offset + differing, f"the closing page at {offset} differs from the header in byte {differing}"
    )
