"""What all parts of resumable uploads share: database, store, rights, rules, and the ends of leases and uploads."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from stillage.db import parts
from stillage.db import uploads as db
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.errors import StillageError
from stillage.ids import UploadId
from stillage.images.access import Access
from stillage.images.upload import Kept, Upload
from stillage.operations.resumable.results import error_of
from stillage.operations.resumable.rights import UploadRights
from stillage.operations.upload.acceptance import UploadRules
from stillage.spans import Span
from stillage.stores.abilities import PartialBlob
from stillage.stores.catalog import Stores

VERIFICATION_LEASE_S = 10.0
"""A verifier renews its lease each second. When its node dies, a client that sent the last piece waits this long."""


@dataclass(frozen=True, slots=True)
class Context:
    """Dependencies and limits of the resumable uploads of one process.

    Attributes:
        access: Who may upload to which image.
        rights: Checks the rights of the opener of an upload, without which it cannot be resumed.
        owner: This process, as the holder of leases.
        max_age_s: An upload that receives nothing for this long ends.
        clock: Returns the time, aware and UTC.
    """

    database: Database
    stores: Stores
    access: Access
    rights: UploadRights
    rules: UploadRules
    owner: LeaseOwner
    max_age_s: float
    clock: Callable[[], datetime]

    def expiry(self) -> datetime:
        """Return when an upload ends if it receives nothing from now on."""
        return self.clock() + timedelta(seconds=self.max_age_s)

    def verification_until(self) -> datetime:
        """Return when the lease of a verification ends that is taken or renewed now."""
        return self.clock() + timedelta(seconds=min(VERIFICATION_LEASE_S, self.rules.lease_s))

    def partial(self, upload: Upload) -> AbstractAsyncContextManager[PartialBlob]:
        """Open the partial blob of *upload*; see `Partials.partial`."""

        async def recall(span: Span) -> Sequence[Kept]:
            return await self.database.read(parts.within, upload.id, span)

        return self.stores.partial(upload.blob, recall, upload.size)

    async def read(self, upload_id: UploadId) -> Upload:
        """Return the upload as it is now, or raise why it has ended."""
        upload = await self.database.read(db.find, upload_id)
        if upload is None:
            raise await self.why_ended(upload_id)
        return upload

    async def why_ended(self, upload_id: UploadId) -> StillageError:
        """Return the error for a request to an upload that has ended."""
        return error_of(upload_id, await self.database.read(db.find_result, upload_id))
