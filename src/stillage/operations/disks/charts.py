"""Remember the disks that were opened last: where they are stored, and where they hold data.

A client that downloads in parts, or a machine that runs from an image, sends thousands of requests for one disk.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar

from stillage.db import blobs
from stillage.db.blobs import Inside
from stillage.db.session import Database
from stillage.errors import NotConvertible
from stillage.formats.base import MalformedImage
from stillage.formats.block_map import BlockMap
from stillage.formats.disk import Disk, Zeros
from stillage.formats.file_map import FileMap, file_map_of, file_map_of_raw
from stillage.formats.noted_map import noted_data
from stillage.formats.readers import READERS
from stillage.formats.reading import DiskReader, Recent, open_disk
from stillage.formats.views.base import View
from stillage.formats.views.outputs import OUTPUTS, view_of
from stillage.ids import ImageId
from stillage.images.image import PACKAGES, Image
from stillage.operations.disks.blob_file import BlobFile
from stillage.operations.disks.wanted import Wanted

T = TypeVar("T")

REMEMBERED = 8
"""Disks of one process. Each may take some MiB: its map, tables that were read, units that were expanded."""
MOST_VIEWS = 2
"""Views of one disk that are kept. Making one takes a while where the disk is scattered."""
KEPT_BYTES = 4 << 20
"""Expanded units of one disk that are kept, but two at least."""


@dataclass
class Chart:
    """One disk, as all requests for it share it.

    Attributes:
        inside: What is known of the bytes; it never changes.
        lock: Held while the disk is read, where its units continue one another.
        views: Of the formats that were asked for last.
        mapping: Finds out where it holds data, once; None until somebody needs to know.
        filing: The same for what the bytes of the file are.
    """

    disk: Disk
    inside: Inside
    recent: Recent
    lock: Lock = field(default_factory=Lock)
    views: OrderedDict[Wanted, View] = field(default_factory=OrderedDict)
    mapping: "asyncio.Future[BlockMap] | None" = None
    filing: "asyncio.Future[FileMap] | None" = None


class Charts:
    """The charts of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._charts: OrderedDict[ImageId, Chart] = OrderedDict()

    async def inside(self, image: Image) -> Inside:
        """Return what is known of the bytes of *image*.

        Raises:
            NotConvertible: If there is no disk in it that can be read.
        """
        if not image.has_data:
            raise NotConvertible(image.id, "it has no data yet")
        chart = self._charts.get(image.id)
        inside = await self._database.read(blobs.inside, image.id) if chart is None else chart.inside
        format_of(image, inside)  # the record may say something else since
        return inside

    async def chart(self, image: Image, inside: Inside, file: BlobFile) -> Chart:
        """Return the chart of the disk in *image*, whose blob is *file*.

        Raises:
            NotConvertible: If there is none.
        """
        chart = self._charts.get(image.id)
        if chart is None:
            chart = self._charts[image.id] = await new_chart(image, inside, file)
        self._charts.move_to_end(image.id)
        while len(self._charts) > REMEMBERED:
            self._charts.popitem(last=False)
        return chart

    async def data(self, image: Image, chart: Chart, file: BlobFile) -> BlockMap:
        """Return where the disk holds data.

        Raises:
            NotConvertible: If its tables cannot be read.
        """
        if chart.mapping is None or (chart.mapping.done() and chart.mapping.exception() is not None):
            reader = DiskReader(chart.disk, file.read_at, recent=chart.recent)
            # Whoever asks first may leave; those who ask for other parts wait for the same map.
            chart.mapping = asyncio.wrap_future(file.start(explained, image, data_of, reader, chart.inside.data_map))
            chart.mapping.add_done_callback(lambda done: done.exception())
        return await asyncio.shield(chart.mapping)

    async def file_map(self, image: Image, chart: Chart, file: BlobFile) -> FileMap:
        """Return what the bytes of the file are.

        Raises:
            NotConvertible: If its tables cannot be read.
        """
        if chart.filing is None or (chart.filing.done() and chart.filing.exception() is not None):
            reader = DiskReader(chart.disk, file.read_at, recent=chart.recent)
            size, noted = image.size or 0, chart.inside.data_map
            chart.filing = asyncio.wrap_future(file.start(explained, image, _file_map_of, reader, size, noted))
            chart.filing.add_done_callback(lambda done: done.exception())
        return await asyncio.shield(chart.filing)

    async def view(self, image: Image, chart: Chart, wanted: Wanted, file: BlobFile) -> View:
        """Return the disk as what is *wanted*.

        Raises:
            NotConvertible: If its tables cannot be read.
            DiskDoesNotFit: If the wanted format cannot hold it.
        """
        view = chart.views.get(wanted)
        if view is None:
            size = chart.disk.size
            data = await self.data(image, chart, file) if OUTPUTS[wanted].needs_map else BlockMap(size, [])
            identity = (image.os_hash_value or "").encode()
            view = await file.run(view_of, *wanted, size, data, identity, image.created_at)
            chart.views[wanted] = view
        chart.views.move_to_end(wanted)
        while len(chart.views) > MOST_VIEWS:
            chart.views.popitem(last=False)
        return view


async def new_chart(image: Image, inside: Inside, file: BlobFile) -> Chart:
    """Return a chart that nobody else has; arguments and errors as `Charts.chart`."""
    module = READERS[format_of(image, inside)]
    disk = await file.run(explained, image, open_disk, module, file.read_at, image.size or 0)
    return Chart(disk, inside, Recent(disk, max(2, KEPT_BYTES // disk.unit)))


def format_of(image: Image, inside: Inside) -> str:
    """Return the format to read *image* as.

    Raises:
        NotConvertible: If there is no disk in it that can be read.
    """
    if image.container_format in PACKAGES:
        raise NotConvertible(image.id, f"it is a package ({image.container_format})")
    # A ploop image may be raw bytes as well, and which of them it is stands in another file.
    found = image.disk_format if image.disk_format == "ploop" else inside.found or image.disk_format
    if found is None or found not in READERS:
        raise NotConvertible(image.id, f"the format {found or 'is unknown and'} is not read")
    return found


def data_of(reader: DiskReader, noted: bytes | None) -> BlockMap:
    if noted is not None:
        return BlockMap(reader.size, noted_data(noted))
    return BlockMap(
        reader.size, ((extent.at, extent.length) for extent in reader.extents() if not isinstance(extent, Zeros))
    )


def _file_map_of(reader: DiskReader, size: int, noted: bytes | None) -> FileMap:
    if noted is not None:
        return file_map_of_raw(noted_data(noted), reader.size, size)
    return file_map_of(reader.extents(), size)


def explained(image: Image, work: Callable[..., T], *args: object) -> T:
    """Return ``work(*args)``; raise NotConvertible where the image cannot be read."""
    try:
        return work(*args)
    except MalformedImage as malformed:
        raise NotConvertible(image.id, str(malformed)) from malformed
