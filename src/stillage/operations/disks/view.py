"""Open an image as another one: the disk inside it as a raw file, or in another format. Nothing is stored."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from stillage.accounts.principal import Principal
from stillage.errors import StoreFailed
from stillage.formats.reading import DiskReader
from stillage.formats.views.base import View
from stillage.images.image import Image
from stillage.operations.disks.charts import format_of
from stillage.operations.disks.chunks import Chunk, chunks_of, length_of, take
from stillage.operations.disks.opening import Disks, OpenDisk
from stillage.operations.disks.wanted import Wanted
from stillage.stores.base import BlobReader


class Views:
    """``GET …/disk`` and ``GET …/file?disk_format=…``."""

    def __init__(self, disks: Disks) -> None:
        self._disks = disks

    async def is_original(self, image: Image, wanted: Wanted, *, any_subformat: bool) -> bool:
        """Whether the stored bytes of *image* are what is *wanted*.

        Raises:
            NotConvertible: If there is no disk in it that can be read.
        """
        found = format_of(image, await self._disks.inside(image))
        if found == "raw" == wanted.disk_format:
            return image.size == image.virtual_size
        return any_subformat and found == wanted.disk_format

    @asynccontextmanager
    async def open(self, principal: Principal, image: Image, wanted: Wanted) -> AsyncIterator["OpenView"]:
        """Open *image*, which *principal* may download, as what is *wanted*.

        Raises:
            DiskDoesNotFit: If the wanted format cannot hold it.
            StillageError: As `Disks.open`.
        """
        async with self._disks.open(principal, image) as disk:
            yield OpenView(disk, await disk.view(wanted))


class OpenView:
    """A view of a stored image, while its blob is open."""

    def __init__(self, disk: OpenDisk, view: View) -> None:
        self.size = view.size
        self._disk = disk
        self._view = view

    @property
    def blob(self) -> BlobReader:
        """Where `Stretch` are."""
        return self._disk.file.blob

    @asynccontextmanager
    async def reading(self, first: int, length: int) -> AsyncIterator[AsyncGenerator[Sequence[Chunk]]]:
        """Read a range. Yields batches of chunks in order; the next one is made while one is sent.

        Raises:
            TooManyConversions: If the disk is compressed, and others have all slots.
            NotConvertible: From the batches, if the disk cannot be read on.
        """
        with self._disk.reading(length) as reader:
            yield self._batches(reader, first, length)

    async def _batches(self, reader: DiskReader, first: int, length: int) -> AsyncGenerator[Sequence[Chunk]]:
        chunks = chunks_of(self._view, reader, first, length)
        ahead = self._disk.file.start(self._disk.work, take, chunks)
        while length:
            batch = await asyncio.wrap_future(ahead)
            if not batch:
                raise StoreFailed(f"the view ends {length} bytes early")
            length -= sum(map(length_of, batch))
            if length:  # a range of one batch, of which a running machine asks many, needs no second thread
                ahead = self._disk.file.start(self._disk.work, take, chunks)
            yield batch
