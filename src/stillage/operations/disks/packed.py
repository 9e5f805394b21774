"""Compress the disk inside an image while it is sent. Only its end tells how long the answer is."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from functools import partial

from stillage.accounts.principal import Principal
from stillage.formats.block_map import BlockMap
from stillage.formats.guids import derived
from stillage.formats.packing.base import Made, Packer, Packet
from stillage.formats.packing.outputs import Output
from stillage.formats.packing.packers import packer_of
from stillage.formats.reading import DiskReader
from stillage.images.image import Image
from stillage.operations.disks.opening import Disks, OpenDisk
from stillage.operations.disks.reading_ahead import in_order


class PackedDownloads:
    """``GET …/file?disk_format=…`` of the formats that are compressed strictly in order."""

    def __init__(self, disks: Disks) -> None:
        self._disks = disks

    @asynccontextmanager
    async def open(self, principal: Principal, image: Image, output: Output) -> AsyncIterator[AsyncGenerator[bytes]]:
        """Open *image*, which *principal* may download, as *output*. Yields its bytes in order.

        Raises:
            DiskDoesNotFit: If the format cannot hold it; from the bytes, if that shows only then.
            TooManyConversions: If others have all slots.
            StillageError: As `Disks.open`.
        """
        async with self._disks.open(principal, image) as disk:
            made = Made(derived(f"{output} {image.os_hash_value}").bytes, image.created_at)
            packer = packer_of(output, disk.size, made)
            data = await disk.data()
            with disk.reading(disk.size, compresses=True) as reader:
                async with aclosing(packed_bytes(disk, reader, packer, data)) as pieces:
                    yield pieces


async def packed_bytes(disk: OpenDisk, reader: DiskReader, packer: Packer, data: BlockMap) -> AsyncGenerator[bytes]:
    """Yield the bytes of the file that *packer* makes of the disk, in order. Close it (`contextlib.aclosing`)."""
    yield packer.head()
    packets = in_order(disk, partial(_pack, reader, packer), _batches(data, packer.batch))
    async with aclosing(packets):
        async for packet in packets:
            if piece := packer.place(packet):
                yield piece
    yield packer.tail()


def _pack(reader: DiskReader, packer: Packer, at: int) -> Packet:
    return packer.pack(at, memoryview(reader.read(at, packer.batch)))


def _batches(data: BlockMap, size: int) -> Iterator[int]:
    """Yield where the batches of *size* bytes begin in which the disk holds data."""
    done = 0
    for run in data.runs():
        begin, end = run.first * data.block, run.stop * data.block
        for at in range(max(done, begin // size * size), end, size):
            yield at
            done = at + size
