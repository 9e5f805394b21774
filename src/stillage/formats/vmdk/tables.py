"""Grain directories and grain tables of a VMware sparse extent: which sector of the file holds which part of the disk.

A directory has one 32-bit sector number for each table, a table one for each of its 512 grains; 0 means: not stored.
There may be a second, redundant set of both.

Source: VMware, "Virtual Disk Format 5.0", "Hosted Sparse Extents". All integers are little-endian.
"""

import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from stillage.formats.base import SECTOR, Inspection, MalformedImage, Rule, Steps, Stream
from stillage.formats.tables.bounds import read_whole, require_within
from stillage.formats.tables.digests import new_digest
from stillage.formats.tables.entries import little_endian_32
from stillage.formats.tables.overlaps import Overlaps, TooManyPlaces

REWRITE = "qemu-img convert -f vmdk -O vmdk -o subformat=streamOptimized IN OUT"

TRUNCATED = Rule("vmdk.truncated", "The file ends before something that its header or tables refer to.")
DIRECTORY = Rule(
    "vmdk.directory", "A grain directory or table lies outside the file, overlaps something else, or is listed twice."
)
COPIES_DIFFER = Rule("vmdk.copies-differ", "The redundant grain tables map the disk differently.", REWRITE)
GRAIN_PLACE = Rule("vmdk.grain-place", "A grain lies outside the file, over the tables, or outside the disk.", REWRITE)
GRAIN_OVERLAP = Rule("vmdk.grain-overlap", "Two grains share bytes of the file.", REWRITE)
RULES = (TRUNCATED, DIRECTORY, COPIES_DIFFER, GRAIN_PLACE, GRAIN_OVERLAP)

GRAINS = 512  # entries of a table
TABLE_BYTES = 4 * GRAINS
TABLE_SECTORS = TABLE_BYTES // SECTOR
MAX_TABLES = 128 << 10  # 4 TiB of disk with grains of 64 KiB; the file itself can have 2 TiB
MAX_UNSORTED = 64 << 10
ZEROED = 1  # an entry, where the header says so: the grain is zeros and not stored
RUN = 32  # tables that are read together
ZEROS = bytes(RUN * TABLE_BYTES)


