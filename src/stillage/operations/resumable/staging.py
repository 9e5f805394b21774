"""Receive staged bytes: a resumable upload that waits, whole, until an import verifies it.

Sent in one request it does not outlive that, unless it is whole. Source: OpenStack Image API v2, "Stage binary image
data".
"""

from collections.abc import AsyncIterator
from dataclasses import replace

from stillage.db import imports
from stillage.db import uploads as db
from stillage.errors import ImageTooLarge, SizeMismatch
from stillage.images.upload import Piece, Upload
from stillage.operations.resumable.context import Context
from stillage.operations.resumable.pieces import Pieces
from stillage.operations.resumable.verifying import Verifier
from stillage.spans import Span

LEASES = 3
"""After as many leases without new bytes a staged upload of one request ends: its server has died."""


class Staging:
    """What is special about staged bytes.

    Attributes:
        pieces: Receives those that come in one request.
    """

    def __init__(self, context: Context, verifier: Verifier) -> None:
        self._context = context
        self.pieces = Pieces(replace(context, max_age_s=LEASES * context.rules.lease_s), verifier)

    async def receive(self, upload: Upload, piece: Piece, body: AsyncIterator[bytes]) -> None:
        """Receive all bytes of *upload*, which was opened as brief; *piece* is the whole image.

        Raises:
            ImageTooLarge, SizeMismatch: If they are too many, or not as many as declared.
            StillageError: As `Pieces.receive`. `Uploads.stage` ends the upload.
        """
        limit = self._context.rules.max_image_bytes
        counted = Counted(body, piece.size, limit)
        span = Span(0, limit if piece.size is None else piece.size)
        if span.length:
            upload = await self.pieces.receive(upload, piece, span, counted.bytes())
        else:
            async for _ in counted.bytes():
                pass
        limits = self._context.rules.quotas.project
        told = await self._context.database.write(db.tell_size, upload.id, counted.size, limits)
        if told is None:
            raise await self._context.why_ended(upload.id)
        await self.note_whole(told)

    async def note_whole(self, upload: Upload) -> None:
        """Show the size on the image, and let the bytes wait for an import."""
        if await self._context.database.write(imports.note_staged, upload, self._context.expiry()) is None:
            raise await self._context.why_ended(upload.id)


class Counted:
    """Passes a body on, and holds it to the size that was declared.

    Attributes:
        size: How many bytes have come.
    """

    def __init__(self, body: AsyncIterator[bytes], declared: int | None, limit: int) -> None:
        self.size = 0
        self._body = body
        self._declared = declared
        self._limit = limit

    async def bytes(self) -> AsyncIterator[bytes]:
        """Yield the body.

        Raises:
            ImageTooLarge, SizeMismatch: Before passing on a byte too many, or after too few.
        """
        async for part in self._body:
            self.size += len(part)
            if self._declared is not None and self.size > self._declared:
                raise SizeMismatch(self._declared, self.size)
            if self.size > self._limit:
                raise ImageTooLarge(self._limit)
            yield part
        if self._declared not in (None, self.size):
            raise SizeMismatch(self._declared or 0, self.size)
