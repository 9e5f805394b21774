"""Upload an image in one request: claim the image, renew its lease, verify the bytes, publish.

queued → saving (claimed with a lease) → bytes through the pipeline → committed → active, or back to queued with the
reason. Every status change is one compare-and-set that names the upload; no transaction is open while bytes flow.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from stillage.accounts.principal import Principal
from stillage.db import blobs, lifecycle
from stillage.db import images as db
from stillage.db.leases import LeaseOwner
from stillage.db.lifecycle import Claim
from stillage.db.session import Database
from stillage.errors import (
    BodyIncomplete,
    ContentRejected,
    ImageGone,
    ImageTooLarge,
    StillageError,
    StorageFull,
    Unavailable,
)
from stillage.ids import BlobKey, BlobRef, UploadId
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.upload import Expected
from stillage.operations.leftovers import leave_to_sweep
from stillage.operations.upkeep.sweep import remove_blob
from stillage.operations.upload.acceptance import (
    LOOK_AFTER,
    STEP,
    UploadRules,
    claim_refused,
    content_of,
    require_may_be_empty,
    require_room,
    require_spare_room,
    verification_of,
)
from stillage.operations.upload.pipeline import receive
from stillage.operations.upload.verification import Verified
from stillage.stores.catalog import NamedStore, Stores

log = structlog.get_logger()

CLEAN_UP_WITHIN_S = 3.0
"""How long the answer to a failed upload waits for its clean-up."""


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
        self._cleaning: set[asyncio.Task[None]] = set()

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
            async with self._lease(claim) as still_ours:
                verified = await self._receive(claim, image, body, expected, still_ours)
            return await self._publish(claim, image, verified)
        except BaseException as failure:
            await self._shielded(self._give_up(claim, failure))
            raise

    async def close(self) -> None:
        """Wait for clean-ups that are still running."""
        if self._cleaning:
            await asyncio.wait(self._cleaning)

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
            self._in_background(self._give_up_late(claim, claiming))
            raise
        if claimed is None:
            raise await claim_refused(self._database, image.id)
        log.info("upload begins", image_id=image.id, upload_id=claim.upload_id, expected_size=expected.size)
        return claim, claimed

    async def _receive(
        self,
        claim: Claim,
        image: Image,
        body: AsyncIterator[bytes],
        expected: Expected,
        still_ours: Callable[[], None],
    ) -> Verified:
        verification = verification_of(image, self._rules, expected.size, expected.digests)
        async with self._stores.writer(claim.blob, expected.size) as writer, verification:
            checked = self._checked(claim, image, body, still_ours)
            verified = await receive(
                checked,
                verification=verification,
                writer=writer,
                expected=expected,
                limit=self._rules.max_image_bytes,
            )
            await writer.commit()
            return verified

    async def _checked(
        self, claim: Claim, image: Image, body: AsyncIterator[bytes], still_ours: Callable[[], None]
    ) -> AsyncIterator[bytes]:
        """Pass on *body* while lease, room and quota last. If the size is unknown, reserve quota in steps."""
        received = looked = 0
        reserved = STEP
        try:
            async for piece in body:
                still_ours()
                received += len(piece)
                if received > looked + LOOK_AFTER:
                    await require_spare_room(self._stores.get(claim.blob.store).store, self._rules.spare_bytes)
                    looked = received
                while claim.expected_size is None and received > reserved:
                    if not await self._database.write(blobs.extend, claim, STEP, self._rules.quotas.project):
                        raise ImageGone(image.id)
                    reserved += STEP
                yield piece
        except BodyIncomplete as error:
            raise BodyIncomplete(f"{error} ({received} bytes had arrived)") from error
        # Check this before the verdict, which would report that an empty body is not qcow2. With a declared size, the
        # error is the wrong size instead.
        if not received and not claim.expected_size:
            require_may_be_empty(image, self._rules)

    async def _publish(self, claim: Claim, image: Image, verified: Verified) -> Image:
        published = await self._database.write(
            lifecycle.publish, claim, content_of(image, verified, self._rules), self._clock()
        )
        if published is None:
            raise ImageGone(image.id)
        log.info("upload done", image_id=image.id, upload_id=claim.upload_id, size=verified.size)
        return published

    @asynccontextmanager
    async def _lease(self, claim: Claim) -> AsyncIterator[Callable[[], None]]:
        """Renew the lease in the background; yields a check that raises ImageGone once the lease is lost."""
        lost = asyncio.Event()

        def still_ours() -> None:
            if lost.is_set():
                raise ImageGone(claim.image_id)

        renewing = asyncio.create_task(self._renew(claim, lost))
        try:
            yield still_ours
        finally:
            renewing.cancel()

    async def _renew(self, claim: Claim, lost: asyncio.Event) -> None:
        while not lost.is_set():
            await asyncio.sleep(self._rules.lease_s / 3)
            until = self._clock() + timedelta(seconds=self._rules.lease_s)
            # Retry if the database is unavailable. If it stays so, the lease expires, as it should.
            with suppress(Unavailable):
                if not await self._database.write(lifecycle.renew, claim, until):
                    lost.set()

    async def _give_up(self, claim: Claim, failure: BaseException) -> None:
        reason = failure.reason if isinstance(failure, StillageError) else "the server stopped in the middle"
        try:
            await self._database.write(lifecycle.release, claim, reason, self._clock())
            await remove_blob(self._database, self._stores, claim.blob)
        except StillageError as error:
            # The sweep finds the expired lease, or the blob, which is pending_delete.
            leave_to_sweep("clean-up of an upload failed", error, upload_id=claim.upload_id)
        facts = {"rule": failure.rule, "offset": failure.offset} if isinstance(failure, ContentRejected) else {}
        level = _level_of(failure)
        log.log(level, "upload failed", image_id=claim.image_id, upload_id=claim.upload_id, reason=reason, **facts)

    async def _give_up_late(self, claim: Claim, claiming: Awaitable[Image | None]) -> None:
        """Give up a claim that the database may still make although its request was cancelled."""
        with suppress(StillageError):
            if await claiming is not None:
                await self._give_up(claim, Unavailable("the request was given up before its body; send the file again"))

    async def _shielded(self, clean_up: Coroutine[None, None, None]) -> None:
        # The client need not wait for what a sweep can do: the upload may have failed because the database is down.
        await asyncio.wait([self._in_background(clean_up)], timeout=CLEAN_UP_WITHIN_S)

    def _in_background(self, clean_up: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(clean_up)
        self._cleaning.add(task)
        task.add_done_callback(self._cleaning.discard)
        return task


def _level_of(failure: BaseException) -> int:
    """Return the log level of a failed upload: clients' errors do not concern the operator."""
    if isinstance(failure, asyncio.CancelledError):
        return logging.WARNING  # a stop, or a replacement, that no longer waits
    is_ours = isinstance(failure, StorageFull) or not isinstance(failure, StillageError)
    return logging.ERROR if is_ours else logging.INFO
