"""Create, show, list, change, tag, deactivate and delete image records."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog

from stillage.accounts.principal import Principal
from stillage.db import Connection, copies, deletions, listing
from stillage.db import images as db
from stillage.db import lifecycle as statuses
from stillage.db.session import Database
from stillage.errors import Conflict, Forbidden, ImageNotFound, ImageProtected, NoSuchStore, NotFound, StillageError
from stillage.ids import BlobRef, ImageId, StoreId
from stillage.images import lifecycle, patch
from stillage.images.access import Access, Seen
from stillage.images.creation import (
    MAX_RECORD_BYTES,
    MAX_TAGS,
    Defaults,
    new_image,
    require_count,
    require_record,
)
from stillage.images.image import Image
from stillage.images.query import Query, parse
from stillage.images.quota import Limits
from stillage.images.status import Status
from stillage.images.values import text
from stillage.operations.jobs import Report
from stillage.operations.leftovers import leave_to_sweep
from stillage.operations.upkeep.sweep import remove_blob
from stillage.stores.catalog import Stores

log = structlog.get_logger()

COUNTED = 10_000
"""Images are counted up to here: to count all of a large deployment would take longer than any page."""

# In each round another request's change succeeded, so even with many writers the rounds end.
ATTEMPTS = 50

Save = Callable[[Connection, Image, Image], Image | None]
"""Stores the difference between two images; see `db.images.save`."""
May = Callable[[Connection, Image], bool]
NO_TRASH = timedelta(0)


def always(_connection: Connection, _image: Image) -> bool:
    return True


class Images:
    def __init__(
        self,
        database: Database,
        stores: Stores,
        *,
        access: Access,
        defaults: Defaults,
        limits: Limits,
        clock: Callable[[], datetime],
        report: Report,
        deleted_download_s: float,
        max_tags: int = MAX_TAGS,
        max_record_bytes: int = MAX_RECORD_BYTES,
        trash: timedelta = NO_TRASH,
    ) -> None:
        """*report*: called with the jobs that end with an image. *trash*: how long a deleted one can be restored."""
        self._database = database
        self._stores = stores
        self._access = access
        self._defaults = defaults
        self._limits = limits
        self._max_tags = max_tags
        self._max_record_bytes = max_record_bytes
        self._clock = clock
        self._keep_s = deleted_download_s
        self._report = report
        self._trash = trash

    async def create(self, principal: Principal, document: Mapping[str, Any]) -> Image:
        """Return the new image, queued.

        Raises:
            InvalidInput, Forbidden, TooLarge: As `images.creation.new_image`, and by the principal's rights.
            AlreadyExists: If the chosen id is taken.
            QuotaExceeded: If the project has reached its quota.
        """
        image = self.prepare(principal, document)
        await self._database.write(db.add, image, self._limits)
        log.debug("image created", image_id=image.id)
        return image

    def prepare(self, principal: Principal, document: Mapping[str, Any]) -> Image:
        """Return the image that *principal* may create, which is not stored yet; raises as `create`."""
        new_id = ImageId(str(uuid4()))
        image = new_image(document, principal.project_id, defaults=self._defaults, new_id=new_id, now=self._clock())
        require_record(image, self._max_record_bytes)
        require_count("tags", len(image.tags), self._max_tags)
        self._access.require_owner_and_visibility(principal, image)
        self._access.require_allowed(principal, "add_image", Seen(image))
        self._require_dates(principal, image)
        return image

    async def get(self, principal: Principal, image_id: str) -> Image:
        return self._access.require_visible(principal, await self._seen(principal, image_id), image_id)

    def query(self, principal: Principal, pairs: Sequence[tuple[str, str]]) -> Query:
        """Return the query that *principal* makes with the *pairs* of a query string.

        Raises:
            Forbidden: If they may not list images.
            InvalidInput: As `images.query.parse`.
        """
        return parse(pairs, self._access.viewer(principal))

    async def page(self, query: Query) -> Sequence[Image]:
        """Return the page that *query* describes, of images that its principal may see.

        Raises:
            InvalidInput: If the marker is not an image that the principal may see.
        """
        return await self._database.look_up(listing.page, query)

    async def count(self, query: Query) -> tuple[int, bool]:
        """Return how many images *query* finds on all pages, and whether there are more than the `COUNTED` counted."""
        found = await self._database.look_up(listing.count, replace(query, limit=COUNTED + 1))
        return min(found, COUNTED), found > COUNTED

    async def update(
        self,
        principal: Principal,
        image_id: str,
        operations: list[patch.Operation],
        require: Callable[[Image, Image], None] = lambda _before, _after: None,
    ) -> Image:
        """Apply all of *operations*, or none, and return the changed image.

        *require*: is given the image before and after, and raises what forbids the change.

        Raises:
            StillageError: As `images.patch.apply`, and by the principal's rights.
        """

        def change(image: Image) -> Image:
            changed = patch.apply(image, operations, now=self._clock())
            require(image, changed)
            return changed

        return await self.change(principal, image_id, change)

    async def change_tags(
        self, principal: Principal, image_id: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]
    ) -> None:
        """Set the tags of an image to what *change* makes of them.

        Raises:
            StillageError: What *change* raises, and by the principal's rights.
        """

        def changed(image: Image) -> Image:
            tags = change(image.tags)
            return image if tags == image.tags else replace(image, tags=tags, updated_at=self._clock())

        await self.change(principal, image_id, changed)

    async def add_tag(self, principal: Principal, image_id: str, tag: str) -> None:
        """Add *tag*; does nothing if the image has it."""
        text("a tag", tag)
        await self.change_tags(principal, image_id, lambda tags: tags if tag in tags else (*tags, tag))

    async def remove_tag(self, principal: Principal, image_id: str, tag: str) -> None:
        """Remove *tag*; NotFound if the image does not have it."""

        def without(tags: tuple[str, ...]) -> tuple[str, ...]:
            if tag not in tags:
                raise NotFound(f"image {image_id} has no tag {tag[:255]!r}")
            return tuple(other for other in tags if other != tag)

        await self.change_tags(principal, image_id, without)

    async def change(
        self,
        principal: Principal,
        image_id: str,
        change: Callable[[Image], Image],
        *,
        rule: str = "modify_image",
        save: Save = db.save,
    ) -> Image:
        """Apply *change* to the current image, and again to the new version if another request changed it first.

        Args:
            principal: Whose change it is.
            image_id: Of the image.
            change: Returns the changed image, or the image itself if there is nothing to do.
            rule: What *principal* must be allowed to do.
            save: Stores the change, or returns None if it must be made again.

        Raises:
            StillageError: What *change* raises, and by the principal's rights.
        """
        for _ in range(ATTEMPTS):
            image = self._access.require(principal, rule, await self._seen(principal, image_id), image_id)
            changed = change(image)
            if changed is image:
                return image
            self._require_change(principal, image, changed)
            saved = await self._database.write(save, image, changed)
            if saved is not None:
                return saved
        raise Conflict(f"image {image_id} is being changed by other requests; try again")

    async def deactivate(self, principal: Principal, image_id: str) -> None:
        """Deny the data to all but administrators; does nothing if the image is deactivated."""
        await self._move(principal, image_id, "deactivate", Status.ACTIVE, Status.DEACTIVATED)

    async def reactivate(self, principal: Principal, image_id: str) -> None:
        """Undo `deactivate`; does nothing if the image is active."""
        await self._move(principal, image_id, "reactivate", Status.DEACTIVATED, Status.ACTIVE)

    async def delete(self, principal: Principal, image_id: str) -> None:
        """Delete the image, from any status. A running upload ends with `ImageGone`.

        Raises:
            ImageNotFound: If the image does not exist, or the principal may not see it.
            Forbidden: If it is protected or not the principal's.
        """
        image = self._access.require(principal, "delete_image", await self._seen(principal, image_id), image_id)
        if image.protected:
            raise ImageProtected(image.id)
        if await self.delete_if(image.id) is None:
            raise ImageNotFound(image_id)

    async def delete_if(self, image_id: ImageId, may: May = always) -> Image | None:
        """Delete an image, rights to which are checked already; None if it does not exist any more, or *may* says no.

        *may* is asked of the image as it is then, in the transaction that deletes it.
        """
        now = self._clock()
        purge_at = now + self._trash if self._trash else None
        found = await self._database.write(deletions.delete, image_id, may, now, self.keep_until(), purge_at)
        if found is None:
            return None
        image, deleted = found
        log.debug("image deleted", image_id=image.id)
        for job in deleted.jobs:
            await self._report(job)
        await self.remove_bytes(deleted.blobs)
        return image

    async def delete_copy(self, principal: Principal, image_id: str, store: StoreId) -> None:
        """Delete the copy of an image in one store.

        Raises:
            NotFound: If there is but one store, or the image has no copy in this one.
            ImageNotFound: If the image does not exist, or the principal may not see it.
            Forbidden: If it is not the principal's, or no other copy is good.
            Conflict: If there is no such store, it is read-only, or the image is not active.
        """
        image = self._access.require(
            principal, "delete_image_location", await self._seen(principal, image_id), image_id
        )
        if len(self._stores) == 1:
            raise NotFound("this service has one store; delete the image instead")
        try:
            named = self._stores.find(store)
        except NoSuchStore as error:
            raise Conflict(str(error)) from error
        if named.read_only:
            raise Conflict(f"the store {store!r} is read-only; nothing is deleted from it")
        blobs = await self._database.write(copies.remove, image.id, store, self._clock(), self.keep_until())
        log.debug("copy deleted", image_id=image.id, store=store)
        await self.remove_bytes(blobs)

    async def remove_bytes(self, blobs: Iterable[BlobRef]) -> None:
        """Remove bytes that no image has any more."""
        for blob in blobs:
            try:
                await remove_blob(self._database, self._stores, blob, self._clock())
            except StillageError as error:
                # For the API they are gone; the sweep removes them.
                leave_to_sweep("bytes could not be removed", error, store=blob.store, key=blob.key)

    def keep_until(self) -> Mapping[StoreId, datetime]:
        """Return until when deleted bytes stay in which stores, for downloads that run."""
        return self._stores.keep_until(self._clock() + timedelta(seconds=self._keep_s)) if self._keep_s else {}

    async def _seen(self, principal: Principal, image_id: str) -> Seen | None:
        return await self._database.look_up(db.find_seen, image_id, principal.project_id)

    def _require_change(self, principal: Principal, before: Image, after: Image) -> None:
        require_record(after, self._max_record_bytes, before=before)
        if len(after.tags) > len(before.tags):
            require_count("tags", len(after.tags), self._max_tags)
        if (after.owner, after.visibility) != (before.owner, before.visibility):
            self._access.require_owner_and_visibility(principal, after)
        self._require_dates(principal, after, before)

    def _require_dates(self, principal: Principal, image: Image, before: Image | None = None) -> None:
        for name in lifecycle.dates_set(image, before):
            lifecycle.require_date(name, image.properties[name], self._clock())
            self._access.require_allowed(principal, lifecycle.RULES[name], Seen(before or image))

    async def _move(self, principal: Principal, image_id: str, action: str, before: Status, after: Status) -> None:
        image = self._access.require(principal, action, await self._seen(principal, image_id), image_id)
        if image.status is after:
            return
        if image.status is not before or not await self._database.write(
            statuses.move, image.id, before, after, self._clock()
        ):
            raise Forbidden(f"image {image.id} is {image.status}; only {before} images can be {after}")
