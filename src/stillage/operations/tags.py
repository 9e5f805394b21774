"""Tags with keys and values: change those of an image, list those of a project, find images by them."""

from collections.abc import Callable, Mapping, Sequence

from stillage.accounts.principal import Principal
from stillage.db import tagged
from stillage.db.session import Database
from stillage.images import keyed_tags
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.tag_query import TagQuery
from stillage.operations.images import Images


class Tags:
    def __init__(self, database: Database, images: Images, *, access: Access) -> None:
        self._database = database
        self._images = images
        self._access = access

    async def change(
        self, principal: Principal, image_id: str, change: Callable[[keyed_tags.Tags], keyed_tags.Tags]
    ) -> None:
        """Set the tags of an image to what *change* makes of them.

        Raises:
            StillageError: What *change* raises, and by the principal's rights.
        """
        await self._images.change_tags(principal, image_id, change)

    async def of_project(self, principal: Principal) -> Mapping[str, Sequence[str]]:
        """Return the keys of the tags of the project's images, each with its values."""
        self._access.viewer(principal)
        return keyed_tags.by_key(await self._database.read(tagged.tags_of, principal.project_id))

    async def count(self, principal: Principal, query: TagQuery) -> int:
        self._access.viewer(principal)
        return await self._database.read(tagged.count, principal.project_id, query)

    async def page(self, principal: Principal, query: TagQuery) -> Sequence[Image]:
        """Return the images of the project that *query* describes."""
        self._access.viewer(principal)
        return await self._database.read(tagged.page, principal.project_id, query)
