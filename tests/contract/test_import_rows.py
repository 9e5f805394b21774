"""What imports do to the rows of their images, on every engine."""

from datetime import datetime, timedelta
from typing import Any

import pytest

import builders
from fakes import Clock
from stillage.db import images as db
from stillage.db import imports, lifecycle, usage
from stillage.db.imports import Undoing
from stillage.db.leases import LeaseOwner
from stillage.db.lifecycle import Claim
from stillage.db.session import Database
from stillage.ids import BlobKey, BlobRef, ImageId, JobId, ProjectId, StoreId, UploadId
from stillage.images.image import Content, Image
from stillage.images.quota import Quotas, Usage
from stillage.images.status import Status

ID = ImageId("an-image")
FIRST, SECOND = JobId("first"), JobId("second")
FAST, COLD = StoreId("fast"), StoreId("cold")
CONTENT = Content(50, 50, "raw", "c" * 32, "sha512", "d" * 128)
NODE = LeaseOwner.parse("node/1")


class Rows:
    """One image and its import, by short names."""

    def __init__(self, database: Database, now: datetime) -> None:
        self.database = database
        self.now = now

    async def begun(self, status: Status = Status.QUEUED) -> "Rows":
        """Make an image of *status*, and let an import of it begin."""
        await self.database.write(db.add, builders.image(id=ID, owner="lab"))
        if status is Status.ACTIVE:
            claim = claim_of(FAST, "upload")
            await self.database.write(lifecycle.claim, claim, self.now, self.now)
            await self.database.write(lifecycle.publish, claim, CONTENT, self.now)
        assert await self.begin(status, FIRST)
        return self

    async def begin(self, status: Status, task: JobId) -> bool:
        return await self.database.write(imports.begin, ID, status, task, [FAST, COLD], self.now)

    async def claim(self, store: StoreId, task: JobId = FIRST) -> Claim | None:
        claim = claim_of(store, f"{task}-{store}")
        until = self.now + timedelta(60)
        image = await self.database.write(imports.claim, claim, task, self.now, until, Quotas(), 50)
        return None if image is None else claim

    async def fill(self) -> None:
        """Give the image its bytes in `FAST`, and a copy in `COLD`."""
        claim = await self.claim(FAST)
        assert claim
        await self.database.write(lifecycle.publish, claim, CONTENT, self.now)
        await self.copy(claim.blob)

    async def copy(self, source: BlobRef) -> None:
        claim = await self.claim(COLD)
        assert claim
        assert await self.database.write(imports.publish_copy, claim, source, self.now)

    async def fail(self, task: JobId = FIRST, **more: Any) -> Image:
        await self.database.write(imports.fail, ID, task, Undoing("why", [FAST, COLD], **more), self.now)
        return await self.image()

    async def image(self) -> Image:
        return await self.database.read(db.get, ID)

    async def staged(self, owner: str = "lab") -> int:
        return await self.database.read(imports.staged_bytes, ProjectId(owner))

    async def used(self) -> Usage:
        return await self.database.read(usage.find, "project:lab")


def claim_of(store: StoreId, name: str) -> Claim:
    return Claim(UploadId(name), ID, BlobRef(store, BlobKey(f"blob-{name}")), NODE, 50)


@pytest.fixture
def rows(database: Database, clock: Clock) -> Rows:
    return Rows(database, clock())


async def test_an_image_has_one_import_at_a_time(rows: Rows) -> None:
    await rows.begun()
    assert (await rows.image()).import_task == FIRST
    for status in (Status.QUEUED, Status.ACTIVE):
        assert not await rows.begin(status, SECOND)
    assert await rows.claim(FAST, SECOND) is None
    assert (await rows.fail(SECOND)).status is Status.IMPORTING


async def test_an_import_writes_one_copy_at_a_time(rows: Rows) -> None:
    await rows.begun()
    assert await rows.claim(FAST)
    assert await rows.claim(COLD) is None
    blob = await rows.database.write(imports.end_upload, ID, FIRST, rows.now)
    assert blob == BlobRef(FAST, BlobKey("blob-first-fast"))
    assert await rows.claim(COLD)
    assert (await rows.image()).status is Status.IMPORTING


async def test_an_image_is_active_only_with_bytes(rows: Rows) -> None:
    await rows.begun()
    assert not await rows.database.write(imports.activate, ID, FIRST, rows.now)
    await rows.fill()
    assert ((await rows.image()).status, (await rows.image()).stores) == (Status.IMPORTING, (FAST, COLD))
    assert await rows.database.write(imports.activate, ID, FIRST, rows.now)
    await rows.database.write(imports.finish, ID, FIRST, rows.now)
    image = await rows.image()
    assert (image.status, image.import_task, image.importing_to) == (Status.ACTIVE, None, "")
    assert await rows.used() == Usage(bytes=100, images=1)


async def test_a_failure_takes_everything_back(rows: Rows) -> None:
    await rows.begun()
    await rows.fill()
    image = await rows.fail()
    assert (image.status, image.reason, image.failed_import) == (Status.QUEUED, "why", "fast,cold")
    assert (image.size, image.checksum, image.stores, image.import_task) == (None, None, (), None)
    assert (await rows.used()).uploads == 0
    assert await rows.begin(Status.QUEUED, SECOND)


async def test_a_copy_that_failed_is_taken_back_and_no_other(rows: Rows) -> None:
    await rows.begun(Status.ACTIVE)
    assert not await rows.begin(Status.ACTIVE, SECOND)
    await rows.copy(claim_of(FAST, "upload").blob)
    image = await rows.fail(made=[COLD])
    assert (image.status, image.stores, image.failed_import) == (Status.ACTIVE, (FAST,), "cold")


async def test_an_active_image_keeps_its_last_copies(rows: Rows) -> None:
    await rows.begun(Status.ACTIVE)
    image = await rows.fail(made=[FAST, COLD])
    assert (image.status, image.stores) == (Status.ACTIVE, (FAST,))
    assert await rows.begin(Status.ACTIVE, SECOND)
    await rows.database.write(imports.drop_copy, ID, SECOND, FAST, rows.now)
    assert (await rows.image()).stores == (FAST,)


async def test_stores_are_shown_as_they_are_done(rows: Rows) -> None:
    await rows.begun()
    await rows.database.write(imports.note_store, ID, FIRST, FAST)
    assert (await rows.image()).importing_to == "cold"
    await rows.database.write(imports.note_store, ID, FIRST, COLD, failed=True)
    image = await rows.image()
    assert (image.importing_to, image.failed_import) == ("", "cold")


async def test_a_deleted_image_has_no_import_any_more(rows: Rows) -> None:
    await rows.begun()
    claim = await rows.claim(FAST)
    assert claim
    await rows.database.write(lifecycle.mark_deleted, ID, rows.now)
    assert not await rows.database.write(lifecycle.renew, claim, rows.now)
    assert await rows.database.write(lifecycle.publish, claim, CONTENT, rows.now) is None
    assert await rows.claim(COLD) is None
    await rows.database.write(imports.fail, ID, FIRST, Undoing("why"), rows.now)
    assert await rows.database.read(db.find, ID) is None


@pytest.mark.parametrize("ends_well", [True, False])
async def test_bytes_are_staged_until_the_import_ends(rows: Rows, *, ends_well: bool) -> None:
    await rows.begun()
    await rows.fill()
    assert (await rows.staged(), await rows.staged("another")) == (50, 0)
    if ends_well:
        await rows.database.write(imports.activate, ID, FIRST, rows.now)
    else:
        await rows.fail()
    assert await rows.staged() == 0
