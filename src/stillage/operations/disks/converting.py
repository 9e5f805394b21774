"""Convert the disk inside an image while it is imported: its blob becomes one of another format.

The converted bytes pass through the pipeline of uploads as any others do: verified, hashed, written, published. The
original goes when they are; until then both are on disk, and nothing else. A process that is killed leaves an upload
that a sweep ends, and an image that still has its original.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from stillage.db import blobs, conversions, placements
from stillage.db.lifecycle import Claim
from stillage.db.session import Database
from stillage.errors import ImageDamaged, ImageGone, StoreFailed
from stillage.formats.guids import derived
from stillage.formats.packing.base import Made
from stillage.formats.packing.packers import packer_of
from stillage.formats.reading import DiskReader
from stillage.formats.views.base import Guest, Literal, View
from stillage.ids import BlobRef
from stillage.images.image import PACKAGES, Image
from stillage.images.upload import Expected
from stillage.operations.disks.opening import Disks, OpenDisk
from stillage.operations.disks.packed import packed_bytes
from stillage.operations.disks.reading_ahead import in_order
from stillage.operations.disks.wanted import Wanted, wanted_of
from stillage.operations.upkeep.sweep import remove_blob
from stillage.operations.upload.acceptance import UploadRules, content_of
from stillage.operations.upload.reception import Reception
from stillage.stores.catalog import Stores

CONVERT_TO = "os_stillage_convert_to"
"""Property of an image: the format that it becomes when it is imported."""
KEPT_AS_IT_IS = frozenset({"iso", "ploop", "ami", "ari", "aki"})
"""A medium, a disk whose map is elsewhere, parts of a machine: no disk of them would be what was imported."""
BATCH = 1 << 20

Progress = Callable[[float], Awaitable[None]]
"""Is told the part that is done, from 0 to 1."""


def target_of(image: Image, default: str | None) -> Wanted | None:
    """Return what an image becomes that has just been imported; None if it stays as it is.

    *default*: the format of the deployment, for images that name none in `CONVERT_TO`. Source: Glance,
    ``image_conversion``, which converts to one format and leaves ISO images alone.

    Raises:
        InvalidInput, FormatNotAvailable: If nothing makes that format.
    """
    name = image.properties.get(CONVERT_TO) or default
    if name is None or name == image.disk_format or image.disk_format in KEPT_AS_IT_IS:
        return None
    return None if image.container_format in PACKAGES else wanted_of(name, None)


class Converted(NamedTuple):
    """An image in another format. Its bytes can be read once, in order.

    Attributes:
        length: None if only their end tells.
    """

    length: int | None
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Converting:
    """Converts images that are imported.

    Attributes:
        reception: Receives bytes, and cleans up what failed.
        clock: Returns the time, aware and UTC.
    """

    database: Database
    stores: Stores
    disks: Disks
    reception: Reception
    rules: UploadRules
    clock: Callable[[], datetime]

    @asynccontextmanager
    async def open(self, image: Image, wanted: Wanted) -> AsyncIterator[Converted]:
        """Open the first good copy of *image*, which is being imported, as what is *wanted*.

        Raises:
            NotConvertible: If there is no disk in it that can be read; from the bytes, if that shows only then.
            DiskDoesNotFit: If the format cannot hold it.
            ImageDamaged: If no copy is good.
        """
        placed = self.stores.in_read_order(await self.database.read(placements.of_image, image.id))
        if not placed:
            raise ImageDamaged(image.id, "no copy of its bytes is good")
        inside = await self.database.read(blobs.inside, image.id)
        async with (
            self.stores.reader(placed[0].blob) as blob,
            self.disks.open_unpublished(image, blob, inside) as disk,
            _converted(image, disk, wanted) as converted,
        ):
            yield converted

    async def __call__(self, claim: Claim, image: Image, wanted: Wanted, progress: Progress) -> Image:
        """Return *image* with the bytes of its disk as what is *wanted*, in the blob of *claim*, in place of its own.

        Args:
            claim: Of the import, for one blob. It has ended afterwards, also after an error.
            image: As claimed; `importing`, with its original bytes.
            wanted: As `target_of`.
            progress: Is awaited with every MiB.

        Raises:
            ImageGone: If the image is deleted meanwhile.
            StillageError: As `open`, and what the pipeline raises.
        """
        try:
            published, unneeded = await self._convert(claim, image, wanted, progress)
        except BaseException as failure:
            await self.reception.give_up(claim, failure)
            raise
        for blob in unneeded:
            await remove_blob(self.database, self.stores, blob, self.clock())
        return published

    async def _convert(
        self, claim: Claim, image: Image, wanted: Wanted, progress: Progress
    ) -> tuple[Image, tuple[BlobRef, ...]]:
        as_wanted = replace(image, disk_format=wanted.disk_format)
        async with self.open(image, wanted) as converted:
            body = _followed(converted, image.virtual_size or 0, progress)
            verified = await self.reception.receive(claim, as_wanted, body, Expected(converted.length))
        if verified.facts.format != wanted.disk_format:
            raise StoreFailed(f"the converted image reads as {verified.facts.format}; report the bug")
        content = content_of(as_wanted, verified, self.rules)
        done = await self.database.write(conversions.replace_bytes, claim, content, self.clock())
        if done is None:
            raise ImageGone(image.id)
        return done


@asynccontextmanager
async def _converted(image: Image, disk: OpenDisk, wanted: Wanted) -> AsyncIterator[Converted]:
    output = wanted.packing
    if output is None:
        view = await disk.view(wanted)
        batches = in_order(disk, partial(_read, view, disk.unlimited()), range(0, view.size, BATCH))
        converted = Converted(view.size, batches)
    else:
        made = Made(derived(f"{output} {image.os_hash_value}").bytes, image.created_at)
        packer = packer_of(output, disk.size, made)
        batches = packed_bytes(disk, disk.unlimited(), packer, await disk.data())
        converted = Converted(None, batches)
    async with aclosing(batches):
        yield converted


def _read(view: View, reader: DiskReader, first: int) -> bytes:
    """Return `BATCH` bytes of *view* from *first* on, fewer at its end."""
    pieces = []
    for piece in view.pieces(first, min(BATCH, view.size - first)):
        match piece:
            case Literal(data):
                pieces.append(data)
            case Guest(at, length):
                pieces.append(reader.read(at, length))
            case _:
                pieces.append(bytes(piece.length))
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _followed(converted: Converted, about: int, progress: Progress) -> AsyncGenerator[bytes]:
    """Pass on the bytes, and tell how much of their length is done, or of *about* so many."""
    done, length = 0, converted.length or about or 1
    async for chunk in converted.chunks:
        done += len(chunk)
        await progress(min(1.0, done / length))
        yield chunk
