"""Tags with keys and values: list those of a project, and find images by them. `operations.images` changes them."""

from collections.abc import Mapping, Sequence

from stillage.accounts.principal import Principal
from stillage.db import tagged
from stillage.db.session import Database
from stillage.images import keyed_tags
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.tag_query import TagQuery


class Tags:
    def __init__(self, database: Database, *, access: Access) -> None:
        self._database = database
        self._access = access

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
