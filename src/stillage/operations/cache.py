"""Show and change what stores keep on this machine of the images in them: the cache of one node.

Images are cached by being read, slice by slice. Who asks for an image to be cached has it read once, in the background.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from stillage.accounts.principal import Principal
from stillage.db import images, placements
from stillage.db.session import Database
from stillage.errors import InvalidInput, NothingCached, StillageError, TooLarge
from stillage.ids import ImageId
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.status import Status
from stillage.stores.abilities import Cached, Caches
from stillage.stores.catalog import Stores

log = structlog.get_logger()

MOST_QUEUED = 1000
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class CachedImages:
    """What is cached, by the ids of the images whose bytes it is, and what waits."""

    cached: Mapping[ImageId, Cached]
    queued: Collection[ImageId]


class ImageCache:
    """Each method raises Forbidden unless the principal may do this."""

    def __init__(self, database: Database, stores: Stores, *, access: Access) -> None:
        self._database = database
        self._stores = stores
        self._access = access
        self._queued: dict[ImageId, None] = {}
        self._reading: asyncio.Task[None] | None = None

    async def contents(self, principal: Principal) -> CachedImages:
        """Return what is cached and what waits; nothing where there is no cache."""
        self._access.require_role(principal, "cache_list", "see what is cached")
        found = {each.key: each for store in self._caches() for each in await store.cached()}
        named = await self._database.read(placements.images_of, list(found)) if found else []
        return CachedImages({image_id: found[key] for image_id, key in named}, tuple(self._queued))

    async def queue(self, principal: Principal, image_id: str) -> None:
        """Have an image read into the cache, after those that wait.

        Raises:
            ImageNotFound: If there is none that the principal may see.
            NothingCached: If no store has a cache.
            InvalidInput: If the image is not active.
            TooLarge: If too many wait.
        """
        image = await self._image(principal, image_id)
        self._access.require_role(principal, "cache_image", "have images cached")
        self._require_cache()
        if image.status is not Status.ACTIVE:
            raise InvalidInput(f"image {image.id} is {image.status}; only active images are cached")
        if len(self._queued) >= MOST_QUEUED:
            raise TooLarge(f"{MOST_QUEUED} images wait to be cached already; try again later")
        self._queued[image.id] = None
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_all())

    async def drop(self, principal: Principal, image_id: str) -> None:
        """Remove an image from the cache, and from what waits. Deleted images have left it already."""
        image = await self._image(principal, image_id)
        self._access.require_role(principal, "cache_delete", "remove images from the cache")
        self._require_cache()
        self._queued.pop(image.id, None)
        for placement in await self._database.look_up(placements.of_image, image.id):
            store = self._stores.get(placement.blob.store).store
            if isinstance(store, Caches):
                await store.forget_cached(placement.blob.key)

    async def clear(self, principal: Principal, *, cached: bool, queued: bool) -> None:
        """Remove everything from the cache, and from what waits, as asked for."""
        self._access.require_role(principal, "cache_delete", "remove images from the cache")
        self._require_cache()
        if queued:
            self._queued.clear()
        for store in self._caches() if cached else ():
            for each in await store.cached():
                await store.forget_cached(each.key)

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def require_cache(self, principal: Principal) -> None:
        """Raise NothingCached unless a store has a cache."""
        self._access.require_role(principal, "cache_list", "see what is cached")
        self._require_cache()

    async def _image(self, principal: Principal, image_id: str) -> Image:
        seen = await self._database.look_up(images.find_seen, image_id, principal.project_id)
        return self._access.require_visible(principal, seen, image_id)

    def _require_cache(self) -> None:
        if not self._caches():
            raise NothingCached

    def _caches(self) -> Sequence[Caches]:
        stores = [one.store for one in self._stores]
        return [store for store in stores if isinstance(store, Caches) and store.has_cache]

    async def _read_all(self) -> None:
        while self._queued:
            image_id = next(iter(self._queued))
            try:
                await self._read(image_id)
            except StillageError as error:
                log.warning("an image could not be cached", image_id=image_id, why=str(error))
            self._queued.pop(image_id, None)

    async def _read(self, image_id: ImageId) -> None:
        """Read an image in the first store that caches it. It stops when nobody waits for it any more."""
        placed = await self._database.look_up(placements.of_image, image_id)
        for blob in (each.blob for each in self._stores.in_read_order(placed)):
            store = self._stores.get(blob.store).store
            if not isinstance(store, Caches) or not store.has_cache:
                continue
            async with self._stores.reader(blob) as reader, aclosing(reader.stream(0, reader.size, BLOCK)) as blocks:
                async for _ in blocks:
                    if image_id not in self._queued:
                        return
            log.info("image cached", image_id=image_id, key=blob.key)
            return
