"""The records of images and their lives, on every engine: who loses a race finds out, and nothing else changes."""

import asyncio
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy.sql.expression import FromClause

from stillage.db import blobs, images, lifecycle
from stillage.db.leases import LeaseOwner, NodeId
from stillage.db.lifecycle import Claim, Deleted
from stillage.db.session import Database
from stillage.db.tables import blobs as blob_rows
from stillage.db.tables import image_properties, image_tags, uploads
from stillage.db.tables import images as image_rows
from stillage.errors import AlreadyExists
from stillage.ids import BlobKey, ImageId, ProjectId, UploadId
from stillage.images.automatic import INDEX_PREFIX
from stillage.images.image import Content, Image, Visibility
from stillage.images.status import Status
from stores import FILES, in_files

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
MINE, THEIRS = ProjectId("mine"), ProjectId("theirs")
CONTENT = Content(3000, None, "raw", "c" * 32, "sha512", "d" * 128)


def an_image(**values: Any) -> Image:
    defaults: dict[str, Any] = {"id": ImageId(str(uuid4())), "owner": MINE, "created_at": NOW, "updated_at": NOW}
    return Image(**defaults | values)


def a_claim(image: Image, **values: Any) -> Claim:
    claim = Claim(UploadId(str(uuid4())), image.id, in_files(BlobKey(uuid4().hex)), LeaseOwner.parse("node-1/7"), 3000)
    return replace(claim, **values)


async def add(database: Database, **values: Any) -> Image:
    image = an_image(**values)
    await database.write(images.add, image)
    return image


async def claimed(database: Database, image: Image, lease_expires_at: datetime = LATER, **values: Any) -> Claim:
    claim = a_claim(image, **values)
    assert await database.write(lifecycle.claim, claim, NOW, lease_expires_at)
    return claim


async def published(database: Database, image: Image) -> Claim:
    claim = await claimed(database, image)
    assert await database.write(lifecycle.publish, claim, CONTENT, LATER)
    return claim


async def get(database: Database, image: Image) -> Image:
    found = await database.read(images.find, image.id)
    assert found is not None
    return found


def rows(table: FromClause) -> Callable[[Connection], int]:
    return lambda connection: connection.execute(select(func.count()).select_from(table)).scalar_one()


async def test_an_image_is_found_as_it_was_added(database: Database) -> None:
    image = await add(
        database,
        name="grün 🐧",
        visibility=Visibility.PUBLIC,
        protected=True,
        os_hidden=True,
        container_format="bare",
        disk_format="zvhd2",
        min_disk=40,
        min_ram=2**31 - 1,
        size=2**63 - 1,
        tags=("two words", "a"),
        properties={"os.type": "linux", "long": "x" * 70_000, "": ""},
        reason="why",
        version=3,
    )
    assert await get(database, image) == image


async def test_an_image_that_was_read_is_as_frozen_as_one_that_was_made(database: Database) -> None:
    found: Any = await get(database, await add(database))
    with pytest.raises(FrozenInstanceError):
        found.name = "other"


async def test_an_image_without_an_owner_or_a_name_is_found(database: Database) -> None:
    image = await add(database, owner=None)
    assert await get(database, image) == image


async def test_an_unknown_image_is_not_found(database: Database) -> None:
    assert await database.read(images.find, "no such id") is None


async def test_an_id_is_taken_once(database: Database) -> None:
    image = await add(database)
    with pytest.raises(AlreadyExists, match=image.id):
        await database.write(images.add, replace(image, name="other"))
    assert await get(database, image) == image


async def test_of_two_who_save_what_they_read_before_one_has_to_read_again(database: Database) -> None:
    image = await add(database)
    one, other = replace(image, name="one"), replace(image, tags=("other",))
    assert await database.write(images.save, image, one) == replace(one, version=image.version + 1)
    assert await database.write(images.save, image, other) is None
    assert await get(database, image) == replace(one, version=image.version + 1)


