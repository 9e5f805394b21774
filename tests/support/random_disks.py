"""Disks of any size with runs of data anywhere, most of them at the boundaries of some format's tables."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO

from hypothesis import strategies as st

from stillage.formats.base import ReadAt
from stillage.formats.block_map import BlockMap
from stillage.formats.views.base import Blank, Guest, Literal, View
from stillage.formats.views.outputs import view_of

SECTOR = 512
# A cluster, a block of VDI and VHDX, of VHD, what a grain table, an L2 table of qcow2 and of qed, a chunk of VHDX map.
BOUNDARIES = (64 << 10, 1 << 20, 2 << 20, 32 << 20, 512 << 20, 2 << 30, 4 << 30)
MADE_AT = datetime(2024, 2, 29, 12, tzinfo=UTC)


@dataclass(frozen=True)
class RandomDisk:
    """*runs*: offset and length of what is not zeros; ascending, without overlaps."""

    size: int
    runs: tuple[tuple[int, int], ...]

    def read(self, first: int, length: int) -> bytes:
        data = bytearray(length)
        for at, size in self.runs:
            begin, end = max(at, first), min(at + size, first + length)
            if begin < end:
                data[begin - first : end - first] = noise(at, size)[begin - at : end - at]
        return bytes(data)

    def write(self, path: Path) -> Path:
        with path.open("wb") as file:
            file.truncate(self.size)
            for at, length in self.runs:
                file.seek(at)
                file.write(noise(at, length))
        return path

    def write_view(self, view: View, path: Path) -> Path:
        """Write all of *view*, with holes where this disk has them."""
        at = 0
        with path.open("wb") as file:
            file.truncate(view.size)
            for piece in view.pieces(0, view.size):
                if isinstance(piece, Literal):
                    file.seek(at)
                    file.write(piece.data)
                    at += len(piece.data)
                    continue
                if isinstance(piece, Guest):
                    self._write_guest(piece, file, at)
                at += piece.length
        return path

    def _write_guest(self, piece: Guest, file: IO[bytes], at: int) -> None:
        for start, length in self.runs:
            begin, end = max(start, piece.first), min(start + length, piece.first + piece.length)
            if begin < end:
                file.seek(at + begin - piece.first)
                file.write(noise(start, length)[begin - start : end - start])

    def view(self, disk_format: str, subformat: str) -> View:
        return view_of(disk_format, subformat, self.size, BlockMap(self.size, self.runs), b"content", MADE_AT)


@lru_cache(maxsize=64)
def noise(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


@st.composite
def disks(draw: st.DrawFn) -> RandomDisk:
    unit = draw(st.sampled_from(BOUNDARIES))
    size = max(SECTOR, unit * draw(st.integers(1, 3)) + SECTOR * draw(st.sampled_from((-1, 0, 1, 77))))
    runs = []
    end = 0
    for _ in range(draw(st.integers(0, 5))):
        step = draw(st.sampled_from((0, SECTOR, 64 << 10, *(b for b in BOUNDARIES if b < size))))
        at = end + step * draw(st.integers(0, 2))
        length = min(SECTOR * draw(st.integers(1, 400)), size - at)
        if length <= 0:
            break
        runs.append((at, length))
        end = at + length
    last = draw(st.booleans()) and end < size
    return RandomDisk(size, (*runs, *([(size - SECTOR, SECTOR)] if last else [])))


def rendered(view: View, guest: ReadAt, first: int = 0, length: int | None = None) -> bytes:
    """Return a range of *view*, whose guest's bytes *guest* returns; by default all of it."""
    made = bytearray()
    for piece in view.pieces(first, view.size - first if length is None else length):
        match piece:
            case Literal(data):
                made += data
            case Guest(at, count):
                made += guest(at, count)
            case Blank(count):
                made += bytes(count)
    return bytes(made)