class Layout(NamedTuple):
    """The numbers of a sparse extent's header that say how to read the tables; places and lengths are sectors."""

    capacity: int
    grain: int
    overhead: int
    descriptor: range
    directory_at: int
    redundant_at: int | None
    has_zeroed: bool

    @property
    def grains(self) -> int:
        return -(-self.capacity // self.grain)

    @property
    def tables(self) -> int:
        return -(-self.grains // GRAINS)

    @property
    def lowest_grain(self) -> int:
        """The least entry of a table that is a grain's sector; the grains of those below are zeros."""
        return ZEROED + 1 if self.has_zeroed else 1

    @property
    def directory_sectors(self) -> int:
        return -(-4 * self.tables // SECTOR)

    @property
    def taken(self) -> list[range]:
        """Sectors of the header, the descriptor and the directories."""
        places = [at for at in (self.directory_at, self.redundant_at) if at is not None]
        return [range(1), self.descriptor, *(range(at, at + self.directory_sectors) for at in places)]


def grain_offset(layout: Layout, at: int, entry: int) -> int:
    """Return where the grain is that the entry at byte *at* of a table names, zero if it is zeros."""
    if entry < layout.lowest_grain:
        return 0
    if entry < layout.overhead:
        message = f"a grain at sector {entry} lies over the tables, which end at sector {layout.overhead}"
        raise MalformedImage(GRAIN_PLACE, at, message)
    return entry * SECTOR


CheckTable = Callable[[int, bytes, int], None]
"""Takes a table's position in the directory, its bytes, and the sector where it lies."""


def read_all(stream: Stream, layout: Layout, tables: "list[array[int]]", check: CheckTable) -> Inspection:
    """Read the directories in the order in which they lie, hand each table of the first one to *check*.

    Args:
        stream: The file's.
        layout: Where things are.
        tables: Gets the sectors of the tables of each directory, ascending, before those tables are read.
        check: Sees every table that is not all zeros.
    """
    digests = []
    for at in sorted({layout.directory_at, *([] if layout.redundant_at is None else [layout.redundant_at])}):
        directory = yield from _read_directory(layout, at)
        tables.append(_check_directory(stream, layout, directory, at))
        digests.append(Digest())
        checks = [digests[-1].add, check] if at == layout.directory_at else [digests[-1].add]
        yield from _read_tables(directory, checks)
    if len({digest.value() for digest in digests}) > 1:
        message = "the grain tables and the redundant grain tables map the disk in different ways"
        raise MalformedImage(COPIES_DIFFER, layout.directory_at * SECTOR, message)


def _read_directory(layout: Layout, at: int) -> Steps["array[int]"]:
    return little_endian_32((yield from read_whole(TRUNCATED, at * SECTOR, 4 * layout.tables, "the grain directory")))


def _check_directory(stream: Stream, layout: Layout, directory: "array[int]", at: int) -> "array[int]":
    """Check where the tables lie; return their sectors in ascending order."""
    tables = array("I", filter(None, directory))
    if not tables:
        return tables
    for taken in layout.taken:
        if min(tables) < taken.stop and any(taken.start - TABLE_SECTORS < t < taken.stop for t in tables):
            table = next(t for t in tables if taken.start - TABLE_SECTORS < t < taken.stop)
            message = f"a grain table at sector {table} lies over sectors {taken.start} to {taken.stop - 1}"
            raise MalformedImage(DIRECTORY, at * SECTOR + 4 * directory.index(table), message)
    last = max(tables)
    end, named_at = (last + TABLE_SECTORS) * SECTOR, at * SECTOR + 4 * directory.index(last)
    require_within(stream, TRUNCATED, end, named_at, "a grain table")
    if any(after - before < TABLE_SECTORS for before, after in pairwise(tables)):
        _refuse_shared(tables, directory, at)
        tables = array("I", sorted(tables))
    return tables


def _refuse_shared(tables: "array[int]", directory: "array[int]", at: int) -> None:
    try:
        position = Overlaps(TABLE_SECTORS).first_overlap(tables)
    except TooManyPlaces:
        position = None
    if position is not None:
        message = f"the grain table at sector {tables[position]} overlaps another one"
        raise MalformedImage(DIRECTORY, at * SECTOR + 4 * directory.index(tables[position]), message)
    if len(tables) > MAX_UNSORTED:
        message = f"{len(tables)} grain tables lie in no order; up to {MAX_UNSORTED} of them can be checked"
        raise MalformedImage(DIRECTORY, at * SECTOR, message)


def _read_tables(directory: "array[int]", checks: Sequence[CheckTable]) -> Inspection:
    """Read every table, and hand those that are not all zeros to every check.

    Neighbours in the directory are neighbours in the file as a rule, so they are fetched together.
    """
    position = 0
    while position < len(directory):
        at, count = directory[position], _run(directory, position)
        if at:
            data = yield from read_whole(TRUNCATED, at * SECTOR, count * TABLE_BYTES, "a run of grain tables")
            if data != ZEROS[: len(data)]:
                _hand_over(data, position, at, checks)
        position += count


def _run(directory: "array[int]", position: int) -> int:
    """How many entries from *position* on stand for tables that lie one behind the other, or for none."""
    at, end = directory[position], min(position + RUN, len(directory))
    step = TABLE_SECTORS if at else 0
    following = position + 1
    while following < end and directory[following] == at + (following - position) * step:
        following += 1
    return following - position


def _hand_over(data: bytes, position: int, at: int, checks: Sequence[CheckTable]) -> None:
    for number in range(len(data) // TABLE_BYTES):
        table = data[number * TABLE_BYTES : (number + 1) * TABLE_BYTES]
        for check in checks:
            check(position + number, table, at + number * TABLE_SECTORS)


class Digest:
    """Of everything that a set of tables maps, wherever the tables themselves lie."""

    def __init__(self) -> None:
        self._hash = new_digest()

    def add(self, position: int, table: bytes, _at: int) -> None:
        if table != ZEROS[:TABLE_BYTES]:
            self._hash.update(position.to_bytes(4, "little") + table)

    def value(self) -> bytes:
        return self._hash.digest()


class Grains:
    """The rules for the grains of an extent that is not compressed, and those that were named so far."""

    def __init__(self, stream: Stream, layout: Layout, tables: Sequence["array[int]"]) -> None:
        self._stream = stream
        self._layout = layout
        self._tables = tables  # sorted sectors of all tables, which may lie between the grains
        self._overlaps = Overlaps(layout.grain)
        self._grains_end = layout.overhead

    @property
    def end(self) -> int:
        """The sector after everything that is known."""
        return max(self._grains_end, self._tables_end)

    @property
    def _tables_end(self) -> int:
        return max([places[-1] + TABLE_SECTORS for places in self._tables if places], default=0)

    def add(self, position: int, table: bytes, at: int) -> None:
        layout = self._layout
        entries = struct.unpack(f"<{GRAINS}I", table)
        lowest_grain = layout.lowest_grain
        grains = [entry for entry in entries if entry >= lowest_grain]
        if not grains:
            return
        inside = layout.grains - position * GRAINS
        if inside < GRAINS and (beyond := [entry for entry in entries[inside:] if entry]):
            message = f"the disk has {layout.grains} grains; its last table names more, at sector {beyond[0]}"
            raise MalformedImage(GRAIN_PLACE, at * SECTOR + 4 * entries.index(beyond[0]), message)
        lowest, highest = min(grains), max(grains)
        grain_offset(layout, at * SECTOR + 4 * entries.index(lowest), lowest)
        self._grains_end = max(self._grains_end, highest + layout.grain)
        named_at = at * SECTOR + 4 * entries.index(highest)
        require_within(self._stream, TRUNCATED, self.end * SECTOR, named_at, "a grain or table")
        self._refuse_overlap(entries, grains, at)

    def _refuse_overlap(self, entries: Sequence[int], grains: list[int], at: int) -> None:
        if min(grains) < self._tables_end:
            for grain in grains:
                if any([self._lies_over(places, grain) for places in self._tables]):
                    message = f"the grain at sector {grain} lies over a grain table"
                    raise MalformedImage(GRAIN_OVERLAP, at * SECTOR + 4 * entries.index(grain), message)
        position = self._overlaps.find_overlap(grains, GRAIN_OVERLAP, at * SECTOR)
        if position is not None:
            entry = len(entries) - 1 - entries[::-1].index(grains[position])
            message = f"the grain at sector {grains[position]} overlaps another one"
            raise MalformedImage(GRAIN_OVERLAP, at * SECTOR + 4 * entry, message)

    def _lies_over(self, places: "array[int]", grain: int) -> bool:
        before = bisect_right(places, grain + self._layout.grain - 1) - 1
        return before >= 0 and places[before] + TABLE_SECTORS > grain
