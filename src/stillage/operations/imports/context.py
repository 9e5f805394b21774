"""What all parts of a running import share: database, stores, rules, and how it claims a place for a copy."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Concatenate, ParamSpec, TypeVar
from uuid import uuid4

from stillage.db import Connection, imports
from stillage.db import images as db_images
from stillage.db.leases import LeaseOwner
from stillage.db.lifecycle import Claim
from stillage.db.session import Database
from stillage.errors import ImageGone, RightsLost
from stillage.ids import BlobKey, BlobRef, StoreId, UploadId
from stillage.images.image import Image
from stillage.images.quota import NO_LIMIT, Quotas
from stillage.operations.imports.plan import Plan
from stillage.operations.resumable.rights import UploadRights, require_of
from stillage.operations.upkeep.sweep import remove_blob
from stillage.operations.upload.acceptance import STEP, UploadRules, require_room
from stillage.operations.upload.reception import Reception
from stillage.stores.catalog import Stores

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """Dependencies of the imports of one process.

    Attributes:
        reception: Receives bytes, and cleans up what failed.
        rights: Looks up those of who asked for an import.
        owner: This process, as the holder of leases.
        max_record_bytes: Of the texts of an image's record.
        clock: Returns the time, aware and UTC.
    """

    database: Database
    stores: Stores
    reception: Reception
    rules: UploadRules
    rights: UploadRights
    owner: LeaseOwner
    max_record_bytes: int
    clock: Callable[[], datetime]

    async def image(self, plan: Plan) -> Image:
        """Return the image as it is now; ImageGone if it was deleted, or is not this import's any more."""
        image = await self.database.read(db_images.find, plan.image_id)
        if image is None or image.import_task != plan.task:
            raise ImageGone(plan.image_id)
        return image

    async def write(
        self,
        plan: Plan,
        work: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As `Database.write`, if who asked for the import may still do it, as long as the transaction lasts.

        Raises:
            RightsLost: If they may not.
            Unavailable: If that cannot be found out now.
        """
        if plan.rights is None:
            raise RightsLost("it is not known who asked for this import; ask for it again")
        try:
            look = await self.rights.identity.look(plan.rights, hold=True)

            def unit(connection: Connection) -> T:
                require_of(connection, look, self.rights.access, plan.image_id, plan.action)
                return work(connection, *args, **kwargs)

            return await self.database.write(unit)
        except RightsLost as error:
            raise rights_lost(str(error)) from error

    async def claim(self, plan: Plan, store: StoreId, size: int | None) -> tuple[Claim, Image]:
        """Begin an upload of *size* bytes, if known, to *store*; return its claim, and the image as it is then.

        Raises:
            StorageFull, QuotaExceeded: If there is no place.
            StoreTakesNoUploads: If the store has become read-only.
            RightsLost: If who asked for the import may no longer do it.
            ImageGone: If the image is not this import's any more.
        """
        named = self.stores.chosen(store)
        await self._end_earlier(plan)
        await require_room(named.store, size, self.rules.spare_bytes)
        blob = BlobRef(store, BlobKey(uuid4().hex))
        claim = Claim(UploadId(str(uuid4())), plan.image_id, blob, self.owner, size)
        now = self.clock()
        until = now + timedelta(seconds=self.rules.lease_s)
        # Of uploads it has no quota, because jobs have limits of their own.
        quotas = Quotas(project=replace(self.rules.quotas.project, uploads=NO_LIMIT))
        reserve = STEP if size is None else size
        image = await self.write(plan, imports.claim, claim, plan.task, now, until, quotas, reserve)
        if image is None:
            raise ImageGone(plan.image_id)
        return claim, image

    async def _end_earlier(self, plan: Plan) -> None:
        """End what an earlier run of this job had begun. Its process has died, or has lost the job."""
        blob = await self.database.write(imports.end_upload, plan.image_id, plan.task, self.clock())
        if blob is not None:
            await remove_blob(self.database, self.stores, blob, self.clock())


def rights_lost(why: str) -> RightsLost:
    """Return the error that ends an import whose user has lost the right to it."""
    return RightsLost(f"the user who asked for this import may no longer do it: {why}")
