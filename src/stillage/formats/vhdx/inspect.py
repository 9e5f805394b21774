"""VHDX (Hyper-V): refuse parents, a log to be replayed, wrong checksums, blocks that overlap.

Fixed, dynamic and differencing disks are recognised. Headers and region tables are kept twice, at fixed places in the
first MiB (`formats.vhdx.header`); everything else is found through them. The blocks are in `formats.vhdx.bat`.

Source: Microsoft, [MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format", 2.2 "Header Section" to 2.6 "Metadata Region".
All integers are little-endian, GUIDs are stored in Microsoft's mixed order.
"""

from collections.abc import Mapping

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
from stillage.formats.guids import written
from stillage.formats.tables.bounds import read_whole, require_within
from stillage.formats.vhdx.bat import ALLOCATED, HAS_PARENT, TRUNCATED, Disk, Held, Taken, read_bat
from stillage.formats.vhdx.bat import RULES as BAT_RULES
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

DIFFERENCING = Rule(
    "vhdx.differencing",
    "The image holds only the differences to a parent file, which a reader would open.",
    "qemu-img convert -O vhdx IN OUT",
)
PARENT = Rule("vhdx.parent", "A disk that is not differencing has a parent locator.", REWRITE)
UNKNOWN_FEATURES = Rule("vhdx.unknown-features", "File parameter bits are set that no published version defines.")
SIZE = Rule("vhdx.size", "The virtual size is zero, not a whole number of sectors, or more than 64 TiB.")
SECTOR_SIZE = Rule("vhdx.sector-size", "A sector size is not 512 or 4096.")
BLOCK_SIZE = Rule("vhdx.block-size", "The block size is not a power of two from 1 MiB to 256 MiB.")
TABLE_TOO_SMALL = Rule("vhdx.table-size", "The BAT region is too small for the disk.")
RULES = (
    DIFFERENCING,
    PARENT,
    UNKNOWN_FEATURES,
    SIZE,
    SECTOR_SIZE,
    BLOCK_SIZE,
    TABLE_TOO_SMALL,
    *HEADER_RULES,
    *BAT_RULES,
)

SIGNATURE = b"vhdxfile"
MAX_SIZE = 64 << 40


def inspect(stream: Stream) -> Inspection:
    details: dict[str, str] = {}
    regions, log = yield from read_regions(details)
    parts = [*regions.values(), log]
    last = max(part.stop for part in parts)
    require_within(stream, TRUNCATED, last, REGION_TABLES_AT[0], "the log or a region")
    last_block = yield from _read_disk(stream, regions, Taken.of(parts), details)
    yield Tail(0)
    require_within(stream, TRUNCATED, last, REGION_TABLES_AT[0], "the log or a region")
    require_within(stream, TRUNCATED, last_block, regions[BAT].start, "a block")


def read_regions(details: dict[str, str]) -> Steps[tuple[Mapping[bytes, range], range]]:
    """Return the regions by their GUID, and the place of the log."""
    head = yield Region(0, 520)
    if not head.startswith(SIGNATURE):
        raise NotThisFormat
    creator = head[8:].decode("utf-16-le", "replace").partition("\0")[0]
    if creator.isprintable() and creator:
        details["creator"] = creator
    yield Facts(FORMAT, details=details)
    headers = yield from _read_copies(HEADERS_AT, HEADER_SIZE, "the header")
    header = current_header(headers)
    yield from check_header(header)
    tables = yield from _read_copies(REGION_TABLES_AT, TABLE_SIZE, "the region table")
    return (yield from current_regions(tables, header.log)), header.log


def _read_disk(stream: Stream, regions: Mapping[bytes, range], taken: Taken, details: dict[str, str]) -> Steps[int]:
    """Check metadata and BAT, which come in either order; return the byte after the last block."""
    bat, held = regions[BAT], Held()
    if bat.start < regions[METADATA_REGION].start:
        yield from held.read(bat)
    disk = yield from read_metadata(regions, details)
    return (yield from read_bat(stream, disk, bat, held, taken))


def _read_copies(places: tuple[int, int], length: int, what: str) -> Steps[tuple[bytes, bytes]]:
    one = yield from read_whole(TRUNCATED, places[0], length, what)
    other = yield from read_whole(TRUNCATED, places[1], length, what)
    return one, other


def read_metadata(regions: Mapping[bytes, range], details: dict[str, str]) -> Steps[Disk]:
    """Return what the metadata say of the disk, for which the BAT has room."""
    region, bat = regions[METADATA_REGION], regions[BAT]
    table = yield from read_whole(TRUNCATED, region.start, TABLE_SIZE, "the metadata table")
    items = yield from metadata_items(table, region)
    values: dict[bytes, int] = {}
    for kind, item in sorted(items.items(), key=lambda entry: entry[1].offset):
        if kind in ITEM_SIZES:
            data = yield from read_whole(TRUNCATED, item.offset, ITEM_SIZES[kind], "a metadata item")
            values[kind] = int.from_bytes(data, "little")
    parameters = values[FILE_PARAMETERS]
    disk = Disk(values[DISK_SIZE], parameters & 0xFFFFFFFF, parameters >> 32, values[LOGICAL_SECTOR])
    details |= {"block_size": str(disk.block_size), "logical_sector_size": str(disk.sector)}
    if DISK_ID in values:
        details["disk_id"] = written(values[DISK_ID].to_bytes(16, "little"))
    subformat = "differencing" if disk.flags & HAS_PARENT else "fixed" if disk.flags & ALLOCATED else "dynamic"
    yield Facts(FORMAT, disk.size, subformat, details)
    yield from _check_parents(disk, items)
    _check_numbers(disk, values.get(PHYSICAL_SECTOR, 512), items)
    if disk.entries * 8 > len(bat):
        message = f"the BAT region has room for {len(bat) // 8} entries; the disk needs {disk.entries}"
        raise MalformedImage(TABLE_TOO_SMALL, REGION_TABLES_AT[0], message)
    return disk


def _check_parents(disk: Disk, items: Mapping[bytes, Item]) -> Inspection:
    flags_at = items[FILE_PARAMETERS].offset + 4
    if disk.flags & HAS_PARENT:
        yield Hazard(DIFFERENCING, flags_at, "the image is differencing; its parent holds the rest of the disk")
    elif PARENT_LOCATOR in items:
        yield Hazard(PARENT, items[PARENT_LOCATOR].shown_at, "a disk without a parent has a parent locator")
    if unknown := disk.flags & ~(ALLOCATED | HAS_PARENT):
        yield Hazard(
            UNKNOWN_FEATURES, flags_at, f"file parameter bits {unknown:#x} are set; no published version defines them"
        )


def _check_numbers(disk: Disk, physical: int, items: Mapping[bytes, Item]) -> None:
    if disk.sector not in (512, 4096) or physical not in (512, 4096):
        message = f"sectors have {disk.sector} bytes, physically {physical}; 512 and 4096 are known"
        raise MalformedImage(SECTOR_SIZE, items[LOGICAL_SECTOR].offset, message)
    if disk.block_size & (disk.block_size - 1) or not MIB <= disk.block_size <= 256 * MIB:
        message = f"the block size is {disk.block_size}; powers of two from 1048576 to 268435456 are valid"
        raise MalformedImage(BLOCK_SIZE, items[FILE_PARAMETERS].offset, message)
    if not 0 < disk.size <= MAX_SIZE or disk.size % disk.sector:
        message = f"the disk has {disk.size} bytes; whole sectors of {disk.sector}, up to {MAX_SIZE}, are valid"
        raise MalformedImage(SIZE, items[DISK_SIZE].offset, message)
