"""Open an image as another one: the disk inside it as a raw file, or in another format. Nothing is stored."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from threading import Lock

from stillage.accounts.principal import Principal
from stillage.db import blobs
from stillage.db.session import Database
from stillage.errors import NotConvertible
from stillage.formats.block_map import BlockMap
from stillage.formats.reading import DiskReader
from stillage.formats.views.base import View
from stillage.formats.views.outputs import OUTPUTS, view_of
from stillage.images.image import Image
from stillage.lanes import GIVES_WAY
from stillage.operations.disks.blob_file import BlobFile
from stillage.operations.disks.charts import Chart, Charts, explained, format_of
from stillage.operations.disks.chunks import Chunk, chunks_of, take
from stillage.operations.disks.limits import ExpandingLimits
from stillage.operations.disks.wanted import Wanted
from stillage.operations.download import Download
from stillage.stores.base import BlobReader

MORE_THREADS = 4
"""Threads beside those for the slots: for disks that are not compressed, whose tables alone are read here."""


class Views:
    """``GET …/disk`` and ``GET …/file?disk_format=…``."""

    def __init__(self, database: Database, download: Download, *, slots: int) -> None:
        """*slots*: requests of this process that may expand a compressed disk at once."""
        self._database = database
        self._download = download
        self._charts = Charts()
        self._limits = ExpandingLimits(slots, time.monotonic)
        self._threads = ThreadPoolExecutor(slots + MORE_THREADS, thread_name_prefix="disk", initializer=_give_way)

    async def is_original(self, image: Image, wanted: Wanted, *, any_subformat: bool) -> bool:
        """Whether the stored bytes of *image* are what is *wanted*.

        Raises:
            NotConvertible: If there is no disk in it that can be read.
        """
        if image.blob_key is None:
            raise NotConvertible(image.id, "it has no data yet")
        found = format_of(image, await self._database.read(blobs.inside, image.blob_key))
        if found == "raw" == wanted.disk_format:
            return image.size == image.virtual_size
        return any_subformat and found == wanted.disk_format

    @asynccontextmanager
    async def open(self, principal: Principal, image: Image, wanted: Wanted) -> AsyncIterator["OpenView"]:
        """Open *image*, which *principal* may download, as what is *wanted*.

        Raises:
            NotConvertible: If there is no disk in it that can be read.
            DiskDoesNotFit: If the wanted format cannot hold it.
            StillageError: As `Download.open`.
        """
        if image.blob_key is None:
            raise NotConvertible(image.id, "it has no data yet")
        inside = await self._database.read(blobs.inside, image.blob_key)
        format_of(image, inside)
        async with self._download.open(image) as blob:
            file = BlobFile(blob, self._threads)
            try:
                chart = await self._charts.chart(image, inside, file)
                if not chart.disk.size:
                    raise NotConvertible(image.id, "its disk has 0 bytes")
                data = BlockMap(chart.disk.size, [])
                if OUTPUTS[wanted].needs_map:
                    data = await self._charts.data(image, chart, inside, file)
                identity = (image.os_hash_value or "").encode()
                view = view_of(*wanted, chart.disk.size, data, identity, image.created_at)
                yield OpenView(view, chart, image, file, self._limits, principal.project_id)
            finally:
                file.close()

    def close(self) -> None:
        self._threads.shutdown()


class OpenView:
    """A view of a stored image, while its blob is open."""

    def __init__(
        self, view: View, chart: Chart, image: Image, file: BlobFile, limits: ExpandingLimits, project: str
    ) -> None:
        self.size = view.size
        self._view = view
        self._chart = chart
        self._image = image
        self._file = file
        self._limits = limits
        self._project = project

    @property
    def blob(self) -> BlobReader:
        """Where `Stretch` are."""
        return self._file.blob

    @asynccontextmanager
    async def reading(self, first: int, length: int) -> AsyncIterator[AsyncGenerator[Sequence[Chunk]]]:
        """Read a range. Yields batches of chunks in order; the next one is made while one is sent.

        Raises:
            TooManyConversions: If the disk is compressed, and others have all slots.
            NotConvertible: From the batches, if the disk cannot be read on.
        """
        reader = DiskReader(self._chart.disk, self._file.read_at, recent=self._chart.recent)
        is_packed = self._chart.disk.unit > 1
        with self._limits.slot(self._project) if is_packed else nullcontext():
            try:
                yield self._batches(reader, first, length)
            finally:
                self._limits.count(self._project, expanded=reader.expanded, sent=length)

    async def _batches(self, reader: DiskReader, first: int, length: int) -> AsyncGenerator[Sequence[Chunk]]:
        chunks = chunks_of(self._view, reader, first, length)
        # Units that continue one another are expanded by one thread at a time.
        lock = self._chart.lock if self._chart.disk.in_order else nullcontext()

        def next_batch() -> "Future[Sequence[Chunk]]":
            return self._file.start(explained, self._image, _take_alone, lock, chunks)

        ahead = next_batch()
        while batch := await asyncio.wrap_future(ahead):
            ahead = next_batch()
            yield batch


def _take_alone(lock: "Lock | nullcontext[None]", chunks: "Iterator[Chunk]") -> Sequence[Chunk]:
    with lock:
        return take(chunks)


def _give_way() -> None:
    """Let the loop and the database's threads go first."""
    if sys.platform == "linux":  # elsewhere it would make the whole process nicer
        os.nice(GIVES_WAY)
