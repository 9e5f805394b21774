"""What the parts of resumable uploads share: where things are kept, whose rights count, and the rules."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from stillage.db import uploads as db
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.errors import StillageError
from stillage.ids import UploadId
from stillage.images.access import Access
from stillage.images.upload import Upload
from stillage.operations.resumable.results import error_of
from stillage.operations.resumable.rights import UploadRights
from stillage.operations.upload.acceptance import UploadRules
from stillage.stores.abilities import ResumableStore


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of resumable uploads in one process.

    Attributes:
        access: Who may upload to which image.
        rights: Those of whoever opened an upload, which it needs to go on.
        owner: This process, as the holder of leases.
        max_age_s: An upload that receives nothing for so long ends.
        clock: Returns the time, aware and UTC.
    """

    database: Database
    store: ResumableStore
    access: Access
    rights: UploadRights
    rules: UploadRules
    owner: LeaseOwner
    max_age_s: float
    clock: Callable[[], datetime]

    def expiry(self) -> datetime:
        """Return when an upload ends that receives nothing from now on."""
        return self.clock() + timedelta(seconds=self.max_age_s)

    def lease_until(self) -> datetime:
        """Return how long a lease is good that is taken now."""
        return self.clock() + timedelta(seconds=self.rules.lease_s)

    async def read(self, upload_id: UploadId) -> Upload:
        """Return the upload as it is now, or raise why it has ended."""
        upload = await self.database.read(db.find, upload_id)
        if upload is None:
            raise await self.why_ended(upload_id)
        return upload

    async def why_ended(self, upload_id: UploadId) -> StillageError:
        """Return what a request for an upload that has ended is told."""
        return error_of(upload_id, await self.database.read(db.find_result, upload_id))
