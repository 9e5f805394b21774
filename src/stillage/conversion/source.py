"""What a conversion reads: a disk, and the file that it is in."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from stillage.errors import UnreadableFormat
from stillage.formats.base import ReadAt
from stillage.formats.disk import Packed, Stored, Zeros
from stillage.formats.readers import READERS
from stillage.formats.reading import DiskReader, open_disk
from stillage.holes import DataRuns

UNMAPPED = frozenset({"raw", "iso"})
"""Formats that store every byte of the disk, as a fixed VHD does."""


class Data(NamedTuple):
    """A run of the disk that may hold other bytes than zeros."""

    at: int
    length: int


@dataclass(frozen=True)
class Source:
    """A disk to read.

    Attributes:
        reader: Of the disk.
        read_at: Of the file that the disk is in.
        descriptor: Of that file, for copies within the kernel and for its holes; None if it is not a local one.
        file_size: Bytes of that file.
        is_mapped: False if the format stores every byte of the disk, zeros as well.
    """

    reader: DiskReader
    read_at: ReadAt
    descriptor: int | None = None
    file_size: int = 0
    is_mapped: bool = True

    def extents(self, first: int, length: int) -> Iterator[Stored | Packed]:
        """Yield what is stored of *length* bytes from *first* on, without the holes of the file."""
        for extent in self.reader.extents(first, length):
            if isinstance(extent, Stored):
                yield from self._without_holes(extent)
            elif not isinstance(extent, Zeros):
                yield extent

    def data(self) -> Iterator[Data]:
        """Yield the runs of the whole disk that are not known to be zeros, ascending."""
        for extent in self.extents(0, self.reader.size):
            yield Data(extent.at, extent.length)

    def _without_holes(self, extent: Stored) -> Iterator[Stored]:
        if self._runs is None:
            yield extent
            return
        end = extent.offset + extent.length
        for begin, stop in self._runs.within(extent.offset, end):
            yield Stored(extent.at + begin - extent.offset, stop - begin, begin)
        if end > self.file_size:
            # Beyond the end of the file is no hole: whoever reads it finds that the file is too short.
            begin = max(extent.offset, self.file_size)
            yield Stored(extent.at + begin - extent.offset, end - begin, begin)

    @cached_property
    def _runs(self) -> DataRuns | None:
        return None if self.descriptor is None else DataRuns(self.descriptor, self.file_size)


def batches(data: Iterable[Data], size: int) -> Iterator[int]:
    """Yield where the batches of *size* bytes begin that have any of *data*, which ascends."""
    done = 0
    for run in data:
        begin = max(done, run.at // size * size)
        yield from range(begin, run.at + run.length, size)
        done = max(done, -(-(run.at + run.length) // size) * size)


def source_of(descriptor: int, size: int, disk_format: str, subformat: str = "") -> Source:
    """Open the disk in a local file of *size* bytes; `Facts` has the names of its format.

    Raises:
        UnreadableFormat: If disks of this format are not read.
        MalformedImage: If the disk cannot be read.
    """

    def read_at(offset: int, length: int) -> bytes:
        return os.pread(descriptor, length, offset)

    module = READERS.get(disk_format)
    if module is None:
        raise UnreadableFormat(disk_format, sorted(READERS))
    disk = open_disk(module, read_at, size)
    is_mapped = disk_format not in UNMAPPED and subformat != "fixed"
    return Source(DiskReader(disk, read_at), read_at, descriptor, size, is_mapped)
