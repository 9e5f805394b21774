"""What the first MiB and the metadata region of a VHDX file say: headers, region tables, metadata items.

Source: [MS-VHDX] 2.2.2 "Headers", 2.2.3 "Region Table", 2.6 "Metadata Region". Nothing is read here;
`formats.vhdx.inspect` fetches the bytes.
"""

import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from stillage.formats.base import Hazard, Inspection, MalformedImage, Rule, Steps
from stillage.formats.codecs.crc32c import crc32c
from stillage.formats.guids import stored, written

REWRITE = "qemu-img convert -f vhdx -O vhdx IN OUT"

CHECKSUM = Rule("vhdx.checksum", "Neither copy of a header or of the region table has a valid checksum.")
VERSION = Rule("vhdx.version", "The current header has a version that no published specification defines.")
COPIES_DIFFER = Rule("vhdx.copies-differ", "Two copies that must be equal are not: two disks in one file.", REWRITE)
DIRTY = Rule("vhdx.dirty", "The log was not emptied: its entries must be replayed before the disk is whole.", REWRITE)
LOG_PLACE = Rule("vhdx.log-place", "The log is not on whole MiB, or lies over a header or a region.")
REGION = Rule(
    "vhdx.region", "The BAT or the metadata region is missing, listed twice, not aligned, or overlaps something else."
)
UNKNOWN_REGION = Rule("vhdx.unknown-region", "A region that readers must understand is in no published specification.")
METADATA = Rule("vhdx.metadata", "The metadata table or one of its items is missing, misplaced or unreadable.")
UNKNOWN_METADATA = Rule(
    "vhdx.unknown-metadata", "A metadata item that readers must understand is in no published specification."
)
RULES = (
    CHECKSUM,
    VERSION,
    COPIES_DIFFER,
    DIRTY,
    LOG_PLACE,
    REGION,
    UNKNOWN_REGION,
    METADATA,
    UNKNOWN_METADATA,
)

KIB, MIB = 1 << 10, 1 << 20
HEADERS_AT = (64 * KIB, 128 * KIB)
HEADER_SIZE = 4 * KIB
REGION_TABLES_AT = (192 * KIB, 256 * KIB)
TABLE_SIZE = 64 * KIB
MAX_ENTRIES = 2047
REQUIRED_REGION = 1
USER_ITEM, REQUIRED_ITEM = 1, 4
NIL = bytes(16)

