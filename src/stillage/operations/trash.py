"""List, restore and purge deleted images, as long as their bytes are kept."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from stillage.accounts.principal import Principal
from stillage.db import trash as db
from stillage.db.session import Database
from stillage.errors import NotInTrash
from stillage.ids import ImageId
from stillage.images.access import Access, Seen
from stillage.images.image import Image
from stillage.images.trash import Trashed
from stillage.operations.images import Images

log = structlog.get_logger()


class Trash:
    """Whoever may not restore or delete an image of another project does not learn that it is there."""

    def __init__(self, database: Database, images: Images, *, access: Access, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._images = images
        self._access = access
        self._clock = clock

    async def page(self, principal: Principal, limit: int, marker: str | None) -> Sequence[Trashed]:
        """Return what the project of *principal* has deleted, the latest first; one more than *limit*, if any.

        Raises:
            Forbidden: If they may not list images.
        """
        self._access.require_role(principal, "get_images")
        return await self._database.read(db.page, principal.project_id, limit + 1, marker)

    async def restore(self, principal: Principal, image_id: str) -> Image:
        """Return an image, there again as it was.

        Raises:
            NotInTrash: If it is not in the trash, or *principal* may not know of it.
            Forbidden: If they may not restore it.
        """
        trashed = await self._require(principal, "restore_image", image_id)
        image = await self._database.write(db.restore, trashed.image, self._clock())
        if image is None:
            raise NotInTrash(image_id)
        log.debug("image restored", image_id=image.id)
        return image

    async def purge(self, principal: Principal, image_id: str) -> None:
        """Remove an image for good; raises as `restore`."""
        trashed = await self._require(principal, "delete_image", image_id)
        if not await self.purge_now(trashed.image.id):
            raise NotInTrash(image_id)

    async def purge_now(self, image_id: ImageId) -> bool:
        """Remove an image for good, rights to which are checked already. False if it is not in the trash any more.

        After a crash behind the first step, which decides it, a sweep removes the bytes.
        """
        purged = await self._database.write(db.purge, image_id, self._images.keep_until())
        if purged is None:
            return False
        log.debug("image purged", image_id=image_id)
        await self._images.remove_bytes(purged)
        return True

    async def _require(self, principal: Principal, rule: str, image_id: str) -> Trashed:
        trashed = await self._database.read(db.find, image_id)
        if trashed is None:
            raise NotInTrash(image_id)
        if trashed.image.owner == principal.project_id:
            self._access.require_allowed(principal, rule, Seen(trashed.image))
        elif not self._access.allows(principal, rule, Seen(trashed.image)):
            raise NotInTrash(image_id)
        return trashed
