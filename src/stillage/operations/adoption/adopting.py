"""Adopt the images of a Glance, one after the other: each is verified, recorded, and given its bytes without a copy.

An image that is here already stays as it is, so that a run that was interrupted, or a second one, goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from stillage.db import adoption as db
from stillage.db import lifecycle
from stillage.db.adoption import Adopted
from stillage.db.leases import LeaseOwner
from stillage.db.lifecycle import Claim
from stillage.db.session import Database
from stillage.errors import (
    CannotTakeFile,
    ContentRejected,
    NotAdopted,
    StillageError,
    StorageFull,
    StoreTakesNoUploads,
    Unavailable,
)
from stillage.ids import BlobKey, BlobRef, ImageId, StoreId, UploadId, image_id_of
from stillage.images.glance import GlanceImage, file_of, members_of, record_of
from stillage.images.image import Content, Image
from stillage.images.status import Status
from stillage.operations.adoption.files import opened, verified
from stillage.operations.adoption.report import Outcome, Result
from stillage.operations.upkeep.sweep import remove_blob
from stillage.operations.upload.acceptance import UploadRules
from stillage.stores.abilities import TakesFiles
from stillage.stores.catalog import Stores

SECTOR = 512
GONE = "it was deleted here, and ids are never used twice"
STOPS = (CannotTakeFile, StorageFull, Unavailable)
"""Trouble that other images would meet as well."""
BUSY = "an upload to it is running, or was interrupted; run this again when that has ended"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a Glance is adopted.

    Attributes:
        folder: Of its files.
        served_from: The store that is this folder; None takes the files over.
        taken_to: The store that takes them over.
        dry_run: Verify everything, and change nothing.
    """

    folder: Path
    served_from: StoreId | None
    taken_to: StoreId
    dry_run: bool = False


class Adopt:
    def __init__(
        self,
        database: Database,
        stores: Stores,
        plan: Plan,
        *,
        rules: UploadRules,
        max_record_bytes: int,
        owner: LeaseOwner,
        clock: Callable[[], datetime],
    ) -> None:
        """*rules*: of uploads; quotas do not matter, the images exist.

        Raises:
            StoreTakesNoUploads: If the files cannot become blobs of `Plan.taken_to`.
        """
        self._database = database
        self._stores = stores
        self._plan = plan
        self._rules = rules
        self._max_record_bytes = max_record_bytes
        self._owner = owner
        self._clock = clock
        store = stores.get(plan.taken_to).store
        self._takes_over = plan.served_from is None
        if self._takes_over and not plan.dry_run and not isinstance(store, TakesFiles):
            raise StoreTakesNoUploads(plan.taken_to, "is not a folder, so it cannot take over files; name one that is")

    async def __call__(self, found: GlanceImage) -> Result:
        """Adopt an image, and return what became of it.

        Raises:
            CannotTakeFile: If files would have to be copied.
            StorageFull, Unavailable: If the store or the database does not take more. Run it again to go on.
        """
        result = Result(found.id, found.name, Outcome.PRESENT, file=_find_file(found))
        known = await self._database.read(db.find, image_id_of(found.id))
        if known is not None and known.status is Status.DELETED:
            return replace(result, outcome=Outcome.REFUSED, reason=GONE)
        if known is not None and known.status is not Status.QUEUED:
            return replace(result, taken=self._takes_over and self._plan.taken_to in known.stores)
        try:
            image, members = record_of(found, self._max_record_bytes), members_of(found)
        except StillageError as error:
            return _refused(result, error)
        if known is None and not self._plan.dry_run:
            await self._database.write(db.add, image, members)
        if not found.has_data:
            return replace(result, outcome=Outcome.RECORDED if known is None else Outcome.PRESENT)
        try:
            return await self._with_data(found, image, result)
        except STOPS:
            raise
        except StillageError as error:
            if not self._plan.dry_run:
                await self._database.write(db.set_reason, image.id, error.reason, error.facts or None)
            return _refused(result, error)

    async def _with_data(self, found: GlanceImage, image: Image, result: Result) -> Result:
        name = file_of(found)
        with opened(self._plan.folder, name) as file:
            content = await verified(found, image, file, self._rules)
            if _is_same_disk(found, content):
                content = replace(content, virtual_size=found.virtual_size)
            if not self._plan.dry_run:
                await self._publish(Adopted(image, Status(found.status), content), name, file)
        note = _note(found, content)
        return replace(result, outcome=Outcome.ADOPTED, size=content.size, note=note, taken=self._takes_over)

    async def _publish(self, adopted: Adopted, name: str, file: int) -> None:
        if self._plan.served_from is None:
            await self._take(adopted, file)
            return
        blob = BlobRef(self._plan.served_from, BlobKey(name))
        state = await self._database.read(db.state_of_blob, blob.key)
        if state is None:
            claim = self._claim(adopted, blob)
        elif state == "published":
            claim, adopted = self._claim(adopted, self._new_blob()), replace(adopted, shared=blob)
        else:
            raise NotAdopted(f"another image that had the file {name} was deleted here")
        if not await self._database.write(db.claim_and_publish, claim, adopted, self._clock()):
            raise NotAdopted(BUSY)

    async def _take(self, adopted: Adopted, file: int) -> None:
        """Take over a file as an upload: its row comes first, so that a sweep knows what a crash leaves."""
        claim, now = self._claim(adopted, self._new_blob()), self._clock()
        until = now + timedelta(seconds=self._rules.lease_s)
        if await self._database.write(lifecycle.claim, claim, now, until) is None:
            raise NotAdopted(BUSY)
        try:
            store = self._stores.get(claim.blob.store).store
            assert isinstance(store, TakesFiles)  # noqa: S101 - see __init__
            await store.take(claim.blob.key, file)
            if not await self._database.write(db.publish, claim, adopted, self._clock()):
                raise NotAdopted(BUSY)
        except StillageError as error:
            await self._database.write(lifecycle.release, claim, error.reason, self._clock())
            await remove_blob(self._database, self._stores, claim.blob, self._clock())
            raise

    def _claim(self, adopted: Adopted, blob: BlobRef) -> Claim:
        size = adopted.content.size
        return Claim(UploadId(str(uuid4())), ImageId(adopted.before.id), blob, self._owner, size)

    def _new_blob(self) -> BlobRef:
        return BlobRef(self._plan.taken_to, BlobKey(uuid4().hex))


def _find_file(found: GlanceImage) -> str | None:
    try:
        return file_of(found)
    except NotAdopted:
        return None


def _refused(result: Result, error: StillageError) -> Result:
    rule = error.rule if isinstance(error, ContentRejected) else None
    return replace(result, outcome=Outcome.REFUSED, reason=str(error), rule=rule)


def _is_same_disk(found: GlanceImage, content: Content) -> bool:
    """Whether the disk has the size that Glance recorded, whose raw disks may end within a sector."""
    return found.virtual_size is not None and -(-found.virtual_size // SECTOR) * SECTOR == content.virtual_size


def _note(found: GlanceImage, content: Content) -> str | None:
    if found.virtual_size in (None, content.virtual_size):
        return None
    return f"Glance recorded a virtual size of {found.virtual_size} bytes; the disk has {content.virtual_size}"
