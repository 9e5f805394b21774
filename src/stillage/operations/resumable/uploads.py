"""Open, find, list, resume and abandon resumable uploads."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from stillage.accounts.principal import Principal
from stillage.db import images as db_images
from stillage.db import lifecycle, spans
from stillage.db import uploads as db
from stillage.db.leases import LeaseOwner
from stillage.db.lifecycle import Claim
from stillage.db.session import Database
from stillage.errors import (
    Conflict,
    ImageNotFound,
    ImageTooLarge,
    InvalidInput,
    OffsetMismatch,
    PieceHeld,
    PieceTakenOver,
    StillageError,
    Unauthenticated,
    UploadComplete,
    UploadNotFound,
)
from stillage.ids import BlobKey, BlobRef, ImageId, ProjectId, StoreId, UploadId
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.status import Status
from stillage.images.upload import Expected, Piece, Progress, Ranges, Upload
from stillage.operations.resumable.capability import Capabilities
from stillage.operations.resumable.context import Context
from stillage.operations.resumable.having import Having
from stillage.operations.resumable.instant import Instant
from stillage.operations.resumable.lists import UploadLists
from stillage.operations.resumable.pieces import Pieces
from stillage.operations.resumable.results import error_of
from stillage.operations.resumable.rights import Rights, UploadRights
from stillage.operations.resumable.staging import Staging
from stillage.operations.resumable.verifying import Verifier
from stillage.operations.upkeep.sweep import EXPIRED, remove_blob
from stillage.operations.upload.acceptance import STEP, UploadRules, claim_refused, require_room
from stillage.spans import Span
from stillage.stores.catalog import Stores

log = structlog.get_logger()

NOWHERE = BlobRef(StoreId(""), BlobKey(""))
"""Where the bytes of an upload that has ended go."""
ABANDONED = "the upload was abandoned; send the file again"


class Uploads:
    """The resumable uploads of a deployment.

    Attributes:
        instant: Uploads whose bytes are stored here already.
        having: Takes pieces that are stored here already.
        lists: Which uploads are open.
        staging: Receives bytes that wait for an import.
        max_bytes: The largest image.
        max_age_s: An upload that receives nothing for this long ends.
        rights: Checks that the opener of an upload still has the right to upload.
        context: What all their parts share.
    """

    def __init__(
        self,
        database: Database,
        stores: Stores,
        *,
        access: Access,
        rights: Rights,
        rules: UploadRules,
        secret: bytes,
        owner: LeaseOwner,
        max_age_s: float,
        clock: Callable[[], datetime],
    ) -> None:
        self.max_bytes = rules.max_image_bytes
        self.max_age_s = max_age_s
        self.rights = UploadRights(database, rights, access)
        self.context = Context(database, stores, access, self.rights, rules, owner, max_age_s, clock)
        self.verifier = Verifier(self.context)
        self.instant = Instant(self.context, secret)
        self.having = Having(self.context, secret, self.receive)
        self.lists = UploadLists(self.context)
        self._pieces = Pieces(self.context, self.verifier)
        self.staging = Staging(self.context, self.verifier)
        self._capabilities = Capabilities(secret)
        self._database = database
        self._stores = stores
        self._access = access
        self._rules = rules
        self._clock = clock

    async def open(
        self, principal: Principal, image_id: str, expected: Expected, *, staged: bool = False, brief: bool = False
    ) -> Upload:
        """Return a new upload. The image is `saving` from now on.

        Args:
            principal: Who sends it.
            image_id: Of a queued image.
            expected: What they say of the bytes.
            staged: It is `uploading` instead, and an import makes it active.
            brief: No client resumes it: it ends soon after the request that opened it.

        Raises:
            ImageTooLarge, StorageFull, QuotaExceeded, TooManyUploads: As they say.
            ImageNotFound, Forbidden: As the principal's rights are.
            Conflict: If the image is not queued.
        """
        if expected.size is not None and expected.size > self.max_bytes:
            raise ImageTooLarge(self.max_bytes, expected.size)
        image = await self._writable(principal, image_id)
        store = self._stores.chosen(expected.store)
        await require_room(store.store, expected.size, self._rules.spare_bytes)
        blob = BlobRef(store.id, BlobKey(uuid4().hex))
        claim = Claim(UploadId(str(uuid4())), image.id, blob, None, expected.size)
        reserve = STEP if expected.size is None else expected.size
        limits, now = self._rules.quotas.project, self._clock()
        # This expiry applies until the partial blob exists. If we fail before, no client knows the upload.
        expires_at = now + timedelta(seconds=self._rules.lease_s)
        grant, after = self.rights.grant_of(principal), Status.UPLOADING if staged else Status.SAVING
        begun = await self._database.write(db.begin, claim, expected, now, expires_at, limits, reserve, grant, after)
        if begun is None:
            raise await claim_refused(self._database, image.id)
        try:
            pieces = self.staging.pieces if brief else self._pieces
            upload = await pieces.begin_partial(claim.upload_id, claim.blob)
        except StillageError as error:
            await self._end(claim, error.reason)
            raise
        log.info("resumable upload opened", image_id=image.id, upload_id=claim.upload_id, expected_size=expected.size)
        return upload

    async def join(self, principal: Principal, image_id: str, expected: Expected, *, staged: bool = False) -> Upload:
        """Return the open upload of the image, or a new one, see `open`. Many requests may do so at once.

        Raises:
            StillageError: As `open`, and as `receive` if the sizes differ.
            Conflict: If the open one goes to another store, or is staged and this one is not.
        """
        upload = await self._open_or_new(principal, image_id, expected, staged=staged)
        if upload.staged != staged:
            raise await claim_refused(self._database, upload.image_id)
        if expected.store not in (None, upload.blob.store):
            raise Conflict(f"the open upload goes to the store {upload.blob.store!r}; abandon it to use another")
        return upload

    async def _open_or_new(self, principal: Principal, image_id: str, expected: Expected, *, staged: bool) -> Upload:
        image = await self._writable(principal, image_id)
        if (upload := await self._database.read(db.find_of_image, image.id)) is not None:
            return upload
        try:
            return await self.open(principal, image_id, expected, staged=staged)
        except Conflict:
            if (upload := await self._database.read(db.find_of_image, image.id)) is None:
                raise
            return upload

    async def of_image(self, principal: Principal, image_id: str) -> list[Upload]:
        """Return the open uploads of an image that the principal may upload to."""
        image = await self._writable(principal, image_id)
        upload = await self._database.read(db.find_of_image, image.id)
        return [] if upload is None else [await self._with_reason(upload)]

    async def find(self, principal: Principal | None, image_id: str, name: str) -> Upload:
        """Return the upload called *name*: an id, with the rights of *principal*, or a capability, which needs none.

        An upload that has ended with success is returned as complete.

        Raises:
            UploadNotFound: If there is none, or the capability is for another image or project, or older than a
                take-over by another user.
            UploadSuspended: If *name* is a capability, and the upload's opener has lost the right to upload.
            UploadGone, ContentRejected, InvalidInput: Why it has ended without success.
            Unauthenticated: If *name* is an id, and there is no principal.
        """
        by_capability = "." in name
        if by_capability:
            upload_id = await self._opened(ImageId(image_id), name)
        elif principal is None:
            raise Unauthenticated
        else:
            await self._writable(principal, image_id)
            upload_id = UploadId(name)
        upload = await self._database.read(db.find, upload_id)
        if upload is None:
            return await self._ended(ImageId(image_id), upload_id)
        if upload.image_id != image_id:
            raise UploadNotFound(name)
        if upload.expires_at <= self._clock():
            await self._end_by_id(upload_id, EXPIRED)  # as the next sweep would
            return await self._ended(upload.image_id, upload_id)
        if by_capability:
            await self.rights.require(upload)
            return upload
        return await self._with_reason(upload)

    async def resume(self, upload: Upload, sender: Principal) -> Upload:
        """Return the upload. If it is suspended, *sender*, who may upload to its image, takes it over."""
        grant = self.rights.grant_of(sender)
        if upload.complete or grant == upload.rights or await self.rights.why_suspended(upload) is None:
            return upload
        log.info("upload taken over", upload_id=upload.id, image_id=upload.image_id, user_id=sender.user_id)
        return await self.rights.take_over(upload, grant)

    def capability(self, upload: Upload) -> str:
        """Return the name that authorises resuming the upload without a token. It is a secret."""
        return self._capabilities.name_of(upload.id, upload.image_id, upload.project_id, upload.generation)

    async def ranges(self, upload: Upload, most: int) -> Ranges:
        """Return what the upload has received: the first *most* spans, and the total number of bytes."""
        if upload.complete:
            return Ranges((Span(0, upload.offset),) if upload.offset else (), upload.offset)
        return await self._database.read(spans.ranges, upload.id, most)

    def remaining_s(self, upload: Upload) -> int:
        """Return the seconds until the upload ends if it receives nothing."""
        return max(0, int((upload.expires_at - self._clock()).total_seconds()))

    async def settle(self, upload: Upload) -> Upload:
        """End the requests that send a piece of *upload*, so that its offset no longer changes; return it."""
        if upload.complete:
            return upload
        try:
            return await self._pieces.settle(upload)
        except UploadComplete:  # just now
            return await self._ended(upload.image_id, upload.id)

    async def receive(
        self, upload: Upload, piece: Piece, body: AsyncIterator[bytes], sender: Principal | None = None
    ) -> Progress:
        """Receive one piece. Returns when its bytes are durable; if they were the last, after the verdict.

        Args:
            upload: As last read.
            piece: Where the bytes belong.
            body: The bytes.
            sender: Takes over a suspended upload; may upload to the image. None for a request with the capability.

        Raises:
            UploadSuspended: If the sender, or the upload's opener, loses the right to upload. Counted bytes stay.
            OffsetMismatch, SizeChanged, BytesDiffer, PieceTakenOver, PieceHeld, TooManySpans,
                UploadComplete: See each.
            PieceMismatch: If the bytes do not match the digests of the piece. They do not count.
            InvalidInput: If the piece goes beyond the end.
            UploadGone: If the upload has ended.
            ContentRejected, DigestMismatch, EmptyBody: If the whole image is refused.
            StillageError: What *body* raises. The bytes received before it count, unless the piece has digests.
        """
        if upload.complete:
            raise UploadComplete(upload.id)
        grant = None if sender is None else self.rights.grant_of(sender)
        if sender is not None:
            upload = await self.resume(upload, sender)
        if piece.in_order and piece.first != upload.offset:
            upload = await self._pieces.settle(upload)
            if piece.first != upload.offset:
                raise OffsetMismatch(upload.offset, piece.first)
        upload = await self._require_size(upload, piece.size)
        span = self._span_of(upload, piece)
        if span.length:
            upload = await self._pieces.receive(upload, piece, span, body, grant)
        if piece.last:
            end = upload.offset if piece.length is None else span.end
            upload = await self._require_size(upload, end)
        if upload.staged and upload.is_whole:
            await self.staging.note_whole(upload)
        if upload.staged or not upload.is_whole:
            return Progress(upload)
        return Progress(upload, await self.verifier.verdict(upload))

    async def receive_first(
        self, upload: Upload, piece: Piece, body: AsyncIterator[bytes], sender: Principal | None = None
    ) -> Progress:
        """As `receive`, for the request that opened the upload.

        If it fails and no byte counts, the upload ends, because the client may not know its URL.
        """
        try:
            return await self.receive(upload, piece, body, sender)
        except (PieceTakenOver, PieceHeld):  # by a client that knows the URL
            raise
        except StillageError as error:
            now = await self._database.read(db.find, upload.id)
            if now is not None and not now.has_bytes:
                await self._end_by_id(upload.id, error.reason)
            raise

    async def stage(self, principal: Principal, image_id: str, expected: Expected, body: AsyncIterator[bytes]) -> None:
        """Receive the bytes that an import is to verify, in one request. If it fails, nothing of them is kept.

        Raises:
            StillageError: As `open`, and as `Staging.receive`.
        """
        upload = await self.open(principal, image_id, expected, staged=True, brief=True)
        try:
            await self.staging.receive(upload, Piece(0, size=expected.size, digests=expected.digests), body)
        except StillageError as error:
            await self._end_by_id(upload.id, error.reason)
            raise

    async def abandon(self, upload: Upload) -> None:
        """End the upload; the image is `queued` again. Does nothing if the upload has ended."""
        await self._end_by_id(upload.id, ABANDONED)

    async def upkeep(self) -> None:
        """For the sweep: verify whole uploads whose verifier died, delete old results, end pieces in the database."""
        await self.verifier.adopt()
        await self._pieces.tell_ended()
        await self.staging.pieces.tell_ended()
        before = self._clock() - timedelta(seconds=self.max_age_s)
        await self._database.write(db.forget_results, before)

    async def close(self) -> None:
        await self.verifier.close()

    async def _with_reason(self, upload: Upload) -> Upload:
        return replace(upload, suspended=await self.rights.why_suspended(upload))

    async def _opened(self, image_id: ImageId, name: str) -> UploadId:
        """Return the upload of the capability *name*; UploadNotFound if it is not one."""
        upload_id = UploadId(name.partition(".")[0])
        owner, generation = await self._database.read(db.bound_to, image_id, upload_id)
        if self._capabilities.opens(name, image_id, owner, generation) is None:
            raise UploadNotFound(name)
        return upload_id

    async def _writable(self, principal: Principal, image_id: str) -> Image:
        seen = await self._database.look_up(db_images.find_seen, image_id, principal.project_id)
        return self._access.require(principal, "upload_image", seen, image_id)

    async def _require_size(self, upload: Upload, size: int | None) -> Upload:
        if size is None or size == upload.size:
            return upload
        if size > self.max_bytes:
            raise ImageTooLarge(self.max_bytes, size)
        if upload.size is None and (missing := await self._database.read(spans.missing, upload.id, Span(0, size))):
            store = self._stores.get(upload.blob.store).store
            # As if declared at the start.
            await require_room(store, missing, self._rules.spare_bytes, is_reserved=True)
        updated = await self._database.write(db.tell_size, upload.id, size, self._rules.quotas.project)
        if updated is None:
            raise await self.context.why_ended(upload.id)
        return updated

    def _span_of(self, upload: Upload, piece: Piece) -> Span:
        most = self.max_bytes if upload.size is None else upload.size
        end = most if piece.length is None else piece.first + piece.length
        if not 0 <= piece.first <= end <= most:
            raise InvalidInput(f"bytes {piece.first} to {end} exceed the upload's size of {most}")
        return Span(piece.first, end)

    async def _ended(self, image_id: ImageId, upload_id: UploadId) -> Upload:
        result = await self._database.read(db.find_result, upload_id)
        if result is None or result.image_id != image_id:
            raise UploadNotFound(upload_id)
        if result.size is None:
            raise error_of(upload_id, result)
        image = await self._database.read(db_images.find, image_id)
        if image is None or not image.has_data:
            raise ImageNotFound(image_id)
        return Upload(
            upload_id, image_id, ProjectId(image.owner or ""), NOWHERE, image.updated_at, image.updated_at,
            size=result.size, offset=result.size, has_bytes=result.size > 0, verified=result.size, complete=True,
        )  # fmt: skip

    async def _end_by_id(self, upload_id: UploadId, reason: str) -> None:
        claim = await self._database.read(db.claim_of, upload_id)
        if claim is not None:
            await self._end(claim, reason)

    async def _end(self, claim: Claim, reason: str) -> None:
        await self._database.write(lifecycle.release, claim, reason, self._clock())
        await remove_blob(self._database, self._stores, claim.blob, self._clock())
        log.info("resumable upload ended", image_id=claim.image_id, upload_id=claim.upload_id, reason=reason)
