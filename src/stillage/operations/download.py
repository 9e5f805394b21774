"""Download an image's bytes, and stop downloads of images that are deleted or found damaged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import structlog

from stillage.accounts.principal import Principal
from stillage.db import images as db
from stillage.db import placements
from stillage.db.session import Database
from stillage.errors import (
    BlobNotFound,
    DownloadOverdue,
    Forbidden,
    ImageDamaged,
    ImageNotFound,
    StillageError,
    Unavailable,
)
from stillage.ids import BlobRef, ImageId
from stillage.images import lifecycle
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.lifecycle import Stage
from stillage.images.status import Status
from stillage.stores.abilities import Redirects
from stillage.stores.base import BlobReader
from stillage.stores.catalog import Stores

log = structlog.get_logger()

LOCATED_S = 3600
"""How long a URL of the store's own can be used to begin a download."""
LOOK_EVERY_S = 15.0
"""How often a download checks whether its image was deleted or found damaged. Most end before the first check."""


class Download:
    """``GET /v2/images/{image_id}/file``."""

    def __init__(self, database: Database, stores: Stores, *, access: Access, deleted_s: float) -> None:
        """*deleted_s*: how long downloads may continue after their image was deleted; its bytes are kept until then."""
        self._database = database
        self._stores = stores
        self._access = access
        self._deleted_s = deleted_s

    async def describe(self, principal: Principal, image_id: str) -> Image:
        """Return the image if *principal* may read its bytes.

        Raises:
            ImageNotFound: If they may not see it.
            Forbidden: If they lack the role, or the image is deactivated.
            ImageDamaged: If a scrub found that the bytes have changed, in all stores.
        """
        seen = await self._database.look_up(db.find_seen, image_id, principal.project_id)
        image = self._access.require(principal, "download_image", seen, image_id)
        if image.status is Status.DEACTIVATED and not self._access.is_admin(principal):
            raise _deactivated(image)
        if image.damage is not None:
            raise ImageDamaged(image.id, image.damage)
        return image

    async def locate(self, image: Image) -> str | None:
        """Return a URL to download the bytes from, without us; None if the store that is read first has none."""
        placed = await self._database.look_up(placements.of_image, image.id)
        for placement in self._stores.in_read_order(placed)[:1]:
            store = self._stores.get(placement.blob.store).store
            if isinstance(store, Redirects):
                return await store.locate(placement.blob.key, LOCATED_S)
        return None

    @asynccontextmanager
    async def open(self, image: Image) -> AsyncIterator[BlobReader]:
        """Open the bytes of an image, in the first store that can. If it is deleted, they stay readable for a while.

        Raises:
            ImageNotFound: If it is deleted already.
            ImageDamaged: If the bytes of an existing image are missing or truncated. Also raised inside the context,
                when a scrub finds damage meanwhile.
            Unavailable, StoreFailed: If no store that has them can be read.
            DownloadOverdue: Raised inside the context, when the download continues too long after a deletion.
        """
        async with AsyncExitStack() as opened:
            blob, reader = await self._open_one(opened, image)
            async with self._not_for_ever(image.id, blob):
                yield reader

    async def _open_one(self, opened: AsyncExitStack, image: Image) -> tuple[BlobRef, BlobReader]:
        placed = await self._database.look_up(placements.of_image, image.id)
        failures: list[StillageError] = []
        for placement in self._stores.in_read_order(placed):
            try:
                return placement.blob, await self._open(opened, image, placement.blob)
            except StillageError as error:
                failures.append(error)
                log.warning("a copy cannot be read", image_id=image.id, store=placement.blob.store, why=str(error))
        if not await self._database.look_up(placements.of_image, image.id):  # deleted just now
            raise ImageNotFound(image.id)
        if not failures:
            raise ImageDamaged(image.id, "no copy of its bytes is good")
        # One that may pass says most: another time the same request may succeed.
        raise next((error for error in failures if not isinstance(error, ImageDamaged)), failures[0])

    async def _open(self, opened: AsyncExitStack, image: Image, blob: BlobRef) -> BlobReader:
        try:
            reader = await opened.enter_async_context(self._stores.reader(blob))
        except BlobNotFound as error:
            raise ImageDamaged(image.id, "its bytes are gone") from error
        if reader.size < (image.size or 0):
            raise ImageDamaged(image.id, f"the file has {reader.size} of its {image.size} bytes")
        return reader

    @asynccontextmanager
    async def _not_for_ever(self, image_id: ImageId, blob: BlobRef) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(None) as limit:
                watch = asyncio.create_task(self._watch(image_id, blob, limit))
                try:
                    yield
                finally:
                    watch.cancel()
        except TimeoutError as error:
            if limit.expired():
                raise watch.result() from error
            raise

    async def _watch(self, image_id: ImageId, blob: BlobRef, limit: asyncio.Timeout) -> StillageError:
        """Set *limit* once the image loses *blob*, or it is found damaged; return the error to raise then."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with suppress(Unavailable):
                placed = await self._database.read(placements.of_image, image_id)
                placement = next((one for one in placed if one.blob == blob), None)
                if placement is None:
                    limit.reschedule(loop.time() + self._deleted_s)
                    return DownloadOverdue(self._deleted_s)
                if placement.damage is not None:
                    limit.reschedule(loop.time())
                    return ImageDamaged(image_id, placement.damage)


def _deactivated(image: Image) -> Forbidden:
    if lifecycle.stage_of(image) is not Stage.OBSOLETE:
        return Forbidden(f"image {image.id} is deactivated; only an administrator may read its data")
    successor = lifecycle.successor_of(image)
    return Forbidden(f"image {image.id} is obsolete; {f'use {successor}' if successor else 'use another'} instead")
