"""Say which stores have the bytes of an image, and how much of a disk each copy takes: holes are not stored."""

from collections.abc import Sequence
from dataclasses import dataclass

from stillage.accounts.principal import Principal
from stillage.db import images as db_images
from stillage.db import placements
from stillage.db.session import Database
from stillage.errors import BlobNotFound, StoreFailed, StoreUnknown, Unavailable
from stillage.ids import BlobRef, StoreId
from stillage.images.access import Access
from stillage.images.image import Placement
from stillage.stores.abilities import Allocates
from stillage.stores.catalog import Stores


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of an image's bytes.

    Attributes:
        size: In bytes, holes included.
        allocated: Bytes of the disk that it takes; None if the store cannot say that, or not now.
        damage: What a scrub found wrong with it; None if nothing.
    """

    store: StoreId
    size: int
    allocated: int | None
    damage: str | None


class Copies:
    def __init__(self, database: Database, stores: Stores, *, access: Access) -> None:
        self._database = database
        self._stores = stores
        self._access = access

    async def of(self, principal: Principal, image_id: str) -> Sequence[Copy]:
        """Return the copies of an image, in the order in which they were made.

        Raises:
            ImageNotFound: If the image does not exist, or the principal may not see it.
        """
        seen = await self._database.look_up(db_images.find_seen, image_id, principal.project_id)
        image = self._access.require_visible(principal, seen, image_id)
        placed = await self._database.look_up(placements.of_image, image.id)
        return [await self._copy(each, image.size or 0) for each in placed]

    async def _copy(self, placement: Placement, size: int) -> Copy:
        return Copy(placement.blob.store, size, await self._allocated(placement.blob), placement.damage)

    async def _allocated(self, blob: BlobRef) -> int | None:
        try:
            store = self._stores.get(blob.store).store
            return await store.allocated_bytes(blob.key) if isinstance(store, Allocates) else None
        except (StoreUnknown, BlobNotFound, StoreFailed, Unavailable):
            return None