async def test_what_was_read_before_it_was_published_is_not_saved(database: Database) -> None:
    image = await add(database)
    claim = await claimed(database, image)
    before = await get(database, image)
    assert await database.write(lifecycle.publish, claim, CONTENT, LATER)
    assert await database.write(images.save, before, replace(before, name="new")) is None


async def test_an_id_stays_taken_after_the_image_is_deleted(database: Database) -> None:
    image = await add(database)
    await database.write(lifecycle.mark_deleted, image.id, LATER)
    with pytest.raises(AlreadyExists):
        await database.write(images.add, image)


async def test_one_of_two_who_add_the_same_id_succeeds(database: Database) -> None:
    image = an_image()
    results = await asyncio.gather(*(database.write(images.add, image) for _ in range(8)), return_exceptions=True)
    assert sorted(map(type, results), key=str) == sorted([type(None), *[AlreadyExists] * 7], key=str)


# Uploads


async def test_a_move_that_no_image_makes_cannot_be_written(database: Database) -> None:
    image = await add(database)
    with pytest.raises(ValueError, match="from queued to active"):
        await database.write(lifecycle.move, image.id, Status.QUEUED, Status.ACTIVE, LATER)
    assert await get(database, image) == image


async def test_a_claim_moves_the_image_from_queued_to_saving(database: Database) -> None:
    image = await add(database, reason="the last one failed")
    claim = await claimed(database, image)
    expected = replace(image, status=Status.SAVING, upload_id=claim.upload_id, reason=None)
    assert await get(database, image) == expected


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.QUEUED])
async def test_nothing_but_a_queued_image_can_be_claimed(database: Database, status: Status) -> None:
    image = await add(database, status=status)
    assert not await database.write(lifecycle.claim, a_claim(image), NOW, LATER)
    assert await get(database, image) == image
    assert await database.read(rows(uploads)) == await database.read(rows(blob_rows)) == 0


async def test_a_deleted_or_unknown_image_cannot_be_claimed(database: Database) -> None:
    image = await add(database)
    await database.write(lifecycle.mark_deleted, image.id, LATER)
    assert not await database.write(lifecycle.claim, a_claim(image), NOW, LATER)
    assert not await database.write(lifecycle.claim, a_claim(an_image()), NOW, LATER)


async def test_one_of_many_racing_uploads_gets_the_image(database: Database, database_url: str) -> None:
    image = await add(database)
    other = Database(database_url)
    try:
        claims = [(d, a_claim(image)) for d in (database, other) for _ in range(8)]
        won = await asyncio.gather(*(d.write(lifecycle.claim, claim, NOW, LATER) for d, claim in claims))
    finally:
        other.close()
    winner = next(claimed for claimed in won if claimed is not None)
    assert won.count(None) == len(won) - 1
    assert (await get(database, image)).upload_id == winner.upload_id
    assert claims[won.index(winner)][1].upload_id == winner.upload_id
    assert await database.read(rows(uploads)) == await database.read(rows(blob_rows)) == 1


async def test_publishing_makes_the_image_active_with_all_that_is_known(database: Database) -> None:
    image = await add(database)
    await published(database, image)
    assert await get(database, image) == replace(
        image,
        status=Status.ACTIVE,
        stores=(FILES,),
        active_at=LATER,
        size=3000,
        disk_format="raw",
        container_format="bare",
        checksum="c" * 32,
        os_hash_algo="sha512",
        os_hash_value="d" * 128,
        updated_at=LATER,
        version=image.version + 1,
    )
    assert await database.read(rows(uploads)) == 0


