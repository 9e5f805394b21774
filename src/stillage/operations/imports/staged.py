"""Verify staged bytes where they are, by the verifier of resumable uploads, and make them the image's first copy."""

import asyncio

from stillage.db import uploads as db_uploads
from stillage.errors import StagedBytesGone, StillageError, UploadSuspended
from stillage.ids import StoreId
from stillage.images.image import Image
from stillage.images.upload import Upload
from stillage.operations.imports.context import Context, rights_lost
from stillage.operations.imports.plan import Plan
from stillage.operations.imports.receiving import Progress
from stillage.operations.resumable.verifying import Verifier

LOOK_EVERY_S = 1.0


class Staged:
    def __init__(self, context: Context, verifier: Verifier) -> None:
        self._context = context
        self._verifier = verifier

    async def verify(self, plan: Plan, progress: Progress) -> StoreId:
        """Return the store in which the image has its bytes then.

        Raises:
            StagedBytesGone: If they have expired, or were removed.
            RightsLost: If who imports them has lost the right to.
            StillageError: Why they are refused.
        """
        image = await self._context.image(plan)
        if image.stores:  # an earlier run had got so far
            return image.stores[0]
        upload = await self._context.database.read(db_uploads.find_of_image, image.id)
        if upload is None:
            raise await self._why_gone(image)
        telling = asyncio.create_task(self._tell(upload, progress))
        try:
            await self._verifier.verdict(upload)
        except UploadSuspended as error:
            raise rights_lost(error.why) from error
        finally:
            telling.cancel()
        return upload.blob.store

    async def _tell(self, upload: Upload, progress: Progress) -> None:
        """Tell how far the verification is, which another process may do."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                now = await self._context.database.read(db_uploads.find, upload.id)
                if now is not None and now.size:
                    await progress(now.verified / now.size)
            except StillageError:
                return  # the import itself meets it too

    async def _why_gone(self, image: Image) -> StillageError:
        result = await self._context.database.read(db_uploads.find_last_result, image.id)
        return StagedBytesGone(image.id, (result.reason if result else None) or "the server no longer knows why")
