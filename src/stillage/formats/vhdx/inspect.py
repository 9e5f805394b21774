"""Hyper-V disks, version 2: fixed, dynamic and differencing.

Headers and region tables are kept twice, at fixed places in the first MiB; everything else is found through them.

Source: Microsoft, [MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format", 2.2 "Header Section" to 2.6 "Metadata Region".
All integers are little-endian, GUIDs are stored in Microsoft's mixed order.
"""

import struct
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import NamedTuple
from uuid import UUID

from stillage.formats.base import (
    Facts,
    Hazard,
    Inspection,
    MalformedImage,
    NotThisFormat,
    Region,
    Rule,
    Steps,
    Stream,
    Tail,
)
from stillage.formats.tables.bounds import read_whole, require_within
from stillage.formats.tables.overlaps import Overlaps
from stillage.formats.vhdx.header import (
    BAT,
    DISK_ID,
    DISK_SIZE,
    FILE_PARAMETERS,
    HEADER_SIZE,
    HEADERS_AT,
    ITEM_SIZES,
    LOGICAL_SECTOR,
    METADATA_REGION,
    MIB,
    PARENT_LOCATOR,
    PHYSICAL_SECTOR,
    REGION_TABLES_AT,
    REWRITE,
    TABLE_SIZE,
    Item,
    check_header,
    current_header,
    current_regions,
    metadata_items,
)
from stillage.formats.vhdx.header import RULES as HEADER_RULES

FORMAT = "vhdx"

TRUNCATED = Rule("vhdx.truncated", "The file ends before something that its tables refer to.")
DIFFERENCING = Rule(
    "vhdx.differencing",
    "The image holds only the differences to a parent file, which a reader would open.",
    "qemu-img convert -O vhdx IN OUT",
)
PARENT = Rule("vhdx.parent", "A disk that is not differencing carries a parent locator all the same.", REWRITE)
UNKNOWN_FEATURES = Rule("vhdx.unknown-features", "File parameter bits are set that no published version defines.")
SIZE = Rule("vhdx.size", "The virtual size is zero, not a whole number of sectors, or more than 64 TiB.")
SECTOR_SIZE = Rule("vhdx.sector-size", "A sector size is not 512 or 4096.")
BLOCK_SIZE = Rule("vhdx.block-size", "The block size is not a power of two from 1 MiB to 256 MiB.")
TABLE_SIZE_RULE = Rule("vhdx.table-size", "The BAT region is too small for the disk.")
BLOCK_STATE = Rule("vhdx.block-state", "An entry of the BAT has a state that a disk without parent cannot have.")
BLOCK_PLACE = Rule("vhdx.block-place", "A block lies outside the file, or over the log or a region.", REWRITE)
BLOCK_OVERLAP = Rule("vhdx.block-overlap", "Two blocks share bytes of the file.", REWRITE)
RULES = (
    TRUNCATED,
    DIFFERENCING,
    PARENT,
    UNKNOWN_FEATURES,
    SIZE,
    SECTOR_SIZE,
    BLOCK_SIZE,
    TABLE_SIZE_RULE,
    BLOCK_STATE,
    BLOCK_PLACE,
    BLOCK_OVERLAP,
    *HEADER_RULES,
)

SIGNATURE = b"vhdxfile"
MAX_SIZE = 64 << 40
ALLOCATED, HAS_PARENT = 1, 2  # bits of the file parameters
PRESENT, PARTLY_PRESENT = 6, 7  # states of a stored block; the second needs a parent
STORED = 4  # the bit that states 4 to 7 share; 4 and 5 do not exist
RESERVED = 0xFFFF8
PIECE = 64 << 10
ZEROS = bytes(PIECE)
MAX_HELD = 16  # pieces