async def test_publishing_adds_properties_to_those_that_are_there_and_to_the_index(database: Database) -> None:
    image = await add(database, properties={"kept": "1", "replaced": "old"})
    claim = await claimed(database, image)
    content = replace(CONTENT, properties={"replaced": "new", "added": "2"})
    assert await database.write(lifecycle.publish, claim, content, LATER)
    assert (await get(database, image)).properties == {"kept": "1", "replaced": "new", "added": "2"}
    its_own = ~image_properties.c.name.startswith(INDEX_PREFIX, autoescape=True)
    pairs = select(image_properties.c.name, image_properties.c.value).where(its_own)
    indexed = await database.read(lambda connection: {tuple(row) for row in connection.execute(pairs)})
    assert indexed == {("kept", "1"), ("replaced", "new"), ("added", "2")}


async def test_publishing_may_leave_the_disk_format_unset(database: Database) -> None:
    image = await add(database, container_format="ova")
    claim = await claimed(database, image)
    assert await database.write(lifecycle.publish, claim, replace(CONTENT, disk_format=None), LATER)
    assert (await get(database, image)).disk_format is None


async def test_publishing_keeps_a_container_format_that_was_given(database: Database) -> None:
    image = await add(database, container_format="ovf")
    await published(database, image)
    assert (await get(database, image)).container_format == "ovf"


async def test_an_upload_publishes_once(database: Database) -> None:
    image = await add(database)
    claim = await published(database, image)
    assert not await database.write(lifecycle.publish, claim, replace(CONTENT, size=1), LATER)
    assert (await get(database, image)).size == 3000


async def test_who_lost_the_image_cannot_publish_prolong_or_release_it(database: Database) -> None:
    image = await add(database)
    loser = await claimed(database, image)
    assert await database.write(lifecycle.release, loser, "lease ran out", NOW)
    winner = await claimed(database, image)
    before = await get(database, image)
    assert not await database.write(lifecycle.publish, loser, CONTENT, LATER)
    assert not await database.write(lifecycle.renew, loser, LATER)
    assert not await database.write(lifecycle.release, loser, "again", LATER)
    assert await get(database, image) == before
    assert await database.write(lifecycle.publish, winner, CONTENT, LATER)


async def test_a_release_returns_the_image_to_queued_with_the_reason(database: Database) -> None:
    image = await add(database)
    claim = await claimed(database, image)
    assert await database.write(lifecycle.release, claim, "the client left", LATER)
    assert await get(database, image) == replace(image, reason="the client left", updated_at=LATER)
    assert await database.read(blobs.pending_delete, FILES, LATER, 10) == [claim.blob]
    assert await database.read(rows(uploads)) == 0


async def test_a_release_cannot_undo_what_was_published(database: Database) -> None:
    image = await add(database)
    claim = await published(database, image)
    assert not await database.write(lifecycle.release, claim, "late failure", LATER)
    assert (await get(database, image)).status is Status.ACTIVE


async def test_a_release_after_publishing_leaves_the_published_blob_alone(database: Database) -> None:
    claim = await published(database, await add(database))
    await database.write(lifecycle.release, claim, "late failure", LATER)
    assert await database.read(blobs.pending_delete, FILES, LATER, 10) == []


async def test_a_release_after_the_image_was_deleted_leaves_the_blob_pending_delete_all_the_same(
    database: Database,
) -> None:
    image = await add(database)
    claim = await claimed(database, image)
    assert await database.write(lifecycle.mark_deleted, image.id, LATER) == Deleted([], [])
    assert not await database.write(lifecycle.release, claim, "deleted meanwhile", LATER)
    assert await database.read(blobs.pending_delete, FILES, LATER, 10) == [claim.blob]


async def test_a_lease_runs_out_unless_it_is_renewed(database: Database) -> None:
    kept, lost = await add(database), await add(database)
    held = await claimed(database, kept, lease_expires_at=NOW)
    forgotten = await claimed(database, lost, lease_expires_at=NOW)
    assert await database.write(lifecycle.renew, held, LATER)
    just_after = NOW + timedelta(microseconds=1)
    assert await database.read(lifecycle.expired, just_after, None, 10) == [forgotten]
    assert await database.read(lifecycle.expired, NOW, None, 10) == []


