"""Reads a raw disk: the file is the disk, filled up with zeros to a whole sector.

It serves ISO images as well, which a machine reads as they are.
"""

from typing import NamedTuple

from stillage.formats import luks
from stillage.formats.base import SECTOR, MalformedImage, Region, Steps, Stream
from stillage.formats.disk import Charting, Stored, Zeros


class RawDisk(NamedTuple):
    """A disk whose first *stored* bytes are those of the file from *offset* on; zeros follow up to its *size*."""

    size: int
    stored: int
    offset: int = 0
    unit: int = 1
    in_order: bool = False

    def extents(self, first: int, length: int) -> Charting:
        end = first + length
        if first < self.stored:
            yield Stored(first, min(end, self.stored) - first, self.offset + first)
        if end > self.stored:
            begin = max(first, self.stored)
            yield Zeros(begin, end - begin)


def chart(stream: Stream) -> Steps[RawDisk]:
    head = yield Region(0, SECTOR)
    if head.startswith(luks.MAGIC):
        hazard = luks.encrypted(head)
        raise MalformedImage(hazard.rule, hazard.offset, hazard.message)
    size = stream.size or 0
    return RawDisk(-(-size // SECTOR) * SECTOR, size)
