"""Verify resumable uploads while pieces arrive: hash and inspect from the first byte, then publish the image.

One process at a time, the holder of a lease, verifies an upload. It reads what is stored. Pieces that come to the same
process wait while too much of it is left to verify, since the client would wait for that after its last byte.
If it dies, another starts again from the first byte. Bytes that count never change, so two processes cannot disagree.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing, suppress

import structlog

from stillage.accounts.principal import Principal
from stillage.db import Connection, lifecycle
from stillage.db import images as db_images
from stillage.db import uploads as db
from stillage.errors import BlobNotFound, StillageError, StoreFailed, UploadSuspended
from stillage.ids import UploadId
from stillage.images.image import Image
from stillage.images.upload import Upload
from stillage.operations.leftovers import leave_to_sweep
from stillage.operations.resumable.context import Context
from stillage.operations.resumable.results import error_of
from stillage.operations.upkeep.sweep import remove_blob
from stillage.operations.upload.acceptance import content_of, require_may_be_empty, verification_of
from stillage.operations.upload.refusals import FINAL, refusal_of
from stillage.operations.upload.verification import BLOCK, Verification, Verified
from stillage.spans import Span
from stillage.stores.abilities import PartialBlob

log = structlog.get_logger()

RENEW_EVERY_S = 1.0
"""How often a verifier renews its lease and reports its progress."""
LOOK_EVERY_S = 0.25
"""How often a request that waits for a verdict checks whether another process has reached it."""
GATHER_S, GATHERS_FROM = 0.05, 16 << 20
"""How long a verification that has come so far waits for more pieces: each round is two transactions, and pieces of
1 MiB come every few milliseconds. What comes before is verified at once, since most refusals are found there."""
KEEP_UP_S, KEEP_UP_EVERY_S = 2.0, 0.02
"""How long pieces wait for a verification that does not advance, and how often they look."""
LINGER_S = 120.0
"""How long an idle verification keeps its digests. After that it must start again from the first byte."""
CLOSE_AFTER_S = 2.0
"""How long an idle verification keeps the file open: thousands of uploads may be idle."""
AT_ONCE = 32
"""How many verifications one process runs at once, each with threads. Others wait, even ten thousand of them."""
ADOPTED = 100
"""How many whole uploads without a verifier one sweep adopts. The next sweep adopts the next ones."""
RELEARNED_PER_S = 256 << 20
"""While others wait, an idle verification is kept only for as long as repeating it would take at this rate."""

LOST = "its bytes are gone from the store; send the file again"


class Verifier:
    """Verifies the uploads of this process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._database = context.database
        self._stores = context.stores
        self._rights = context.rights
        self._rules = context.rules
        self._clock = context.clock
        self._news: dict[UploadId, asyncio.Event] = {}
        self._tasks: dict[UploadId, asyncio.Task[StillageError | None]] = {}
        self._verified: dict[UploadId, int] = {}  # how far those have come that run
        self._places = asyncio.Semaphore(AT_ONCE)
        self._adopted = ""
        self._dropping: set[asyncio.Task[None]] = set()

    def follow(self, upload: Upload) -> None:
        """Start or continue verifying *upload*, which has received more bytes."""
        if upload.id in self._tasks:
            self._news[upload.id].set()
            return
        self._news[upload.id] = asyncio.Event()
        task = self._tasks[upload.id] = asyncio.get_running_loop().create_task(self._verify(upload.id))
        task.add_done_callback(lambda _: self._forget(upload.id))

    async def keep_up(self, upload_id: UploadId, end: int, ahead: int) -> None:
        """Wait until at most *ahead* bytes before *end* are left to verify here, or until that makes no progress."""
        now = asyncio.get_running_loop().time
        seen, until = -1, 0.0
        while (verified := self._verified.get(upload_id)) is not None and end > verified + ahead:
            if verified > seen:
                seen, until = verified, now() + KEEP_UP_S
            elif now() > until:
                return
            await asyncio.sleep(KEEP_UP_EVERY_S)

    async def verdict(self, upload: Upload) -> Image:
        """Wait for the verdict on a whole upload; return its image, active.

        Raises:
            StillageError: Why it was refused, or why it cannot be verified now; then no bytes are lost.
        """
        failure: StillageError | None = None
        while (result := await self._database.read(db.find_result, upload.id)) is None:
            if isinstance(failure, UploadSuspended):
                await self._rights.require(upload)  # the rights may have been restored
            elif failure is not None:
                raise failure
            failure = None
            self.follow(upload)
            if (task := self._tasks.get(upload.id)) is not None:
                done, _ = await asyncio.wait([task], timeout=LOOK_EVERY_S)
                failure = task.result() if done and not task.cancelled() else None
            if upload.id not in self._tasks:
                await asyncio.sleep(LOOK_EVERY_S / 10)
        if (task := self._tasks.get(upload.id)) is not None:
            await asyncio.wait([task])  # it deletes a refused blob
        if result.size is None:
            raise error_of(upload.id, result)
        return await self._database.read(db_images.get, upload.image_id)

    async def adopt(self) -> int:
        """Verify whole uploads whose verifier died; return how many. For the sweep."""
        abandoned = await self._database.read(db.unverified, self._clock(), ADOPTED, self._adopted)
        # Take turns, because suspended uploads stay in the list and must not block the others.
        self._adopted = abandoned[-1].id if len(abandoned) == ADOPTED else ""
        allowed = [upload for upload in abandoned if await self._rights.why_suspended(upload) is None]
        for upload in allowed:
            self.follow(upload)
        return len(allowed)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks or self._dropping:
            await asyncio.wait([*tasks, *self._dropping])

    def _forget(self, upload_id: UploadId) -> None:
        del self._tasks[upload_id], self._news[upload_id]
        self._verified.pop(upload_id, None)

    async def _verify(self, upload_id: UploadId) -> StillageError | None:
        """Verify the upload if no other process does; return the error that prevented it."""
        try:
            async with self._places:
                lease = (self._context.owner, self._clock(), self._context.verification_until())
                taking = asyncio.ensure_future(self._database.write(db.take_verification, upload_id, *lease))
                try:
                    if await asyncio.shield(taking):
                        await self._verify_ours(upload_id)
                finally:
                    await asyncio.shield(self._drop(upload_id, taking))
        except UploadSuspended as error:
            log.info("upload suspended", upload_id=upload_id, why=error.why)
            return error
        except StillageError as error:
            # No bytes are lost: the next request or sweep starts the verification again.
            leave_to_sweep("an upload could not be verified", error, upload_id=upload_id)
            return error
        return None

    async def _drop(self, upload_id: UploadId, taking: Awaitable[bool]) -> None:
        """Release the verification lease, even if we are cancelled while taking it."""
        if await taking:
            await self._database.write(db.drop_verification, upload_id, self._context.owner)

    async def _verify_ours(self, upload_id: UploadId) -> None:
        upload = await self._database.read(db.find, upload_id)
        if upload is None:
            return
        try:
            await self._follow_to_its_end(upload)
        except BlobNotFound:
            await self._end(upload, StoreFailed(LOST))
        except (*FINAL, StoreFailed) as failure:
            # A store that failed to make bytes durable has lost them, so do not retry.
            await self._end(upload, failure)

    async def _follow_to_its_end(self, upload: Upload) -> None:
        image = await self._database.read(db_images.find, upload.image_id)
        if image is None:  # just deleted, together with its upload
            return
        verification = verification_of(image, self._rules, upload.size, upload.digests)
        async with verification:
            quiet_since = asyncio.get_running_loop().time()
            now = upload
            while (renewed := await self._renewed(now, verification)) is not None:
                now = renewed
                if now.offset > verification.size or now.is_whole:
                    if await self._verify_what_comes(now, image, verification):
                        return
                    quiet_since = asyncio.get_running_loop().time()
                elif asyncio.get_running_loop().time() > quiet_since + self._linger_s(verification.size):
                    return
                else:
                    await self._wait_for_news(upload.id, verification.size)

    async def _verify_what_comes(self, now: Upload, image: Image, verification: Verification) -> bool:
        """Verify the upload until it is idle; return whether it has ended. Its file is open only while this runs."""
        verified: Verified | None = None
        async with self._context.partial(now) as partial:
            quiet_since = asyncio.get_running_loop().time()
            while True:
                if now.offset > verification.size:
                    await self._feed(verification, partial, now)
                    quiet_since = asyncio.get_running_loop().time()
                elif now.is_whole:
                    verified = verified or await self._conclude(verification, partial, now, image)
                    if await partial.publish(verified.size):
                        await self._publish(now, image, verified)
                        return True
                    await asyncio.sleep(0.02)  # a request that lost its bytes is about to release them
                else:
                    await verification.settle()
                    if asyncio.get_running_loop().time() > quiet_since + CLOSE_AFTER_S:
                        return False
                    await self._wait_for_news(now.id, verification.size)
                if (renewed := await self._renewed(now, verification)) is None:
                    return True
                now = renewed

    async def _feed(self, verification: Verification, partial: PartialBlob, upload: Upload) -> None:
        """Verify what was received, or as much as possible before the next report is due."""
        until = asyncio.get_running_loop().time() + RENEW_EVERY_S
        async with aclosing(partial.stream(Span(verification.size, upload.offset), BLOCK)) as blocks:
            async for block in blocks:
                await verification.feed(block)
                self._verified[upload.id] = verification.size
                if asyncio.get_running_loop().time() >= until:
                    return

    async def _conclude(
        self, verification: Verification, partial: PartialBlob, upload: Upload, image: Image
    ) -> Verified:
        size = verification.size
        if not size and not upload.digests:
            require_may_be_empty(image, self._rules)

        def read_at(offset: int, length: int) -> bytes:
            return partial.read_at(offset, max(0, min(length, size - offset)))

        verified = await verification.conclude(read_at)
        verified.require(upload.digests)
        return verified

    async def _publish(self, upload: Upload, image: Image, verified: Verified) -> None:
        claim = await self._database.read(db.claim_of, upload.id)
        content = content_of(image, verified, self._rules)

        def publish(connection: Connection, _principal: Principal) -> Image | None:
            now = self._clock()
            pieces_until = self._stores.look_again_at(upload.blob, now)
            if claim is None:
                return None
            return lifecycle.publish(connection, claim, content, now, pieces_until=pieces_until)

        if await self._rights.run(upload, publish, hold=True) is None:
            await remove_blob(self._database, self._stores, upload.blob, self._clock())  # the image was just deleted
            return
        log.info("upload done", image_id=upload.image_id, upload_id=upload.id, size=verified.size)
        # Some stores still have the pieces. Nobody waits for that: there may be thousands.
        dropping = asyncio.get_running_loop().create_task(self._drop_pieces(upload))
        self._dropping.add(dropping)
        dropping.add_done_callback(self._dropping.discard)

    async def _drop_pieces(self, upload: Upload) -> None:
        try:
            await self._stores.drop_partial(upload.blob)
        except StillageError as error:
            leave_to_sweep("pieces of an image could not be removed", error, image_id=upload.image_id)

    async def _end(self, upload: Upload, failure: StillageError) -> None:
        claim = await self._database.read(db.claim_of, upload.id)
        if claim is None:
            return
        await self._database.write(lifecycle.release, claim, failure.reason, self._clock(), refusal_of(failure))
        log.info("upload failed", image_id=upload.image_id, upload_id=upload.id, reason=failure.reason)
        await remove_blob(self._database, self._stores, upload.blob, self._clock())

    async def _renewed(self, upload: Upload, verification: Verification) -> Upload | None:
        work, until = db.keep_verification, self._context.verification_until()
        return await self._rights.write(upload, None, work, upload.id, self._context.owner, until, verification.size)

    async def _wait_for_news(self, upload_id: UploadId, verified: int) -> None:
        news = self._news[upload_id]
        with suppress(TimeoutError):
            async with asyncio.timeout(RENEW_EVERY_S):
                await news.wait()
                await asyncio.sleep(GATHER_S if verified >= GATHERS_FROM else 0)
        news.clear()

    def _linger_s(self, verified: int) -> float:
        others_wait = len(self._tasks) > AT_ONCE
        return min(LINGER_S, verified / RELEARNED_PER_S) if others_wait else LINGER_S
