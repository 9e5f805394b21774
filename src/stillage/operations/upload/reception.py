"""Receive the bytes of one attempt to fill an image: keep its lease, verify and write what comes, clean up a failure.

An upload in one request, and an import, claim an image, and publish it; what is between is here.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import structlog

from stillage.db import blobs, lifecycle
from stillage.db.lifecycle import Claim
from stillage.db.session import Database
from stillage.errors import BodyIncomplete, ContentRejected, ImageGone, StillageError, StorageFull, Unavailable
from stillage.images.image import Image
from stillage.images.upload import Expected
from stillage.operations.leftovers import leave_to_sweep
from stillage.operations.upkeep.sweep import remove_blob
from stillage.operations.upload.acceptance import (
    LOOK_AFTER,
    STEP,
    UploadRules,
    require_may_be_empty,
    require_spare_room,
    verification_of,
)
from stillage.operations.upload.pipeline import receive
from stillage.operations.upload.refusals import refusal_of
from stillage.operations.upload.verification import Verified
from stillage.stores.catalog import Stores

log = structlog.get_logger()

CLEAN_UP_WITHIN_S = 3.0
"""How long the answer to a failed upload waits for its clean-up."""


class Reception:
    def __init__(
        self, database: Database, stores: Stores, *, rules: UploadRules, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._stores = stores
        self._rules = rules
        self._clock = clock
        self._cleaning: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Wait for clean-ups that are still running."""
        if self._cleaning:
            await asyncio.wait(self._cleaning)

    async def receive(self, claim: Claim, image: Image, body: AsyncIterator[bytes], expected: Expected) -> Verified:
        """Verify and write all of *body* to the blob of *claim*, and commit it. If that fails, `give_up` the claim.

        *image*: as claimed.

        Raises:
            ImageGone: If the image is deleted meanwhile.
            StillageError: What the pipeline raises.
        """
        async with self.lease(claim) as still_ours:
            return await self._receive(claim, image, body, expected, still_ours)

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

    @asynccontextmanager
    async def lease(self, claim: Claim) -> AsyncIterator[Callable[[], None]]:
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

    async def give_up(self, claim: Claim, failure: BaseException) -> None:
        """Release *claim*, and remove what was written. Also after a cancellation, and never for long.

        The client need not wait for what a sweep can do: the upload may have failed because the database is down.
        """
        await asyncio.wait([self.in_background(self.release(claim, failure))], timeout=CLEAN_UP_WITHIN_S)

    async def release(self, claim: Claim, failure: BaseException) -> None:
        """Release *claim* because of *failure*; see `give_up`, which waits for it."""
        reason = failure.reason if isinstance(failure, StillageError) else "the server stopped in the middle"
        try:
            await self._database.write(lifecycle.release, claim, reason, self._clock(), refusal_of(failure))
            await remove_blob(self._database, self._stores, claim.blob, self._clock())
        except StillageError as error:
            # The sweep finds the expired lease, or the blob, which is pending_delete.
            leave_to_sweep("clean-up of an upload failed", error, upload_id=claim.upload_id)
        facts = {"rule": failure.rule, "offset": failure.offset} if isinstance(failure, ContentRejected) else {}
        level = _level_of(failure)
        log.log(level, "upload failed", image_id=claim.image_id, upload_id=claim.upload_id, reason=reason, **facts)

    def in_background(self, clean_up: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Start *clean_up*, for which `close` waits."""
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
