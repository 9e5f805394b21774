"""Download an image's bytes, and stop downloads of images that are deleted or found damaged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from stillage.accounts.principal import Principal
from stillage.db import blobs
from stillage.db import images as db
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
from stillage.ids import ImageId
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.status import Status
from stillage.stores.base import BlobReader, Store

LOOK_EVERY_S = 15.0
"""How often a download checks whether its image was deleted or found damaged. Most end before the first check."""


class Download:
    """``GET /v2/images/{image_id}/file``."""

    def __init__(self, database: Database, store: Store, *, access: Access, deleted_s: float) -> None:
        """*deleted_s*: how long downloads may continue after their image was deleted; its bytes are kept until then."""
        self._database = database
        self._store = store
        self._access = access
        self._deleted_s = deleted_s

    async def describe(self, principal: Principal, image_id: str) -> Image:
        """Return the image if *principal* may read its bytes.

        Raises:
            ImageNotFound: If they may not see it.
            Forbidden: If they lack the role, or the image is deactivated.
            ImageDamaged: If a scrub found that the bytes have changed.
        """
        seen = await self._database.read(db.find_seen, image_id, principal.project_id)
        image = self._access.require(principal, "download_image", seen, image_id)
        if image.status is Status.DEACTIVATED and not self._access.is_admin(principal):
            raise Forbidden(f"image {image.id} is deactivated; only an administrator may read its data")
        if image.damage is not None:
            raise ImageDamaged(image.id, image.damage)
        return image

    @asynccontextmanager
    async def open(self, image: Image) -> AsyncIterator[BlobReader]:
        """Open the bytes of *image*, which has data. If the image is deleted meanwhile, they stay readable for a while.

        Raises:
            ImageNotFound: If it is deleted already.
            ImageDamaged: If the bytes of an existing image are missing or truncated. Also raised inside the context,
                when a scrub finds damage meanwhile.
            DownloadOverdue: Raised inside the context, when the download continues too long after a deletion.
        """
        if image.blob_key is None:
            raise ImageNotFound(image.id)
        try:
            async with self._store.reader(image.blob_key) as reader, self._not_for_ever(image.id):
                if reader.size < (image.size or 0):
                    raise ImageDamaged(image.id, f"the file has {reader.size} of its {image.size} bytes")
                yield reader
        except BlobNotFound as error:
            if await self._database.read(blobs.is_published, image.blob_key):
                raise ImageDamaged(image.id, "its bytes are gone") from error
            raise ImageNotFound(image.id) from error

    @asynccontextmanager
    async def _not_for_ever(self, image_id: ImageId) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(None) as limit:
                watch = asyncio.create_task(self._watch(image_id, limit))
                try:
                    yield
                finally:
                    watch.cancel()
        except TimeoutError as error:
            if limit.expired():
                raise watch.result() from error
            raise

    async def _watch(self, image_id: ImageId, limit: asyncio.Timeout) -> StillageError:
        """Set *limit* once the image is deleted or found damaged; return the error to raise then."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with suppress(Unavailable):
                image = await self._database.read(db.find, image_id)
                if image is None:
                    limit.reschedule(loop.time() + self._deleted_s)
                    return DownloadOverdue(self._deleted_s)
                if image.damage is not None:
                    limit.reschedule(loop.time())
                    return ImageDamaged(image_id, image.damage)
