"""Compress the disk inside an image while it is sent. Only its end tells how long the answer is."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import aclosing, asynccontextmanager
from uuid import uuid5

from stillage.accounts.principal import Principal
from stillage.formats.block_map import BlockMap
from stillage.formats.packing.base import Made, Packer, Packet
from stillage.formats.packing.outputs import Output, packer_of
from stillage.formats.reading import DiskReader
from stillage.formats.views.base import NAMESPACE
from stillage.images.image import Image
from stillage.operations.disks.opening import Disks, OpenDisk

AHEAD = 4
"""Batches of one answer, of 1 or 2 MiB, that are read and compressed at once or wait to be sent."""


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
            made = Made(uuid5(NAMESPACE, f"{output} {image.os_hash_value}").bytes, image.created_at)
            packer = packer_of(output, disk.size, made)
            data = await disk.data()
            with disk.reading(disk.size, compresses=True) as reader:
                async with aclosing(_bytes_of(disk, reader, packer, data)) as pieces:
                    yield pieces


async def _bytes_of(disk: OpenDisk, reader: DiskReader, packer: Packer, data: BlockMap) -> AsyncGenerator[bytes]:
    yield packer.head()
    running: deque[Future[Packet]] = deque()
    try:
        for at in _batches(data, packer.batch):
            running.append(disk.file.start(disk.work, _pack, reader, packer, at))
            if len(running) >= (1 if disk.in_order else AHEAD) and (
                piece := packer.place(await asyncio.wrap_future(running.popleft()))
            ):
                yield piece
        while running:
            if piece := packer.place(await asyncio.wrap_future(running.popleft())):
                yield piece
    finally:
        for waiting in running:
            waiting.cancel()
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
