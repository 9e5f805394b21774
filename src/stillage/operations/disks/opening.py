"""Open the disk inside a stored image."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from stillage.accounts.principal import Principal
from stillage.db.blobs import Inside
from stillage.db.session import Database
from stillage.errors import NotConvertible
from stillage.formats.block_map import BlockMap
from stillage.formats.file_map import FileMap
from stillage.formats.reading import DiskReader
from stillage.formats.views.base import View
from stillage.images.image import Image
from stillage.lanes import GIVES_WAY
from stillage.operations.disks.blob_file import BlobFile
from stillage.operations.disks.charts import Chart, Charts, explained, new_chart
from stillage.operations.disks.limits import ExpandingLimits
from stillage.operations.disks.wanted import Wanted
from stillage.operations.download import Download
from stillage.stores.base import BlobReader

T = TypeVar("T")

MORE_THREADS = 4
"""Threads beside those for the slots: for disks that are not compressed, whose tables alone are read here."""


class Disks:
    """The disks that one process has open."""

    def __init__(self, database: Database, download: Download, *, slots: int) -> None:
        """*slots*: requests of this process that may expand a compressed disk at once."""
        self._download = download
        self._charts = Charts(database)
        self._limits = ExpandingLimits(slots, time.monotonic)
        self._threads = ThreadPoolExecutor(slots + MORE_THREADS, thread_name_prefix="disk", initializer=_give_way)

    async def inside(self, image: Image) -> Inside:
        """Return what is known of the bytes of *image*.

        Raises:
            NotConvertible: If there is no disk in it that can be read.
        """
        return await self._charts.inside(image)

    @asynccontextmanager
    async def open(self, principal: Principal, image: Image) -> AsyncIterator["OpenDisk"]:
        """Open the disk of *image*, which *principal* may download.

        Raises:
            NotConvertible: If there is no disk in it that can be read.
            StillageError: As `Download.open`.
        """
        inside = await self.inside(image)
        async with self._download.open(image) as blob, self._file(blob) as file:
            chart = await self._charts.chart(image, inside, file)
            yield self._opened(image, chart, file, principal.project_id)

    @asynccontextmanager
    async def open_unpublished(self, image: Image, blob: BlobReader, inside: Inside) -> AsyncIterator["OpenDisk"]:
        """Open the disk of an *image* that is not active yet: in *blob*, of which *inside* is known.

        Raises:
            NotConvertible: If there is no disk in it that can be read.
        """
        async with self._file(blob) as file:
            chart = await new_chart(image, inside, file)
            yield self._opened(image, chart, file, image.owner or "")

    @asynccontextmanager
    async def _file(self, blob: BlobReader) -> AsyncIterator[BlobFile]:
        file = BlobFile(blob, self._threads)
        try:
            yield file
        finally:
            file.close()

    def _opened(self, image: Image, chart: Chart, file: BlobFile, project: str) -> "OpenDisk":
        if not chart.disk.size:
            raise NotConvertible(image.id, "its disk has 0 bytes")
        return OpenDisk(image, chart, file, self._charts, self._limits, project)

    async def close(self) -> None:
        # A thread that reads from a store without files needs the loop for it.
        await asyncio.to_thread(self._threads.shutdown)


class OpenDisk:
    """The disk inside an image, while its blob is open.

    Attributes:
        size: Of the disk, in bytes.
        file: The blob.
    """

    def __init__(
        self,
        image: Image,
        chart: Chart,
        file: BlobFile,
        charts: Charts,
        limits: ExpandingLimits,
        project: str,
    ) -> None:
        self.size = chart.disk.size
        self.file = file
        self._image = image
        self._charts = charts
        self._chart = chart
        self._limits = limits
        self._project = project

    @property
    def in_order(self) -> bool:
        """As `Disk.in_order`."""
        return self._chart.disk.in_order

    async def data(self) -> BlockMap:
        """Return where the disk holds data.

        Raises:
            NotConvertible: If its tables cannot be read.
        """
        return await self._charts.data(self._image, self._chart, self.file)

    async def file_map(self) -> FileMap:
        """Return what the bytes of the file are; raises as `data`."""
        return await self._charts.file_map(self._image, self._chart, self.file)

    async def view(self, wanted: Wanted) -> View:
        """Return the disk as what is *wanted*; raises as `Charts.view`."""
        return await self._charts.view(self._image, self._chart, wanted, self.file)

    @contextmanager
    def reading(self, sent: int, *, compresses: bool = False) -> Iterator[DiskReader]:
        """Read the disk for an answer of *sent* bytes. Use the reader in `work` alone.

        Args:
            sent: Bytes of the disk.
            compresses: The answer is compressed while it is made, so it needs a slot in any case.

        Raises:
            TooManyConversions: If the disk or the answer is compressed, and others have all slots.
        """
        reader = self.unlimited()
        if self._chart.disk.unit == 1 and not compresses:
            yield reader
            return
        with self._limits.slot(self._project):
            try:
                yield reader
            finally:
                self._limits.count(self._project, expanded=reader.expanded, sent=sent)

    def unlimited(self) -> DiskReader:
        """Read the disk for a job, of which there are few. Use the reader in `work` alone."""
        return DiskReader(self._chart.disk, self.file.read_at, recent=self._chart.recent)

    def work(self, work: Callable[..., T], *args: object) -> T:
        """Return ``work(*args)``, which reads the disk. Call it in a thread.

        Raises:
            NotConvertible: If the disk cannot be read there.
        """
        if not self._chart.disk.in_order:
            return explained(self._image, work, *args)
        # Units that continue one another are expanded by one thread at a time.
        with self._chart.lock:
            return explained(self._image, work, *args)


def _give_way() -> None:
    """Let the loop and the database's threads go first."""
    if sys.platform == "linux":  # elsewhere it would make the whole process nicer
        os.nice(GIVES_WAY)
