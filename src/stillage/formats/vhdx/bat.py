"""The block allocation table of a VHDX: states and places of blocks, and that no two share bytes of the file.

Source: Microsoft, [MS-VHDX] 2.5 "BAT". All integers are little-endian.
"""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import NamedTuple

from stillage.formats.base import Inspection, MalformedImage, Rule, Steps, Stream
from stillage.formats.tables.bounds import read_whole, require_within
from stillage.formats.tables.overlaps import Overlaps
from stillage.formats.vhdx.header import MIB, REWRITE

TRUNCATED = Rule("vhdx.truncated", "The file ends before something that its tables refer to.")
BLOCK_STATE = Rule("vhdx.block-state", "An entry of the BAT has a state that a disk without parent cannot have.")
BLOCK_PLACE = Rule("vhdx.block-place", "A block lies outside the file, or over the log or a region.", REWRITE)
BLOCK_OVERLAP = Rule("vhdx.block-overlap", "Two blocks share bytes of the file.", REWRITE)
RULES = (TRUNCATED, BLOCK_STATE, BLOCK_PLACE, BLOCK_OVERLAP)

ALLOCATED, HAS_PARENT = 1, 2  # bits of the file parameters
PRESENT, PARTLY_PRESENT = 6, 7  # states of a stored block; the second needs a parent
STORED = 4  # the bit that states 4 to 7 share; 4 and 5 do not exist
RESERVED = 0xFFFF8
PIECE = 64 << 10
ZEROS = bytes(PIECE)
MAX_HELD = 16  # pieces


class Disk(NamedTuple):
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
class Taken:
    """MiBs that belong to the log and the regions, as sorted, separate ranges."""

    starts: list[int]
    stops: list[int]

    @classmethod
    def of(cls, parts: list[range]) -> "Taken":
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


class Held:
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


def read_bat(stream: Stream, disk: Disk, bat: range, held: Held, taken: Taken) -> Steps[int]:
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


def payload(disk: Disk, entries: Sequence[int], first: int, at: int) -> list[int]:
    """Return the *entries* of blocks, without those of sector bitmaps; their bits and states are possible ones.

    They begin with entry *first* of the BAT, which stands at byte *at*.
    """
    if reduce(or_, entries) & RESERVED:
        entry = next(entry for entry in entries if entry & RESERVED)
        message = f"BAT entry {entry:#x} has reserved bits set"
        raise MalformedImage(BLOCK_STATE, at + 8 * entries.index(entry), message)
    every = disk.chunk + 1  # the last of so many is the entry of a sector bitmap
    bitmaps = slice((disk.chunk - first) % every, None, every)
    blocks = list(entries)
    del blocks[bitmaps]
    has_parent = bool(disk.flags & HAS_PARENT)
    if not has_parent and any(entries[bitmaps]):
        entry = next(entry for entry in entries[bitmaps] if entry)
        message = f"BAT entry {entry:#x} is for a sector bitmap, which a disk without a parent has none of"
        raise MalformedImage(BLOCK_STATE, at + 8 * entries.index(entry), message)
    for entry in filter(is_stored, blocks):
        if entry & 7 != PRESENT and not (has_parent and entry & 7 == PARTLY_PRESENT):
            message = f"BAT entry {entry:#x} has state {entry & 7}; {PRESENT} is the one for a stored block"
            raise MalformedImage(BLOCK_STATE, at + 8 * entries.index(entry), message)
    return blocks


def is_stored(entry: int) -> bool:
    """Whether the file has the block of an entry; otherwise the block is zeros, whatever the state says of them."""
    return bool(entry & STORED)


class _Table:
    """The rules of the BAT, and the blocks that it has named so far."""

    def __init__(self, stream: Stream, disk: Disk, taken: Taken) -> None:
        self._stream = stream
        self._disk = disk
        self._taken = taken
        self._length = disk.block_size // MIB
        self._overlaps = Overlaps(self._length)

    def check(self, entries: Sequence[int], first: int, at: int) -> int:
        """Check *entries*, which begin with entry *first*, at byte *at*; return the byte after their last block."""
        stored = [entry for entry in payload(self._disk, entries, first, at) if is_stored(entry)]
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

    def _end(self, entries: Sequence[int], first: int, highest: int) -> int:
        """The byte after the block at MiB *highest*; of the disk's last block only what the disk has is needed."""
        disk = self._disk
        end = highest * MIB + disk.block_size
        if first + len(entries) == disk.entries and entries[-1] >> 20 == highest:
            end -= (disk.blocks * disk.block_size - disk.size) // MIB * MIB
        return end
