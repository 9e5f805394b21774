"""Say where stores keep the bytes of images: to their owners, if the operator wants that, and to services."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stillage.accounts.principal import Principal
from stillage.db import images as db_images
from stillage.db import placements
from stillage.db.session import Database
from stillage.errors import StoreUnknown
from stillage.ids import BlobRef, ImageId
from stillage.images.access import Access, Seen
from stillage.images.image import Image, Placement
from stillage.images.location import Location, Shown
from stillage.stores.abilities import Locates
from stillage.stores.catalog import Stores

SERVICE = "service"


class Locations:
    def __init__(self, database: Database, stores: Stores, *, access: Access, shown: Shown) -> None:
        """*shown*: to owners, with their images."""
        self._database = database
        self._stores = stores
        self._access = access
        self.shown = shown

    @property
    def are_shown(self) -> bool:
        return self.shown.first or self.shown.all

    async def of(self, principal: Principal, images: Sequence[Image]) -> Mapping[ImageId, Sequence[Location]]:
        """Return the locations that *principal* is shown with these images: the one to read first comes first."""
        owned = [
            image.id
            for image in images
            if image.stores and self._access.allows(principal, "get_image_location", Seen(image))
        ]
        placed = await self._database.read(placements.of_images, owned) if owned else {}
        return {image_id: self._locations(each) for image_id, each in placed.items()}

    async def fetch(self, principal: Principal, image_id: str) -> Sequence[Location]:
        """Return every location of an image, for services.

        Raises:
            ImageNotFound: If there is no such image, or the principal may not see it.
            Forbidden: If they are no service, and none vouches for them.
        """
        seen = await self._database.look_up(db_images.find_seen, image_id, principal.project_id)
        image = self._access.require(as_service(principal), "fetch_image_location", seen, image_id)
        placed = await self._database.look_up(placements.of_image, image.id)
        return self._locations(placed)

    def _locations(self, placed: Sequence[Placement]) -> list[Location]:
        located = [(each.blob, self._url_of(each.blob)) for each in self._stores.in_read_order(placed)]
        return [Location(url, blob.store) for blob, url in located if url is not None]

    def _url_of(self, blob: BlobRef) -> str | None:
        try:
            store = self._stores.get(blob.store).store
        except StoreUnknown:
            return None
        return store.location(blob.key) if isinstance(store, Locates) else None


def as_service(principal: Principal) -> Principal:
    """Return *principal* with the role of the service that vouches for them, as Glance counts roles."""
    return replace(principal, roles=principal.roles | {SERVICE}) if principal.vouched_by else principal
