"""What a user does with records: create, show, list, delete."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import structlog

from stillage.db import images as db
from stillage.db import listing
from stillage.db.session import Database
from stillage.errors import Forbidden, ImageNotFound, StillageError
from stillage.images.access import Caller, require_change, require_visible
from stillage.images.creation import Defaults, new_image
from stillage.images.image import Image, ImageId
from stillage.images.query import Query
from stillage.operations.sweep import remove_blob
from stillage.stores.base import Store

log = structlog.get_logger()


class Images:
    def __init__(self, database: Database, store: Store, *, defaults: Defaults, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._store = store
        self._defaults = defaults
        self._clock = clock

    async def create(self, caller: Caller, document: Mapping[str, Any]) -> Image:
        """Return the new image, queued.

        Raises:
            InvalidInput, Forbidden, TooLarge: As `images.creation.new_image`.
            AlreadyExists: If the chosen id is taken.
        """
        new_id = ImageId(str(uuid4()))
        image = new_image(document, caller, defaults=self._defaults, new_id=new_id, now=self._clock())
        await self._database.write(db.add, image)
        log.info("image created", image_id=image.id)
        return image

    async def get(self, caller: Caller, image_id: str) -> Image:
        return require_visible(caller, await self._database.read(db.find, image_id), image_id)

    async def list(self, query: Query) -> Sequence[Image]:
        """Return the page that *query* describes.

        Raises:
            InvalidInput: If its marker is no image that the caller may see.
        """
        return await self._database.read(listing.page, query)

    async def delete(self, caller: Caller, image_id: str) -> None:
        """Delete the image, from any status. An upload that is running ends with `ImageGone`.

        Raises:
            ImageNotFound: If there is none that the caller may see, or it is gone already.
            Forbidden: If it is protected or not the caller's.
        """
        image = require_change(caller, await self._database.read(db.find, image_id), image_id, "delete")
        if image.protected:
            raise Forbidden(f"image {image.id} is protected; set protected to false first")
        keys = await self._database.write(db.mark_deleted, image.id, self._clock())
        if keys is None:
            raise ImageNotFound(image_id)
        log.info("image deleted", image_id=image.id)
        for key in keys:
            try:
                await remove_blob(self._database, self._store, key)
            except StillageError as error:
                # For the API the image is gone; the sweep finds the doomed blob again.
                log.error("a deleted image's bytes could not be removed yet", key=key, why=str(error))
