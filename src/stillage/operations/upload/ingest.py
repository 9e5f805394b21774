"""Upload an image in one request: claim the image, renew its lease, verify the bytes, publish.

queued → saving (claimed with a lease) → bytes through the pipeline → committed → active, or back to queued with the
reason. Every status change is one compare-and-set that names the upload; no transaction is open while bytes flow.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from stillage.accounts.principal import Principal
from stillage.db import images as db
from stillage.db import lifecycle
from stillage.db.leases import LeaseOwner
from stillage.db.lifecycle import Claim
from stillage.db.session import Database
from stillage.errors import ImageGone, ImageTooLarge, StillageError, Unavailable
from stillage.ids import BlobKey, BlobRef, UploadId
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.upload import Expected
from stillage.operations.upload.acceptance import STEP, UploadRules, claim_refused, content_of, require_room
from stillage.operations.upload.reception import Reception
from stillage.operations.upload.verification import Verified
from stillage.stores.catalog import NamedStore, Stores

log = structlog.get_logger()


class Ingest:
    """``PUT /v2/images/{image_id}/file``."""

    def __init__(
        self,
        database: Database,
        stores: Stores,
        *,
        access: Access,
        rules: UploadRules,
        owner: LeaseOwner,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._stores = stores
        self._access = access
        self._rules = rules
        self._owner = owner
        self._clock = clock
        self._reception = Reception(database, stores, rules=rules, clock=clock)

    async def __call__(
        self, principal: Principal, image_id: str, body: AsyncIterator[bytes], expected: Expected
    ) -> Image:
        """Return the image, active, with the bytes of *body*. Refuses as much as possible before reading it.

        Raises:
            ImageTooLarge: By the declared size, or when the bytes cross the limit.
            ImageNotFound, Forbidden: If the principal lacks the rights.
            Conflict: If the image is not queued. A running upload is not disturbed.
            ImageGone: If the image is deleted meanwhile.
            StillageError: What the pipeline raises. The image is queued again, with the reason.
        """
        limit = self._rules.max_image_bytes
        if expected.size is not None and expected.size > limit:
            raise ImageTooLarge(limit, expected.size)
        seen = await self._database.look_up(db.find_seen, image_id, principal.project_id)
        image = self._access.require(principal, "upload_image", seen, image_id)
        store = self._stores.chosen(expected.store)
        await require_room(store.store, expected.size, self._rules.spare_bytes)
        claim, image = await self._claim(image, expected, store)
        try:
            verified = await self._reception.receive(claim, image, body, expected)
            return await self._publish(claim, image, verified)
        except BaseException as failure:
            await self._reception.give_up(claim, failure)
            raise

    async def close(self) -> None:
        """Wait for clean-ups that are still running."""
        await self._reception.close()

    async def _claim(self, image: Image, expected: Expected, store: NamedStore) -> tuple[Claim, Image]:
        """Return the claim, and the image as claimed: its format may have changed since it was read."""
        blob = BlobRef(store.id, BlobKey(uuid4().hex))
        claim = Claim(UploadId(str(uuid4())), image.id, blob, self._owner, expected.size)
        now = self._clock()
        lease = now + timedelta(seconds=self._rules.lease_s)
        reserve = STEP if expected.size is None else expected.size
        claiming = asyncio.ensure_future(
            self._database.write(lifecycle.claim, claim, now, lease, self._rules.quotas, reserve)
        )
        try:
            claimed = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            self._reception.in_background(self._give_up_late(claim, claiming))
            raise
        if claimed is None:
            raise await claim_refused(self._database, image.id)
        log.info("upload begins", image_id=image.id, upload_id=claim.upload_id, expected_size=expected.size)
        return claim, claimed

    async def _publish(self, claim: Claim, image: Image, verified: Verified) -> Image:
        published = await self._database.write(
            lifecycle.publish, claim, content_of(image, verified, self._rules), self._clock()
        )
        if published is None:
            raise ImageGone(image.id)
        log.info("upload done", image_id=image.id, upload_id=claim.upload_id, size=verified.size)
        return published

    async def _give_up_late(self, claim: Claim, claiming: Awaitable[Image | None]) -> None:
        """Give up a claim that the database may still make although its request was cancelled."""
        with suppress(StillageError):
            if await claiming is not None:
                await self._reception.release(
                    claim, Unavailable("the request was given up before its body; send the file again")
                )
