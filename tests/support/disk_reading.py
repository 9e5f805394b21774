"""Reads the disk in an image that is in memory, and checks what a map of a disk promises."""

from stillage.formats.base import ReadAt
from stillage.formats.disk import Extent, Packed
from stillage.formats.readers import READERS
from stillage.formats.reading import DiskReader, open_disk


def read_from(image: bytes) -> ReadAt:
    return lambda offset, length: image[offset : offset + length]


def reader_of(image: bytes, disk_format: str) -> DiskReader:
    read_at = read_from(image)
    return DiskReader(open_disk(READERS[disk_format], read_at, len(image)), read_at)


def checked_extents(reader: DiskReader, first: int = 0, length: int | None = None) -> list[Extent]:
    """The extents of this part of the disk, which must be ascending, without gaps, and inside."""
    end = reader.size if length is None else min(first + length, reader.size)
    extents = list(reader.extents(first, length))
    at = first
    for number, extent in enumerate(extents):
        assert extent.length > 0, extent
        if isinstance(extent, Packed):
            assert extent.at % reader.disk.unit == 0, extent
            assert extent.at == at or (number == 0 and extent.at < first), extent
            assert extent.length == min(reader.disk.unit, reader.size - extent.at), extent
        else:
            assert extent.at == at, extent
            assert extent.at + extent.length <= end, extent
        at = extent.at + extent.length
    assert at == end or (at > end and isinstance(extents[-1], Packed))
    return extents
