"""Say what is on the disk inside an image: how much data where, partitions, file systems."""

from collections.abc import Sequence
from typing import NamedTuple

from stillage.accounts.principal import Principal
from stillage.formats.block_map import BlockMap
from stillage.formats.file_map import FileMap, reduced
from stillage.formats.file_systems import HEAD, FileSystem, find_file_system
from stillage.formats.partitions import Partition, find_partitions
from stillage.formats.reading import DiskReader
from stillage.images.image import Image
from stillage.operations.disks.opening import Disks


class DataMap(NamedTuple):
    """How much of a disk holds data.

    Attributes:
        size: Bytes of the disk.
        data: Bytes of the blocks that hold data.
        cells: How much of each part of the disk does, from 0 to 1.
        file: What the bytes of the file are that the disk is stored in.
    """

    size: int
    data: int
    cells: Sequence[float]
    file: FileMap


class Layout(NamedTuple):
    """What a disk is divided into.

    Attributes:
        size: Bytes of the disk.
        table: ``gpt``, ``mbr``, or empty.
        file_system: Of the whole disk, if it has no partition table.
        partitions: Each with what is in it, if that is known.
    """

    size: int
    table: str
    file_system: FileSystem | None
    partitions: Sequence[tuple[Partition, FileSystem | None]]


class Contents:
    """``GET …/map`` and ``GET …/layout``."""

    def __init__(self, disks: Disks) -> None:
        self._disks = disks

    async def map(self, principal: Principal, image: Image, cells: int) -> DataMap:
        """Return where the disk of *image* and its file hold data, each in that many *cells*.

        Raises:
            StillageError: As `Disks.open`.
        """
        async with self._disks.open(principal, image) as disk:
            data, file = await disk.data(), await disk.file_map()
            held = min(disk.size, data.count * data.block)
            return DataMap(disk.size, held, cells_of(data, cells), reduced(file, cells))

    async def layout(self, principal: Principal, image: Image) -> Layout:
        """Return partitions and file systems of the disk of *image*, which *principal* may download.

        Raises:
            TooManyConversions: If the disk is compressed, and others have all slots.
            StillageError: As `Disks.open`.
        """
        async with self._disks.open(principal, image) as disk:
            with disk.reading(0) as reader:
                return await disk.file.run(disk.work, layout_of, reader)


def cells_of(data: BlockMap, count: int) -> list[float]:
    """Return how much of each of *count* equal parts of the disk holds data. A cell has one block at least."""
    count = max(1, min(count, data.blocks))
    edges = [data.blocks * number // count for number in range(count + 1)]
    ranks = [data.rank(edge) for edge in edges]
    return [
        round((ranks[number + 1] - ranks[number]) / (edges[number + 1] - edges[number]), 4) for number in range(count)
    ]


def layout_of(reader: DiskReader) -> Layout:
    """Return what the first bytes of the disk and of its partitions show.

    Raises:
        MalformedImage: If the disk cannot be read there.
    """
    table, partitions = find_partitions(reader.read)
    whole = None if table else find_file_system(reader.read(0, HEAD))
    found = [(partition, _inside(reader, partition)) for partition in partitions]
    return Layout(reader.size, table, whole, found)


def _inside(reader: DiskReader, partition: Partition) -> FileSystem | None:
    head = reader.read(partition.first, min(HEAD, partition.length)) if partition.first < reader.size else b""
    return find_file_system(head)
