"""Read an image's bytes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stillage.db import images as db
from stillage.db.session import Database
from stillage.errors import BlobNotFound, Forbidden, ImageDamaged, ImageNotFound
from stillage.images.access import Access, Caller
from stillage.images.image import Image, Status
from stillage.stores.base import BlobReader, Store


class Download:
    """``GET /v2/images/{image_id}/file``."""

    def __init__(self, database: Database, store: Store, *, access: Access) -> None:
        self._database = database
        self._store = store
        self._access = access

    async def describe(self, caller: Caller, image_id: str) -> Image:
        """Return the image if *caller* may read its bytes.

        Raises:
            ImageNotFound: If he may not know of it.
            Forbidden: If he lacks the role, or the image is deactivated.
            ImageDamaged: If a scrub found other bytes than were stored.
        """
        seen = await self._database.read(db.find_seen, image_id, caller.project_id)
        image = self._access.require(caller, "download_image", seen, image_id)
        if image.status is Status.DEACTIVATED and not caller.is_admin:
            raise Forbidden(f"image {image.id} is deactivated; only an administrator may read its data")
        if image.damage is not None:
            raise ImageDamaged(image.id, image.damage)
        return image

    @asynccontextmanager
    async def open(self, image: Image) -> AsyncIterator[BlobReader]:
        """Open the bytes of *image*, which has data.

        Raises:
            ImageNotFound: If it was deleted meanwhile.
            ImageDamaged: If it was not, and its bytes are gone all the same.
        """
        if image.blob_key is None:
            raise ImageNotFound(image.id)
        try:
            async with self._store.reader(image.blob_key) as reader:
                yield reader
        except BlobNotFound as error:
            if await self._database.read(db.is_published, image.blob_key):
                raise ImageDamaged(image.id, "its bytes are gone") from error
            raise ImageNotFound(image.id) from error
