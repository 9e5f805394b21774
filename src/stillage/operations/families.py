"""Finds the latest image of a family: for an address such as ``ubuntu-24.04:latest``, and for lists."""

from collections.abc import Sequence
from dataclasses import dataclass

from stillage.accounts.principal import Principal
from stillage.db import listing
from stillage.db.session import Database
from stillage.images import families
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.query import Query


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list.

    Attributes:
        is_latest: It has the latest image of a family alone, and there is no next page.
    """

    images: Sequence[Image]
    is_latest: bool = False


class Families:
    def __init__(self, database: Database, *, access: Access) -> None:
        self._database = database
        self._access = access

    async def image_id_of(self, principal: Principal, address: str) -> str:
        """Return the id of the latest image of the family in *address*; *address* itself if it names none.

        An image that has *address* as its name comes first: clients look for it when nothing has such an id.
        """
        family = families.family_of(address)
        if family is None:
            return address
        viewer = self._access.viewer(principal)
        for hidden in (False, True):
            if await self._find(families.named(viewer, address, hidden=hidden)):
                return address
        found = await self._find(families.latest_of(viewer, family))
        return found[0].id if found else address

    async def page(self, query: Query, *, only_latest: bool) -> Page:
        """Return the page that *query* describes; if nothing has its name, the latest image of the family of that name.

        *only_latest*: of the images that *query* finds, the latest of their family.

        Raises:
            InvalidInput: If the marker is not an image that the principal may see.
        """
        if only_latest:
            return Page(await self._find(families.latest_in(query)), is_latest=True)
        images = await self._find(query)
        family = families.family_named_in(query) if not images and query.marker is None else None
        if family is None:
            return Page(images)
        latest = await self._find(families.latest_named_in(query, family))
        return Page(latest, is_latest=bool(latest))

    async def _find(self, query: Query) -> Sequence[Image]:
        return await self._database.look_up(listing.page, query)