async def test_leases_of_a_dead_process_or_node_are_found_by_its_name(database: Database) -> None:
    owners = "node_1/7", "node_1/70", "nodeX1/7", "node_1x/7"  # the underscore is no wildcard
    claims = [await claimed(database, await add(database), lease_owner=LeaseOwner.parse(owner)) for owner in owners]
    await claimed(database, await add(database), lease_owner=None)
    assert await database.read(lifecycle.expired, NOW, LeaseOwner.parse("node_1/7"), 10) == claims[:1]
    assert await database.read(lifecycle.expired, NOW, NodeId("node_1"), 10) == claims[:2]


async def test_the_oldest_leases_come_first_and_no_more_than_asked(database: Database) -> None:
    ends = [NOW + timedelta(seconds=n) for n in (3, 1, 2)]
    claims = [await claimed(database, await add(database), lease_expires_at=end) for end in ends]
    found = await database.read(lifecycle.expired, LATER, None, 2)
    assert found == [claims[1], claims[2]]


# Deletion


async def test_a_deleted_image_is_found_no_more_and_its_blob_is_pending_delete(database: Database) -> None:
    image = await add(database, tags=("a",), properties={"b": "c"})
    claim = await published(database, image)
    assert await database.write(lifecycle.mark_deleted, image.id, LATER) == Deleted([claim.blob], [])
    assert await database.read(images.find, image.id) is None
    assert await database.read(blobs.pending_delete, FILES, LATER, 10) == [claim.blob]
    assert await database.read(rows(image_tags)) == await database.read(rows(image_properties)) == 0


async def test_an_image_is_deleted_once(database: Database) -> None:
    image = await add(database)
    await published(database, image)
    assert await database.write(lifecycle.mark_deleted, image.id, LATER)
    assert await database.write(lifecycle.mark_deleted, image.id, LATER) is None


async def test_an_upload_whose_image_was_deleted_cannot_publish(database: Database) -> None:
    image = await add(database)
    claim = await claimed(database, image)
    await database.write(lifecycle.mark_deleted, image.id, LATER)
    assert not await database.write(lifecycle.publish, claim, CONTENT, LATER)
    assert not await database.write(lifecycle.renew, claim, LATER)


async def test_deleting_and_publishing_at_once_leaves_no_readable_bytes(database: Database) -> None:
    for _ in range(10):
        image = await add(database)
        claim = await claimed(database, image)
        won, deleted = await asyncio.gather(
            database.write(lifecycle.publish, claim, CONTENT, LATER),
            database.write(lifecycle.mark_deleted, image.id, LATER),
        )
        assert await database.read(images.find, image.id) is None
        assert deleted == Deleted([claim.blob] if won else [], [])


async def test_a_blob_pending_delete_is_forgotten_after_its_bytes_are_gone(database: Database) -> None:
    image = await add(database)
    claim = await published(database, image)
    await database.write(blobs.forget_blob, claim.blob.key)
    assert await database.read(rows(blob_rows)) == 1, "a published blob is never forgotten"
    await database.write(lifecycle.mark_deleted, image.id, LATER)
    await database.write(blobs.forget_blob, claim.blob.key)
    assert await database.read(rows(blob_rows)) == 0


async def test_no_more_blobs_pending_delete_than_asked(database: Database) -> None:
    for _ in range(3):
        image = await add(database)
        await database.write(lifecycle.release, await claimed(database, image), "no", LATER)
    assert len(await database.read(blobs.pending_delete, FILES, LATER, 2)) == 2


async def test_what_is_left_of_a_deleted_image_is_small(database: Database) -> None:
    image = await add(database, name="n" * 255, tags=("t",), properties={"p": "x" * 9999})
    await database.write(lifecycle.mark_deleted, image.id, LATER)

    def left(connection: Connection) -> Any:
        return connection.execute(select(image_rows).where(image_rows.c.id == image.id)).one()

    row = await database.read(left)
    assert (row.owner, row.tags, row.properties) == (MINE, [], {})
