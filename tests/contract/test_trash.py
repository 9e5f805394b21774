"""Images in the trash on both databases: bytes, what counts, and a process that dies in the middle of a purge."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from stillage.db import blobs, deletions, members, placements, retention, trash, usage
from stillage.db import images as db
from stillage.db.retention import FamilyRule
from stillage.ids import ImageId, ProjectId
from stillage.images.image import Image
from stillage.images.member import MemberStatus
from stillage.images.quota import Usage
from stillage.images.retention import Rule
from stillage.images.status import Status
from stillage.operations.images import always
from stillage.operations.upkeep.sweep import Sweep
from stores import key_of, only
from upload_world import DATA, World

LAB = ProjectId("lab")
HOUR = timedelta(hours=1)


async def stored(world: World, **changes: Any) -> Image:
    upload = await world.open(**changes)
    await world.send(upload, 0, len(DATA))
    return await world.record(upload)


async def delete(world: World, image: Image, purge_at: datetime | None) -> None:
    found = await world.database.write(deletions.delete, image.id, always, world.clock(), {}, purge_at)
    assert found is not None


async def used(world: World) -> Usage:
    return await world.database.read(usage.find, "project:lab")


async def test_a_purge_that_dies_behind_its_transaction_is_finished_by_a_sweep(world: World) -> None:
    image = await stored(world)
    key = await key_of(world.database, image)
    await delete(world, image, world.clock() + HOUR)
    sweep = Sweep(world.database, only(world.store), clock=world.clock)
    assert ((await sweep()).blobs, world.path_of(key).exists(), await used(world)) == (0, True, Usage(len(DATA), 1, 0))
    assert await world.database.read(trash.due, world.clock(), 10) == []
    world.clock.advance(3601)
    (due,) = await world.database.read(trash.due, world.clock(), 10)
    assert (due.image.id, due.image.status) == (image.id, Status.ACTIVE)
    removed = await world.database.write(trash.purge, image.id, {})  # and here the process dies
    assert removed is not None
    assert [blob.key for blob in removed] == [key]
    assert await world.database.write(trash.purge, image.id, {}) is None
    assert await world.database.write(trash.restore, due.image, world.clock()) is None
    assert world.path_of(key).exists()
    assert (await sweep()).blobs == 1
    assert (world.path_of(key).exists(), await used(world)) == (False, Usage())


async def test_a_restored_image_is_whole(world: World) -> None:
    image = await stored(world, name="a", tags=("t",), properties={"os": "x", "delete_at": "2026-01-01"})
    await world.database.write(members.add, image, ProjectId("works"), world.clock())
    await world.database.write(members.set_status, image.id, "works", MemberStatus.REJECTED, world.clock())
    await delete(world, image, world.clock() + HOUR)
    assert await world.database.read(members.list_of, image.id) == []
    (trashed,) = await world.database.read(trash.page, LAB, 10, None)
    restored = await world.database.write(trash.restore, trashed.image, world.clock())
    assert restored is not None
    news: dict[str, Any] = {"version": restored.version, "updated_at": world.clock(), "has_members": True}
    assert restored == replace(image, properties={"os": "x"}, **news)
    assert await world.stored(restored) == DATA
    (member,) = await world.database.read(members.list_of, image.id)
    assert member.status is MemberStatus.REJECTED
    assert await used(world) == Usage(len(DATA), 1, 0)


async def test_damage_that_a_scrub_finds_in_the_trash_is_known_afterwards(world: World) -> None:
    image = await stored(world)
    await delete(world, image, world.clock() + HOUR)
    (placed,) = await world.database.read(trash.page, LAB, 10, None)
    blob = (await world.database.look_up(placements.of_image, image.id))[0].blob
    await world.database.write(blobs.set_damage, blob, "bits have rotted")
    restored = await world.database.write(trash.restore, placed.image, world.clock())
    assert restored is not None
    assert restored.damage == "bits have rotted"


async def test_nothing_is_deleted_against_the_answer(world: World) -> None:
    image = await stored(world)
    no = await world.database.write(deletions.delete, image.id, lambda _connection, _image: False, world.clock(), {})
    assert no is None
    assert await world.database.read(db.get, image.id) == image


async def test_rules_of_families_in_pages(world: World) -> None:
    now = world.clock()
    for owner, family in (("b", "y"), ("a", "z"), ("a", "x")):
        await world.database.write(retention.put, ProjectId(owner), family, Rule(3), now)
    await world.database.write(retention.put, ProjectId("a"), "x", Rule(None, 7), now)
    first = await world.database.read(retention.page, ("", ""), 2)
    assert first == [FamilyRule(ProjectId("a"), "x", Rule(None, 7)), FamilyRule(ProjectId("a"), "z", Rule(3))]
    second = await world.database.read(retention.page, ("a", "z"), 2)
    assert second == [FamilyRule(ProjectId("b"), "y", Rule(3))]
    assert await world.database.write(retention.remove, ProjectId("b"), "y")
    assert not await world.database.write(retention.remove, ProjectId("b"), "y")


async def test_an_image_is_asked_about_once_more_when_it_goes(world: World) -> None:
    ids: list[ImageId] = []
    for _ in range(4):
        ids.append((await stored(world, created_at=world.clock(), properties={"family": "f"})).id)
        world.clock.advance(60)
    old, other, protected, latest = ids
    image = await world.database.read(db.get, protected)
    assert await world.database.write(db.save, image, replace(image, protected=True, version=image.version + 1))

    async def may_go(image_id: ImageId, family: str = "f") -> bool:
        image = await world.database.read(db.get, image_id)
        return await world.database.read(retention.may_go, image, LAB, family)

    assert [await may_go(each) for each in ids] == [True, True, False, False]
    assert not await may_go(old, "g")
    image = await world.database.read(db.get, other)
    await world.database.write(members.add, image, ProjectId("works"), world.clock())
    assert await may_go(other)
    await world.database.write(members.set_status, other, "works", MemberStatus.ACCEPTED, world.clock())
    assert not await may_go(other)
    found = await world.database.read(retention.candidates, LAB, "f")
    assert [(each.image_id, each.is_needed) for each in found] == [
        (latest, False), (protected, True), (other, True), (old, False),
    ]  # fmt: skip
