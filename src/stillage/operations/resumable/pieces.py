"""Coordinate the concurrent pieces of resumable uploads: which request may write which bytes.

A request holds the span that it writes (`PartialBlob.hold`), so no two requests write the same bytes at once. A newer
request takes over from an older one, whose client may have disconnected long ago.
"""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import structlog

from stillage.db import pieces, spans
from stillage.db import uploads as db
from stillage.errors import BlobNotFound, PieceHeld, StorageFull, StoreFailed
from stillage.ids import BlobRef, UploadId
from stillage.images.upload import Grant, Piece, Upload
from stillage.operations.resumable.context import Context
from stillage.operations.resumable.receiving import Receiver, Sender
from stillage.operations.resumable.verifying import LOST, Verifier
from stillage.operations.upkeep.sweep import remove_blob
from stillage.operations.upload.acceptance import require_room
from stillage.spans import Span
from stillage.stores.abilities import PartialBlob

log = structlog.get_logger()

HOLD_WITHIN_S = 5.0
"""How long an older request may take to notice that a newer one has taken over its bytes."""


class Pieces:
    def __init__(self, context: Context, verifier: Verifier) -> None:
        self._context = context
        self._verifier = verifier
        self._senders: dict[str, Sender] = {}
        self._ended: set[str] = set()  # not yet recorded in the database

    async def receive(
        self, upload: Upload, piece: Piece, span: Span, body: AsyncIterator[bytes], grant: Grant | None = None
    ) -> Upload:
        """Write *body* into *span* of the partial blob; return the upload when all of it counts.

        Raises:
            UploadSuspended: If *grant*, or without it the upload's opener, has lost the right to upload.
            StillageError: What *body* raises. The bytes received before it count, unless the piece has digests.
            BytesDiffer, PieceMismatch, PieceTakenOver, PieceHeld, TooManySpans: As they say.
            InvalidInput: If the body has fewer bytes than declared. They count.
            StorageFull: If there is no room: before the body is read, or later; then the received bytes count.
            UploadGone: If the upload ends meanwhile.
        """
        await self._require_room(upload, piece, span)
        sender = Sender(uuid4().hex, upload.id, span, grant)
        self._end_locally(upload.id, span)
        if not await self._begin(upload, sender):
            raise await self._context.why_ended(upload.id)
        self._senders[sender.id] = sender
        try:
            async with self._context.partial(upload) as partial:
                current = await self._hold(partial, sender)
                return await Receiver(self._context, self._verifier, partial, current, piece, sender).run(body)
        except BlobNotFound:
            await self._begin_again(upload.id)
        except StorageFull as error:
            log.error("upload failed", image_id=upload.image_id, upload_id=upload.id, reason=error.reason)
            raise
        finally:
            del self._senders[sender.id]
            self._ended.add(sender.id)
            await asyncio.shield(self._tell_ended(sender.id))
        return await self.receive(upload, piece, span, body, grant)

    async def _begin(self, upload: Upload, sender: Sender) -> bool:
        values = (sender.id, sender.upload_id, sender.span, self._context.owner, self._context.rules.quotas.node)
        try:
            return await self._context.rights.write(upload, sender.grant, pieces.begin, *values)
        except asyncio.CancelledError:
            self._ended.add(sender.id)  # the database may have begun it nevertheless
            raise

    async def tell_ended(self) -> None:
        """Record the requests that ended while the database was unavailable: it still counts them for the node."""
        for piece_id in list(self._ended):
            await self._tell_ended(piece_id)

    async def _tell_ended(self, piece_id: str) -> None:
        await self._context.database.write(pieces.end, piece_id)
        self._ended.discard(piece_id)

    async def settle(self, upload: Upload) -> Upload:
        """End every request that sends a piece of *upload*; return the upload as it is then."""
        everything = Span(0, self._context.rules.max_image_bytes)
        self._end_locally(upload.id, everything)
        await self._context.database.write(pieces.end_of_upload, upload.id)
        try:
            async with self._context.partial(upload) as partial:
                await self._hold_span(partial, everything)
        except BlobNotFound:
            await self._begin_again(upload.id)
        return await self._context.read(upload.id)

    async def _require_room(self, upload: Upload, piece: Piece, span: Span) -> None:
        await self._context.database.read(spans.require_place, upload.id, span.first)
        if piece.zeros:
            return
        store = self._context.stores.get(upload.blob.store).store
        if piece.length is None:
            await require_room(store, None, self._context.rules.spare_bytes, "piece")
        elif missing := await self._context.database.read(spans.missing, upload.id, span):
            await require_room(store, missing, self._context.rules.spare_bytes, "piece", is_reserved=True)

    def _end_locally(self, upload_id: UploadId, span: Span) -> None:
        """Tell the requests of this process that they have lost *span*. Other processes check the database."""
        for other in self._senders.values():
            if other.upload_id == upload_id and other.span.first < span.end and span.first < other.span.end:
                other.lost.set()

    async def _begin_again(self, upload_id: UploadId) -> None:
        """Begin the partial blob of an upload without one: the process that opened it is about to, or has died.

        Raises:
            StoreFailed: If it had one, whose bytes are lost.
            StillageError: Why the upload has ended.
        """
        upload = await self._context.read(upload_id)
        if upload.has_bytes:
            self._verifier.follow(upload)  # which ends it
            raise StoreFailed(LOST)
        await self.begin_partial(upload_id, upload.blob)

    async def begin_partial(self, upload_id: UploadId, blob: BlobRef) -> Upload:
        """Begin the partial blob of an upload and extend its expiry; or raise why the upload has ended."""
        await self._context.stores.begin(blob)
        upload = await self._context.database.write(db.keep, upload_id, self._context.expiry())
        if upload is None:
            await remove_blob(self._context.database, self._context.stores, blob, self._context.clock())
            raise await self._context.why_ended(upload_id)
        return upload

    async def _hold(self, partial: PartialBlob, sender: Sender) -> Upload:
        """Hold the span; return the upload as it is then. Only this request changes what counts there."""
        await self._hold_span(partial, sender.span)
        return await self._context.read(sender.upload_id)

    async def _hold_span(self, partial: PartialBlob, span: Span) -> None:
        until = asyncio.get_running_loop().time() + HOLD_WITHIN_S
        while not await partial.hold(span):
            if asyncio.get_running_loop().time() > until:
                raise PieceHeld
            await asyncio.sleep(0.02)
