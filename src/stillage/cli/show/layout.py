"""Draws a file in one line: where its structures, its other bytes and its zeros are."""

import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from stillage.formats.base import Facts, Format, Hazard, Inspection, Region, Rule, Stream, Want
from stillage.holes import next_data

CELLS = 60
ZEROS = bytes(1 << 20)


class Kind(IntEnum):
    """What a cell of the picture shows; of several the greatest."""

    ZEROS = 0
    DATA = 1
    STRUCTURE = 2


class Layout:
    """Notes what is read. Each cell stands for the same number of bytes, the last one for the rest."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._cell = max(1, -(-size // CELLS))
        self._holds_data = bytearray(-(-size // self._cell))
        self._structures: dict[str, bytearray] = {}

    def cell_of(self, offset: int) -> int | None:
        """Return the cell of *offset*; None if it is past the end."""
        return offset // self._cell if offset < self._size else None

    def look(self, descriptor: int, advance: Callable[[int], object]) -> None:
        """Look at the bytes of the file *descriptor*: of each cell as many as it takes to find one that is not zero.

        *advance* is called with how many bytes are done.
        """
        for cell in range(len(self._holds_data)):
            at, end = cell * self._cell, min((cell + 1) * self._cell, self._size)
            while not self._holds_data[cell] and (at := next_data(descriptor, at, end)) < end:
                block = os.pread(descriptor, min(len(ZEROS), end - at), at)
                if not block:
                    break
                self.saw(at, block)
                at += len(block)
            advance(min(self._cell, self._size - cell * self._cell))

    def saw(self, start: int, block: bytes) -> None:
        """Note the bytes that begin at *start*."""
        end = min(start + len(block), self._size)
        while start < end:
            cell = start // self._cell
            following = min((cell + 1) * self._cell, end)
            if not self._holds_data[cell] and not _is_zeros(block, start - end + len(block), following - start):
                self._holds_data[cell] = 1
            start = following

    def watched(self, formats: Sequence[Format]) -> list[Format]:
        """Return the same inspectors, with everything they read noted as a structure of their format."""
        return [_Watched(module, self) for module in formats]

    def read_by(self, format_name: str, region: Region) -> None:
        cells = self._structures.setdefault(format_name, bytearray(len(self._holds_data)))
        first, last = region.offset // self._cell, (region.offset + region.length - 1) // self._cell
        for cell in range(first, min(last, len(cells) - 1) + 1):
            cells[cell] = 1

    def picture(self, format_name: str | None) -> list[Kind]:
        """What each cell holds, to a reader of this format."""
        structures = self._structures.get(format_name or "", bytes(len(self._holds_data)))
        return [
            Kind.STRUCTURE if structure else Kind.DATA if data else Kind.ZEROS
            for structure, data in zip(structures, self._holds_data, strict=True)
        ]


def _is_zeros(block: bytes, start: int, length: int) -> bool:
    return all(
        block.startswith(ZEROS[: min(len(ZEROS), start + length - at)], at)
        for at in range(start, start + length, len(ZEROS))
    )


@dataclass(frozen=True)
class _Watched:
    """A format whose inspector does what it always does, and is seen doing it."""

    module: Format
    layout: Layout

    @property
    def FORMAT(self) -> str:  # noqa: N802 - as in the modules
        return self.module.FORMAT

    @property
    def RULES(self) -> tuple[Rule, ...]:  # noqa: N802 - as in the modules
        return self.module.RULES

    def inspect(self, stream: Stream) -> Inspection:
        return self._watch(self.module.inspect(stream))

    def _watch(self, inspection: Inspection) -> Generator[Want | Facts | Hazard, bytes, None]:
        # An inspector that ends raises StopIteration from `send`, which inside a generator would be an error.
        try:
            found = next(inspection)
            while True:
                if isinstance(found, Region) and found.length:
                    self.layout.read_by(self.module.FORMAT, found)
                found = inspection.send((yield found))
        except StopIteration:
            return