BAT = stored("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA_REGION = stored("8b7ca206-4790-4b9a-b8fe-575f050f886e")
REGIONS = {BAT: "BAT", METADATA_REGION: "metadata"}

FILE_PARAMETERS = stored("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
DISK_SIZE = stored("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
DISK_ID = stored("beca12ab-b2e6-4523-93ef-c309e000c746")
LOGICAL_SECTOR = stored("8141bf1d-a96f-4709-ba47-f233a8faab5f")
PHYSICAL_SECTOR = stored("cda348c7-445d-4471-9cc9-e9885251c556")
PARENT_LOCATOR = stored("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
ITEM_SIZES = {FILE_PARAMETERS: 8, DISK_SIZE: 8, DISK_ID: 16, LOGICAL_SECTOR: 4, PHYSICAL_SECTOR: 4}
NEEDED_ITEMS = {FILE_PARAMETERS: "file parameters", DISK_SIZE: "virtual disk size", LOGICAL_SECTOR: "sector size"}

HEADER_FIELDS = struct.Struct("<4sIQ16s16s16sHHIQ")
REGION_FIELDS = struct.Struct("<16sQII")
ITEM_FIELDS = struct.Struct("<16sIII4x")


class Header(NamedTuple):
    at: int
    sequence: int
    log_id: bytes
    log_version: int
    version: int
    log: range


class Item(NamedTuple):
    """A metadata item: where its bytes lie in the file, and where the table says so."""

    offset: int
    length: int
    shown_at: int


def current_header(copies: Sequence[bytes]) -> Header:
    """Return the valid header with the highest sequence number.

    One may be broken: a writer that is interrupted leaves the other one whole.
    """
    valid = [
        _parse_header(data, at)
        for at, data in zip(HEADERS_AT, copies, strict=True)
        if data.startswith(b"head") and _checksum_is_right(data)
    ]
    if not valid:
        raise MalformedImage(CHECKSUM, HEADERS_AT[0] + 4, "neither of the two headers has a right checksum")
    if len(valid) == 2 and valid[0].sequence == valid[1].sequence and copies[0] != copies[1]:
        message = f"both headers have sequence number {valid[0].sequence} and say different things"
        raise MalformedImage(COPIES_DIFFER, HEADERS_AT[1] + 8, message)
    return max(valid, key=lambda header: header.sequence)


def _parse_header(data: bytes, at: int) -> Header:
    _, _, sequence, _, _, log_id, log_version, version, log_length, log_at = HEADER_FIELDS.unpack_from(data)
    return Header(at, sequence, log_id, log_version, version, range(log_at, log_at + log_length))


def check_header(header: Header) -> Inspection:
    if header.version != 1 or header.log_version != 0:
        message = f"version {header.version} with log version {header.log_version}; 1 and 0 are known"
        raise MalformedImage(VERSION, header.at + 64, message)
    log = header.log
    if log.start % MIB or log.start < MIB or len(log) % MIB or not log:
        message = f"the log at {log.start} with {len(log)} bytes is not on whole MiB behind the headers"
        raise MalformedImage(LOG_PLACE, header.at + 68, message)
    if header.log_id != NIL:
        yield Hazard(DIRTY, header.at + 48, f"log {written(header.log_id)} has not been replayed")


def _checksum_is_right(data: bytes) -> bool:
    return crc32c(data[:4] + bytes(4) + data[8:]) == int.from_bytes(data[4:8], "little")


def current_regions(copies: Sequence[bytes], log: range) -> Steps[dict[bytes, range]]:
    """Return the regions by their GUID."""
    valid = [
        (at, data)
        for at, data in zip(REGION_TABLES_AT, copies, strict=True)
        if data.startswith(b"regi") and _checksum_is_right(data)
    ]
    if not valid:
        raise MalformedImage(CHECKSUM, REGION_TABLES_AT[0] + 4, "neither of the two region tables has a right checksum")
    if len(valid) == 2 and valid[0][1] != valid[1][1]:
        raise MalformedImage(COPIES_DIFFER, REGION_TABLES_AT[1], "the two region tables say different things")
    return (yield from _parse_regions(*valid[0], log))


def _parse_regions(at: int, data: bytes, log: range) -> Steps[dict[bytes, range]]:
    count = int.from_bytes(data[8:12], "little")
    if count > MAX_ENTRIES:
        raise MalformedImage(REGION, at + 8, f"the region table has {count} entries; {MAX_ENTRIES} have room")
    regions: dict[bytes, range] = {}
    for position, (kind, offset, length, flags) in enumerate(REGION_FIELDS.iter_unpack(data[16 : 16 + 32 * count])):
        entry_at = at + 16 + 32 * position
        if kind in regions or offset % MIB or length % MIB or offset < MIB or not length:
            message = f"region {written(kind)} at {offset} with {length} bytes is listed twice or not on whole MiB"
            raise MalformedImage(REGION, entry_at, message)
        if kind not in REGIONS and flags & REQUIRED_REGION:
            message = f"region {written(kind)} must be understood, and is in no published specification"
            yield Hazard(UNKNOWN_REGION, entry_at, message)
        regions[kind] = range(offset, offset + length)
    for kind, name in REGIONS.items():
        if kind not in regions:
            raise MalformedImage(REGION, at + 8, f"the region table has no {name} region")
    _refuse_overlap([*regions.values(), log], at)
    return regions


def _refuse_overlap(taken: list[range], at: int) -> None:
    taken.sort(key=lambda part: (part.start, part.stop))
    for before, after in pairwise(taken):
        if after.start < before.stop:
            message = f"bytes {after.start} to {before.stop - 1} belong to two of the log and the regions"
            raise MalformedImage(REGION, at + 16, message)


def metadata_items(table: bytes, region: range) -> Steps[Mapping[bytes, Item]]:
    """Return the published items by their GUID."""
    at = region.start
    count = int.from_bytes(table[10:12], "little")
    if not table.startswith(b"metadata") or count > MAX_ENTRIES:
        raise MalformedImage(METADATA, at, f"there is no metadata table at {at}, or it has more than 2047 entries")
    items: dict[bytes, Item] = {}
    for position, (kind, offset, length, flags) in enumerate(ITEM_FIELDS.iter_unpack(table[32 : 32 + 32 * count])):
        entry_at = at + 32 + 32 * position
        item = Item(at + offset, length, entry_at)
        _check_item_place(kind, offset, item, region)
        if flags & USER_ITEM or kind not in (*ITEM_SIZES, PARENT_LOCATOR):
            if flags & REQUIRED_ITEM:
                message = f"metadata item {written(kind)} must be understood, and is in no published specification"
                yield Hazard(UNKNOWN_METADATA, entry_at, message)
            continue
        if kind in items or length < ITEM_SIZES.get(kind, 0):
            message = f"metadata item {written(kind)} is listed twice, or too short with {length} bytes"
            raise MalformedImage(METADATA, entry_at, message)
        items[kind] = item
    for kind, name in NEEDED_ITEMS.items():
        if kind not in items:
            raise MalformedImage(METADATA, at + 10, f"the metadata table has no item for the {name}")
    return items


def _check_item_place(kind: bytes, offset: int, item: Item, region: range) -> None:
    if item.length and not TABLE_SIZE <= offset <= len(region) - item.length:
        message = f"metadata item {written(kind)} at {offset} with {item.length} bytes leaves its region"
        raise MalformedImage(METADATA, item.shown_at + 16, message)
