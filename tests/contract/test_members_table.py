"""Members on every engine."""

import asyncio
from datetime import timedelta

import pytest

from builders import T0, image
from stillage.db import images, lifecycle, members
from stillage.db.session import Database
from stillage.errors import AlreadyExists, ImageNotFound
from stillage.ids import ProjectId
from stillage.images.member import Member, MemberStatus

THEIRS, OTHER = ProjectId("mill"), ProjectId("yard")
LATER = T0 + timedelta(days=1)


@pytest.fixture(autouse=True)
async def stored(database: Database) -> None:
    await database.write(images.add, image())


async def test_a_new_member_is_pending(database: Database) -> None:
    member = await database.write(members.add, image(), THEIRS, LATER)
    assert member == Member(image().id, THEIRS, MemberStatus.PENDING, LATER, LATER)
    assert await database.read(members.find, image().id, THEIRS) == member


async def test_a_project_is_a_member_once(database: Database) -> None:
    await database.write(members.add, image(), THEIRS, T0)
    with pytest.raises(AlreadyExists, match="mill"):
        await database.write(members.add, image(), THEIRS, LATER)


async def test_members_are_listed_the_oldest_first(database: Database) -> None:
    newer = await database.write(members.add, image(), OTHER, LATER)
    older = await database.write(members.add, image(), THEIRS, T0)
    assert await database.read(members.list_of, image().id) == [older, newer]


async def test_a_status_is_set_and_may_be_set_back(database: Database) -> None:
    await database.write(members.add, image(), THEIRS, T0)
    for status in (MemberStatus.ACCEPTED, MemberStatus.REJECTED, MemberStatus.PENDING):
        member = await database.write(members.set_status, image().id, THEIRS, status, LATER)
        assert member == Member(image().id, THEIRS, status, T0, LATER)


async def test_who_is_no_member_has_no_status(database: Database) -> None:
    assert await database.read(members.find, image().id, THEIRS) is None
    assert await database.write(members.set_status, image().id, THEIRS, MemberStatus.ACCEPTED, LATER) is None


async def test_a_share_ends_once(database: Database) -> None:
    await database.write(members.add, image(), THEIRS, T0)
    assert await database.write(members.remove, image().id, THEIRS)
    assert not await database.write(members.remove, image().id, THEIRS)
    assert await database.read(members.list_of, image().id) == []


async def test_deleting_an_image_ends_its_shares(database: Database) -> None:
    await database.write(members.add, image(), THEIRS, T0)
    await database.write(lifecycle.mark_deleted, image().id, LATER)
    assert await database.read(members.list_of, image().id) == []


async def test_the_record_says_whether_there_are_members(database: Database) -> None:
    async def says() -> bool:
        return (await database.read(images.get, image().id)).has_members

    assert not await says()
    for project in (THEIRS, OTHER):
        await database.write(members.add, image(), project, T0)
        assert await says()
    await database.write(members.remove, image().id, THEIRS)
    assert await says()
    await database.write(members.remove, image().id, OTHER)
    assert not await says()


async def test_the_record_says_so_whoever_is_first(database: Database) -> None:
    """One project is removed while another one is added, again and again."""
    await database.write(members.add, image(), THEIRS, T0)
    for before, after in [(THEIRS, OTHER), (OTHER, THEIRS)] * 5:
        await asyncio.gather(
            database.write(members.remove, image().id, before), database.write(members.add, image(), after, T0)
        )
        assert (await database.read(images.get, image().id)).has_members


async def test_a_deleted_image_gets_no_members(database: Database) -> None:
    await database.write(lifecycle.mark_deleted, image().id, LATER)
    with pytest.raises(ImageNotFound):
        await database.write(members.add, image(), THEIRS, LATER)
