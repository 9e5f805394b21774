"""Quotas, on every engine: nobody gets past a limit, and what is counted is always what is there."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, func, select

from postgres import PostgresServer
from statements import after_each
from stillage.db import blobs, images, lifecycle, usage
from stillage.db.leases import LeaseOwner
from stillage.db.lifecycle import Claim, Deleted
from stillage.db.session import Database, make_engine
from stillage.db.tables import images as image_table
from stillage.db.tables import placements, uploads
from stillage.db.tables import usage as usage_table
from stillage.errors import AlreadyExists, QuotaExceeded, StillageError, TooManyUploads
from stillage.ids import BlobKey, ImageId, ProjectId, UploadId
from stillage.images.image import Content, Image
from stillage.images.quota import Limits, Quotas, Usage, scope_of_node, scope_of_project
from stillage.images.status import Status
from stores import in_files

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
MINE, THEIRS = ProjectId("mine"), ProjectId("theirs")


def an_image(owner: ProjectId | None = MINE) -> Image:
    return Image(id=ImageId(str(uuid4())), owner=owner, created_at=NOW, updated_at=NOW)


def a_claim(image: Image, size: int | None = 100, owner: str = "node-1/7") -> Claim:
    return Claim(UploadId(str(uuid4())), image.id, in_files(BlobKey(uuid4().hex)), LeaseOwner.parse(owner), size)


def content(size: int) -> Content:
    return Content(size, None, "raw", "c" * 32, "sha512", "d" * 128)


async def add(database: Database, owner: ProjectId | None = MINE, limits: Limits = images.NO_LIMITS) -> Image:
    image = an_image(owner)
    await database.write(images.add, image, limits)
    return image


async def claimed(database: Database, image: Image, size: int = 100, quotas: Quotas = lifecycle.NO_QUOTAS) -> Claim:
    claim = a_claim(image, size)
    assert await database.write(lifecycle.claim, claim, NOW, LATER, quotas, size)
    return claim


async def used(database: Database, owner: ProjectId | None = MINE) -> Usage:
    return await database.read(usage.find, scope_of_project(owner))


async def used_by_node(database: Database, node_id: str = "node-1") -> Usage:
    return await database.read(usage.find, scope_of_node(node_id))


async def stored(database: Database, size: int = 100) -> tuple[Image, Claim]:
    image = await add(database)
    claim = await claimed(database, image, size)
    assert await database.write(lifecycle.publish, claim, content(size), LATER)
    return image, claim


# Limits


async def test_who_has_nothing_uses_nothing(database: Database) -> None:
    assert await used(database) == Usage()


async def test_the_last_image_that_a_limit_allows_is_allowed(database: Database) -> None:
    limits = Limits(images=2)
    await add(database, limits=limits)
    await add(database, limits=limits)
    with pytest.raises(QuotaExceeded, match=r"may have 2 images; 2 are in use and 1 more"):
        await add(database, limits=limits)
    assert await used(database) == Usage(images=2)
    await add(database, THEIRS, limits)
    assert await used(database, THEIRS) == Usage(images=1)


async def test_a_deleted_image_makes_room_for_another(database: Database) -> None:
    image = await add(database, limits=Limits(images=1))
    await database.write(lifecycle.mark_deleted, image.id, LATER)
    assert await used(database) == Usage()
    assert await database.write(lifecycle.mark_deleted, image.id, LATER) is None
    assert await used(database) == Usage(), "counted once"
    await add(database, limits=Limits(images=1))


async def test_an_id_that_is_taken_counts_once(database: Database) -> None:
    image = await add(database)
    with pytest.raises(AlreadyExists):
        await database.write(images.add, image)
    assert await used(database) == Usage(images=1)


async def test_images_of_nobody_are_counted_as_well(database: Database) -> None:
    await add(database, None, Limits(images=1))
    with pytest.raises(QuotaExceeded):
        await add(database, None, Limits(images=1))


@pytest.mark.parametrize(("size", "fits"), [(0, True), (99, True), (100, True), (101, False), (2**62, False)])
async def test_bytes_up_to_the_limit_are_allowed(database: Database, size: int, fits: bool) -> None:
    quotas = Quotas(project=Limits(bytes=300))
    await claimed(database, await add(database), 200, quotas)
    image = await add(database)
    if fits:
        await claimed(database, image, size, quotas)
        assert (await used(database)).bytes == 200 + size
        return
    with pytest.raises(QuotaExceeded, match=f"may have 300 bytes; 200 are in use and {size} more"):
        await claimed(database, image, size, quotas)
    found = await database.read(images.get, image.id)
    assert found == image, "refused, and untouched"
    assert await used(database) == Usage(bytes=200, images=2, uploads=1)
    assert (await used_by_node(database)).uploads == 1


async def test_uploads_of_a_project_have_a_limit(database: Database) -> None:
    quotas = Quotas(project=Limits(uploads=1))
    first = await claimed(database, await add(database), 0, quotas)
    image = await add(database)
    with pytest.raises(TooManyUploads, match="this project already has 1 upload running"):
        await claimed(database, image, 0, quotas)
    await claimed(database, await add(database, THEIRS), 0, quotas)
    await database.write(lifecycle.release, first, "left", LATER)
    await claimed(database, image, 0, quotas)


async def test_uploads_of_a_node_have_a_limit_whatever_its_process(database: Database) -> None:
    quotas = Quotas(node=Limits(uploads=1))
    await claimed(database, await add(database), 5, quotas)
    image = await add(database, THEIRS)
    with pytest.raises(TooManyUploads, match="this node already has"):
        await database.write(lifecycle.claim, a_claim(image, 5, "node-1/8"), NOW, LATER, quotas, 5)
    assert await used(database, THEIRS) == Usage(images=1), "what was counted before the refusal is undone"
    assert await database.write(lifecycle.claim, a_claim(image, 5, "node-10/7"), NOW, LATER, quotas, 5)


async def test_a_limit_below_what_is_in_use_refuses_only_what_it_limits(database: Database) -> None:
    image = await add(database)
    for _ in range(2):
        await claimed(database, await add(database), 100)
    tight = Limits(bytes=150, images=1, uploads=1)
    with pytest.raises(QuotaExceeded, match="images"):
        await add(database, limits=tight)
    claim = await claimed(database, image, 0)
    with pytest.raises(QuotaExceeded, match="bytes"):
        await database.write(blobs.extend, claim, 1, tight)
    await database.write(lifecycle.release, claim, "left", LATER)


# Races


@pytest.fixture
def other(database_url: str) -> Any:
    """What a second process has."""
    other = Database(database_url)
    yield other
    other.close()


async def results_of(*work: Any) -> Counter[type]:
    return Counter(type(result) for result in await asyncio.gather(*work, return_exceptions=True))


async def test_ten_racing_uploads_never_pass_the_quota_together(database: Database, other: Database) -> None:
    quotas = Quotas(project=Limits(bytes=399))
    queued = [await add(database) for _ in range(10)]
    work = [
        (database, other)[number % 2].write(lifecycle.claim, a_claim(image), NOW, LATER, quotas, 100)
        for number, image in enumerate(queued)
    ]
    assert await results_of(*work) == {Image: 3, QuotaExceeded: 7}
    assert await used(database) == Usage(bytes=300, images=10, uploads=3)


async def test_ten_racing_uploads_never_pass_the_limit_of_uploads(database: Database, other: Database) -> None:
    quotas = Quotas(project=Limits(uploads=4), node=Limits(uploads=6))
    queued = [await add(database, owner) for owner in (MINE, THEIRS) for _ in range(10)]
    work = [
        (database, other)[number % 2].write(lifecycle.claim, a_claim(image), NOW, LATER, quotas, 1)
        for number, image in enumerate(queued)
    ]
    assert await results_of(*work) == {Image: 6, TooManyUploads: 14}
    assert (await used_by_node(database)).uploads == 6
    both = [(await used(database, owner)).uploads for owner in (MINE, THEIRS)]
    assert sum(both) == 6
    assert max(both) <= 4


async def test_racing_creations_and_extensions_stop_at_the_limit(database: Database, other: Database) -> None:
    limits = Limits(bytes=550, images=5)
    added = [(database, other)[n % 2].write(images.add, an_image(), limits) for n in range(10)]
    assert await results_of(*added) == {type(None): 5, QuotaExceeded: 5}
    claims = [await claimed(database, await add(database), 100) for _ in range(2)]
    extended = [(database, other)[n % 2].write(blobs.extend, claims[n % 2], 100, limits) for n in range(8)]
    assert await results_of(*extended) == {bool: 3, QuotaExceeded: 5}
    assert (await used(database)).bytes == 500
    assert await database.read(recount, "project:mine") == await used(database)


async def test_a_double_end_counts_once(database: Database, other: Database) -> None:
    claim = await claimed(database, await add(database))
    await asyncio.gather(*(d.write(lifecycle.release, claim, "over", LATER) for d in (database, other) * 4))
    assert await used(database) == Usage(bytes=100, images=1)
    assert await used_by_node(database) == Usage()
    await asyncio.gather(*(d.write(blobs.forget_blob, claim.blob.key) for d in (database, other) * 4))
    assert await used(database) == Usage(images=1)


@pytest.mark.parametrize("nth", range(1, 6))
def test_a_release_that_meets_the_claim_it_is_for_ends_all_of_it_or_nothing(postgres: PostgresServer, nth: int) -> None:
    """On PostgreSQL each statement sees what was committed before it began, and so may see more than the one before."""
    with postgres.migrated() as url:
        engine = make_engine(url)
        claiming, releasing = engine.connect(), engine.connect()
        image = an_image()
        images.add(claiming, image)
        claiming.commit()
        claim = a_claim(image)
        lifecycle.claim(claiming, claim, NOW, LATER, lifecycle.NO_QUOTAS, 100)

        said: list[str] = []

        def commit(statement: str) -> None:
            said.append(statement)
            if len(said) == nth:
                claiming.commit()

        with after_each(releasing, commit):
            assert not lifecycle.release(releasing, claim, "left", LATER)
        releasing.commit()
        claiming.commit()
        require_that_it_adds_up(claiming)
        for connection in (claiming, releasing):
            connection.close()
        engine.dispose()


# From the claim to the end


async def test_publishing_corrects_what_was_reserved(database: Database) -> None:
    for reserved, size in [(100, 3), (0, 50), (7, 7)]:
        image = await add(database)
        before = await used(database)
        claim = await claimed(database, image, reserved)
        assert await database.write(lifecycle.publish, claim, content(size), LATER)
        assert await used(database) == replace(before, bytes=before.bytes + size)
        assert await used_by_node(database) == Usage()


async def test_a_release_gives_the_upload_back_at_once_and_the_bytes_when_they_are_gone(database: Database) -> None:
    claim = await claimed(database, await add(database))
    assert await used(database) == Usage(100, 1, 1)
    await database.write(lifecycle.release, claim, "left", LATER)
    assert await used(database) == Usage(100, 1, 0)
    assert await used_by_node(database) == Usage()
    await database.write(blobs.forget_blob, claim.blob.key)
    assert await used(database) == Usage(0, 1, 0)


async def test_bytes_of_a_deleted_image_count_until_they_are_gone(database: Database) -> None:
    image, claim = await stored(database)
    assert await database.write(lifecycle.mark_deleted, image.id, LATER) == Deleted([claim.blob], [])
    assert await used(database) == Usage(bytes=100)
    await database.write(blobs.forget_blob, claim.blob.key)
    assert await used(database) == Usage()


async def test_an_upload_counts_until_it_notices_that_its_image_was_deleted(database: Database) -> None:
    image = await add(database)
    claim = await claimed(database, image)
    await database.write(lifecycle.mark_deleted, image.id, LATER)
    assert await used(database) == Usage(100, 0, 1)
    assert not await database.write(lifecycle.release, claim, "deleted", LATER)
    await database.write(blobs.forget_blob, claim.blob.key)
    assert await used(database) == Usage()


async def test_an_upload_is_extended_up_to_the_limit_and_a_refusal_changes_nothing(database: Database) -> None:
    claim = await claimed(database, await add(database), 100)
    limits = Limits(bytes=250)
    assert await database.write(blobs.extend, claim, 100, limits)
    with pytest.raises(QuotaExceeded, match="200 are in use and 100 more"):
        await database.write(blobs.extend, claim, 100, limits)
    assert (await used(database)).bytes == 200 == (await database.read(recount, "project:mine")).bytes
    assert await database.write(blobs.extend, claim, 50, limits)
    await database.write(lifecycle.publish, claim, content(5), LATER)
    assert (await used(database)).bytes == 5


async def test_an_upload_that_has_ended_is_not_extended(database: Database) -> None:
    claim = await claimed(database, await add(database))
    await database.write(lifecycle.release, claim, "its server was thought dead", LATER)
    assert not await database.write(blobs.extend, claim, 50, images.NO_LIMITS)
    await database.write(blobs.forget_blob, claim.blob.key)
    assert not await database.write(blobs.extend, claim, 50, images.NO_LIMITS)
    assert await used(database) == Usage(images=1)
    assert await used(database, None) == Usage()


async def test_a_new_owner_takes_over_what_counts(database: Database) -> None:
    image, _ = await stored(database, 70)
    before = await database.read(images.get, image.id)
    assert await database.write(images.save, before, replace(before, owner=THEIRS))
    assert (await used(database), await used(database, THEIRS)) == (Usage(), Usage(70, 1, 0))


async def test_a_new_owner_takes_over_a_running_upload(database: Database) -> None:
    image = await add(database)
    gone = await claimed(database, image, 5)
    await database.write(lifecycle.release, gone, "left", LATER)
    claim = await claimed(database, image, 70)
    before = await database.read(images.get, image.id)
    assert await database.write(images.save, before, replace(before, owner=THEIRS))
    assert (await used(database), await used(database, THEIRS)) == (Usage(), Usage(75, 1, 1))
    await database.write(blobs.extend, claim, 30, images.NO_LIMITS)
    await database.write(blobs.forget_blob, gone.blob.key)
    assert await used(database, THEIRS) == Usage(100, 1, 1)
    await database.write(lifecycle.publish, claim, content(60), LATER)
    assert (await used(database), await used(database, THEIRS)) == (Usage(), Usage(60, 1, 0))


# Together, against a recount


def recount(connection: Connection, scope: str) -> Usage:
    """What *scope* uses, by the rows that are there."""
    kind, _, name = scope.partition(":")
    if kind == "node":
        owners = connection.execute(select(uploads.c.lease_owner)).scalars()
        return Usage(uploads=sum(scope_of_node(owner.node) == scope for owner in owners))
    count = func.count()
    mine = func.coalesce(image_table.c.owner, "") == name
    there = select(count).select_from(image_table).where(mine, image_table.c.deleted_at.is_(None))
    kept = func.coalesce(placements.c.owner, "") == name
    placed = uploads.join(placements, placements.c.blob_key == uploads.c.blob_key)
    running = select(count).select_from(placed).where(kept)
    reserved = connection.execute(select(func.coalesce(func.sum(placements.c.reserved), 0)).where(kept)).scalar_one()
    return Usage(int(reserved), connection.execute(there).scalar_one(), connection.execute(running).scalar_one())


def require_that_it_adds_up(connection: Connection) -> dict[str, Usage]:
    found = {
        scope: usage.find(connection, scope) for scope in connection.execute(select(usage_table.c.scope)).scalars()
    }
    assert found == {scope: recount(connection, scope) for scope in found}
    return found


QUOTAS = Quotas(Limits(bytes=1000, images=6, uploads=3), Limits(uploads=4))
OWNERS = (MINE, THEIRS, None)


@dataclass
class Life:
    """Does something at random, and remembers enough to do it to something that may be there."""

    dice: random.Random
    known: list[ImageId] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def step(self) -> Callable[[Connection], object]:
        dice = self.dice
        steps = [self.add, self.claim, self.claim, self.extend, self.publish, self.release, self.forget, self.forget]
        if self.known:
            steps += [self.delete, self.hand_over]
        return dice.choice(steps)()

    def add(self) -> Callable[[Connection], object]:
        image = an_image(self.dice.choice(OWNERS))
        self.known.append(image.id)
        return partial(images.add, image=image, limits=QUOTAS.project)

    def claim(self) -> Callable[[Connection], object]:
        if not self.known:
            return self.add()
        size = self.dice.choice([0, 1, 200, 400, 1001])
        owner = LeaseOwner.parse(self.dice.choice(["a/1", "a/2", "b/1"]))
        claim = Claim(UploadId(str(uuid4())), self.dice.choice(self.known), in_files(BlobKey(uuid4().hex)), owner, size)
        self.claims.append(claim)
        return lambda connection: lifecycle.claim(connection, claim, NOW, LATER, QUOTAS, size)

    def _some_claim(self) -> Claim:
        return self.dice.choice(self.claims or [a_claim(an_image())])

    def extend(self) -> Callable[[Connection], object]:
        return partial(blobs.extend, claim=self._some_claim(), more=self.dice.choice([1, 300]), limits=QUOTAS.project)

    def publish(self) -> Callable[[Connection], object]:
        size = self.dice.choice([0, 100, 1000])
        return partial(lifecycle.publish, claim=self._some_claim(), content=content(size), now=LATER)

    def release(self) -> Callable[[Connection], object]:
        return partial(lifecycle.release, claim=self._some_claim(), reason="over", now=LATER)

    def forget(self) -> Callable[[Connection], object]:
        return partial(blobs.forget_blob, key=self._some_claim().blob.key)

    def delete(self) -> Callable[[Connection], object]:
        return partial(lifecycle.mark_deleted, image_id=self.dice.choice(self.known), now=LATER)

    def hand_over(self) -> Callable[[Connection], object]:
        image_id, owner = self.dice.choice(self.known), self.dice.choice(OWNERS)

        def change(connection: Connection) -> object:
            image = images.find(connection, image_id)
            return image and images.save(connection, image, replace(image, owner=owner))

        return change


def within_limits(found: dict[str, Usage]) -> None:
    for scope, now in found.items():
        limits = QUOTAS.node if scope.startswith("node:") else QUOTAS.project
        assert now.uploads <= (limits.uploads or 0)
        assert min(now.bytes, now.images, now.uploads) >= 0


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_usage_is_what_a_recount_finds(database: Database, seed: int) -> None:
    life = Life(random.Random(seed))

    def work(connection: Connection) -> None:
        for _ in range(150):
            step = life.step()
            # A refusal rolls back the whole unit of work, as `Database.write` does.
            point = connection.begin_nested()
            try:
                step(connection)
                point.commit()
            except StillageError:
                point.rollback()
            require_that_it_adds_up(connection)

    await database.write(work)
    assert await database.read(require_that_it_adds_up)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_at_once_usage_is_what_a_recount_finds(
    database: Database, other: Database, seed: int
) -> None:
    life = Life(random.Random(seed))
    seen: Counter[type] = Counter()
    for _ in range(12):
        some = [life.step() for _ in range(12)]
        seen += await results_of(*((database, other)[n % 2].write(step) for n, step in enumerate(some)))
        await database.read(require_that_it_adds_up)
    assert set(seen) <= {Image, type(None), bool, Deleted, QuotaExceeded, TooManyUploads, AlreadyExists}, seen


async def test_uploads_stay_within_their_limits_when_nobody_hands_over(database: Database) -> None:
    life = Life(random.Random(7))
    for _ in range(20):
        steps = [life.add, life.claim, life.claim, life.extend, life.release, life.forget, life.publish]
        await results_of(*(database.write(life.dice.choice(steps)()) for _ in range(10)))
        within_limits(await database.read(require_that_it_adds_up))


# What was there before


async def test_every_status_may_be_deleted_and_is_then_not_counted(database: Database) -> None:
    for status in Status:
        if status is not Status.DELETED:
            image = replace(an_image(), status=status)
            await database.write(images.add, image)
            await database.write(lifecycle.mark_deleted, image.id, LATER)
    assert await used(database) == Usage()
