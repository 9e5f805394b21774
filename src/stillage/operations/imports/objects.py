"""Read objects of buckets, as the source of an import."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stillage.errors import ImageTooLarge
from stillage.ids import ProjectId
from stillage.images.object_name import ObjectName
from stillage.operations.imports.sources import Opened
from stillage.stores.buckets.base import Found
from stillage.stores.buckets.catalog import Buckets


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects that projects may read.

    Attributes:
        max_bytes: The largest that becomes an image.
    """

    buckets: Buckets
    max_bytes: int

    async def require(self, project_id: ProjectId, name: ObjectName) -> Found:
        """Return what is known of an object that *project_id* wants to make an image of.

        Raises:
            BucketNotFound, ObjectNotFound: If there is none for it.
            ImageTooLarge: If it is too large.
            BucketFailed: If the bucket does not answer.
        """
        found = await self.buckets.of(project_id, name.bucket).head(name.key)
        if found.size > self.max_bytes:
            raise ImageTooLarge(self.max_bytes, found.size)
        return found

    @asynccontextmanager
    async def open(self, project_id: ProjectId, name: ObjectName) -> AsyncIterator[Opened]:
        found = await self.require(project_id, name)
        async with self.buckets.of(project_id, name.bucket).read(name.key, found) as chunks:
            yield Opened(found.size, str(name), chunks)