class _Disk(NamedTuple):
    size: int
    block_size: int
    flags: int
    sector: int

    @property
    def blocks(self) -> int:
        return -(-self.size // self.block_size)

    @property
    def chunk(self) -> int:
        """Blocks between two entries for sector bitmaps."""
        return (self.sector << 23) // self.block_size

    @property
    def entries(self) -> int:
        """Entries of the BAT that mean something."""
        if self.flags & HAS_PARENT:
            return -(-self.blocks // self.chunk) * (self.chunk + 1)
        return self.blocks + (self.blocks - 1) // self.chunk


@dataclass(frozen=True, slots=True)
class _Taken:
    """MiBs that belong to the log and the regions, as sorted, separate ranges."""

    starts: list[int]
    stops: list[int]

    @classmethod
    def of(cls, parts: list[range]) -> "_Taken":
        parts = sorted(parts, key=lambda part: part.start)
        return cls([part.start // MIB for part in parts], [part.stop // MIB for part in parts])

    def first_touched(self, blocks: list[int], length: int) -> int | None:
        if min(blocks) >= self.stops[-1]:
            return None
        for block in blocks:
            before = bisect_right(self.starts, block + length - 1) - 1
            if block == 0 or (before >= 0 and self.stops[before] > block):
                return block
        return None


def inspect(stream: Stream) -> Inspection:
    head = yield Region(0, 520)
    if not head.startswith(SIGNATURE):
        raise NotThisFormat
    creator = head[8:].decode("utf-16-le", "replace").partition("\0")[0]
    details = {"creator": creator} if creator.isprintable() and creator else {}
    yield Facts(FORMAT, details=details)
    headers = yield from _read_copies(HEADERS_AT, HEADER_SIZE, "the header")
    header = current_header(headers)
    yield from check_header(header)
    tables = yield from _read_copies(REGION_TABLES_AT, TABLE_SIZE, "the region table")
    regions = yield from current_regions(tables, header.log)
    parts = [*regions.values(), header.log]
    last = max(part.stop for part in parts)
    require_within(stream, TRUNCATED, last, REGION_TABLES_AT[0], "the log or a region")

    bat = regions[BAT]
    held = _Held()
    if bat.start < regions[METADATA_REGION].start:
        yield from held.read(bat)
    disk = yield from _read_metadata(regions[METADATA_REGION], details)
    if disk.entries * 8 > len(bat):
        message = f"the BAT region has room for {len(bat) // 8} entries; the disk needs {disk.entries}"
        raise MalformedImage(TABLE_SIZE_RULE, REGION_TABLES_AT[0], message)
    last_block = yield from _read_bat(stream, disk, bat, held, _Taken.of(parts))
    yield Tail(0)
    require_within(stream, TRUNCATED, last, REGION_TABLES_AT[0], "the log or a region")
    require_within(stream, TRUNCATED, last_block, bat.start, "a block")


def _read_copies(places: tuple[int, int], length: int, what: str) -> Steps[tuple[bytes, bytes]]:
    one = yield from read_whole(TRUNCATED, places[0], length, what)
    other = yield from read_whole(TRUNCATED, places[1], length, what)
    return one, other


def _read_metadata(region: range, details: dict[str, str]) -> Steps[_Disk]:
    table = yield from read_whole(TRUNCATED, region.start, TABLE_SIZE, "the metadata table")
    items = yield from metadata_items(table, region)
    values: dict[bytes, int] = {}
    for kind, item in sorted(items.items(), key=lambda found: found[1].offset):
        if kind in ITEM_SIZES:
            data = yield from read_whole(TRUNCATED, item.offset, ITEM_SIZES[kind], "a metadata item")
            values[kind] = int.from_bytes(data, "little")
    parameters = values[FILE_PARAMETERS]
    disk = _Disk(values[DISK_SIZE], parameters & 0xFFFFFFFF, parameters >> 32, values[LOGICAL_SECTOR])
    details |= {"block_size": str(disk.block_size), "logical_sector_size": str(disk.sector)}
    if DISK_ID in values:
        details["disk_id"] = str(UUID(bytes_le=values[DISK_ID].to_bytes(16, "little")))
    subformat = "differencing" if disk.flags & HAS_PARENT else "fixed" if disk.flags & ALLOCATED else "dynamic"
    yield Facts(FORMAT, disk.size, subformat, details)
    yield from _check_parents(disk, items)
    _check_numbers(disk, values.get(PHYSICAL_SECTOR, 512), items)
    return disk


def _check_parents(disk: _Disk, items: Mapping[bytes, Item]) -> Inspection:
    flags_at = items[FILE_PARAMETERS].offset + 4
    if disk.flags & HAS_PARENT:
        yield Hazard(DIFFERENCING, flags_at, "the image is differencing; its parent holds the rest of the disk")
    elif PARENT_LOCATOR in items:
        yield Hazard(PARENT, items[PARENT_LOCATOR].shown_at, "a disk without a parent has a parent locator")
    if unknown := disk.flags & ~(ALLOCATED | HAS_PARENT):
        yield Hazard(UNKNOWN_FEATURES, flags_at, f"file parameter bits {unknown:#x} are set, and nobody knows them")


def _check_numbers(disk: _Disk, physical: int, items: Mapping[bytes, Item]) -> None:
    if disk.sector not in (512, 4096) or physical not in (512, 4096):
        message = f"sectors have {disk.sector} bytes, physically {physical}; 512 and 4096 are known"
        raise MalformedImage(SECTOR_SIZE, items[LOGICAL_SECTOR].offset, message)
    if disk.block_size & (disk.block_size - 1) or not MIB <= disk.block_size <= 256 * MIB:
        message = f"the block size is {disk.block_size}; powers of two from 1048576 to 268435456 are valid"
        raise MalformedImage(BLOCK_SIZE, items[FILE_PARAMETERS].offset, message)
    if not 0 < disk.size <= MAX_SIZE or disk.size % disk.sector:
        message = f"the disk has {disk.size} bytes; whole sectors of {disk.sector}, up to {MAX_SIZE}, are valid"
        raise MalformedImage(SIZE, items[DISK_SIZE].offset, message)


class _Held:
    """The BAT where it lies in front of the metadata without which it means nothing: what is not zeros of it.

    qemu-img writes it so. What is more than we keep is read in the second look.
    """

    def __init__(self) -> None:
        self._pieces: dict[int, bytes] = {}
        self._until = 0

    def read(self, bat: range) -> Inspection:
        for at in range(bat.start, bat.stop, PIECE):
            if len(self._pieces) == MAX_HELD:
                return
            piece = yield from read_whole(TRUNCATED, at, PIECE, "the BAT region")
            if piece != ZEROS:
                self._pieces[at] = piece
            self._until = at + PIECE

    def fetch(self, at: int, length: int) -> Steps[bytes]:
        if at < self._until:
            return self._pieces.get(at, ZEROS)[:length]
        return (yield from read_whole(TRUNCATED, at, length, "the BAT"))


def _read_bat(stream: Stream, disk: _Disk, bat: range, held: _Held, taken: _Taken) -> Steps[int]:
    """Check every entry; return the byte after the last block."""
    table = _Table(stream, disk, taken)
    end = 0
    for first in range(0, disk.entries, PIECE // 8):
        count = min(PIECE // 8, disk.entries - first)
        at = bat.start + 8 * first
        piece = yield from held.fetch(at, 8 * count)
        if piece != ZEROS[: len(piece)]:
            end = max(end, table.check(struct.unpack(f"<{count}Q", piece), first, at))
    return end


class _Table:
    """The rules of the BAT, and the blocks that it has named so far."""

    def __init__(self, stream: Stream, disk: _Disk, taken: _Taken) -> None:
        self._stream = stream
        self._disk = disk
        self._taken = taken
        self._length = disk.block_size // MIB
        self._overlaps = Overlaps(self._length)
        self._has_parent = bool(disk.flags & HAS_PARENT)

    def check(self, entries: Sequence[int], first: int, at: int) -> int:
        """Check *entries*, which begin with entry *first*, at byte *at*; return the byte after their last block."""
        if reduce(or_, entries) & RESERVED:
            entry = next(entry for entry in entries if entry & RESERVED)
            message = f"BAT entry {entry:#x} has reserved bits set"
            raise MalformedImage(BLOCK_STATE, at + 8 * entries.index(entry), message)
        stored = self._stored(entries, first, at)
        if not stored:
            return 0
        blocks = [entry >> 20 for entry in stored]
        if (block := self._taken.first_touched(blocks, self._length)) is not None:
            message = f"a block of {self._length} MiB at MiB {block} lies over a header, the log or a region"
            raise MalformedImage(BLOCK_PLACE, at + 8 * entries.index(stored[blocks.index(block)]), message)
        end = self._end(entries, first, max(blocks))
        require_within(self._stream, TRUNCATED, end, at, "a block")
        if (position := self._overlaps.find_overlap(blocks, BLOCK_OVERLAP, at)) is not None:
            entry_at = at + 8 * (len(entries) - 1 - entries[::-1].index(stored[position]))
            message = f"the block at MiB {blocks[position]} overlaps another one"
            raise MalformedImage(BLOCK_OVERLAP, entry_at, message)
        return end

    def _stored(self, entries: Sequence[int], first: int, at: int) -> list[int]:
        """The entries of blocks that the file has."""
        every = self._disk.chunk + 1  # the last of so many is the entry of a sector bitmap
        bitmaps = slice((self._disk.chunk - first) % every, None, every)
        payload = list(entries)
        del payload[bitmaps]
        if not self._has_parent and any(entries[bitmaps]):
            entry = next(entry for entry in entries[bitmaps] if entry)
            message = f"BAT entry {entry:#x} is for a sector bitmap, which a disk without a parent has none of"
            raise MalformedImage(BLOCK_STATE, at + 8 * entries.index(entry), message)
        stored = [entry for entry in payload if entry & STORED]
        for entry in stored:
            if entry & 7 != PRESENT and not (self._has_parent and entry & 7 == PARTLY_PRESENT):
                message = f"BAT entry {entry:#x} has state {entry & 7}; {PRESENT} is the one for a stored block"
                raise MalformedImage(BLOCK_STATE, at + 8 * entries.index(entry), message)
        return stored

    def _end(self, entries: Sequence[int], first: int, highest: int) -> int:
        """The byte after the block at MiB *highest*; of the disk's last block only what the disk has is needed."""
        disk = self._disk
        end = highest * MIB + disk.block_size
        if first + len(entries) == disk.entries and entries[-1] >> 20 == highest:
            end -= (disk.blocks * disk.block_size - disk.size) // MIB * MIB
        return end
