"""What a reader of changes finds, on every engine: each change once, whatever process made it."""

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import Connection

import builders
from fakes import Clock
from plans import plans_of
from stillage.db import events, images, jobs, lifecycle, members
from stillage.db.events import Known
from stillage.db.session import Database
from stillage.ids import ImageId, JobId, ProjectId, UserId
from stillage.images.access import Access
from stillage.images.event import ImageChange
from stillage.images.job import NewJob
from stillage.operations.events.telling import events_of


async def test_a_change_is_found_once_by_each_reader(database: Database, clock: Clock) -> None:
    image = builders.image(id=ImageId(str(uuid4())), created_at=clock(), updated_at=clock())
    since = clock() - timedelta(seconds=20)
    first = (await database.read(events.since, since, Known()))[1]
    await database.write(images.add, image)
    await database.write(members.add, image, ProjectId("works"), clock())
    changes, known = await database.read(events.since, since, first)
    assert [each.id for each in changes.images] == [image.id]
    assert changes.members == {image.id: frozenset({ProjectId("works")})}
    again, _ = await database.read(events.since, since, known)
    assert (again.images, again.jobs, again.uploads, again.ended) == ([], [], [], [])
    other, _ = await database.read(events.since, since, first)
    assert [each.id for each in other.images] == [image.id]
    none, _ = await database.read(events.since, clock(), Known())
    assert none.images == []


async def test_deleted_images_and_jobs_are_found(database: Database, clock: Clock) -> None:
    image = builders.image(id=ImageId(str(uuid4())), created_at=clock(), updated_at=clock())
    await database.write(images.add, image)
    new = NewJob(JobId(str(uuid4())), "tests", ProjectId("lab"), UserId("erin"), image.id)
    await database.write(jobs.enqueue, new, clock())
    since = clock() - timedelta(seconds=20)
    changes, known = await database.read(events.since, since, Known())
    assert [job.id for job in changes.jobs] == [new.id]
    await database.write(lifecycle.mark_deleted, image.id, clock())
    changes, _ = await database.read(events.since, since, known)
    told = list(events_of(changes, Access(), {}, since))
    assert told[0].document["change"] == ImageChange.DELETED
    assert [job.id for job in changes.jobs] == [new.id]  # it ended with its image
    shown = [event.is_shown_to(builders.principal(project)) for event in told for project in ("lab", "works")]
    assert shown == [True, False] * 2


async def test_more_than_can_be_told_is_told_as_such(database: Database, clock: Clock) -> None:
    def add_many(connection: object) -> None:
        for _ in range(3):
            images.add(connection, builders.image(id=ImageId(str(uuid4())), updated_at=clock()))  # type: ignore[arg-type]

    await database.write(add_many)
    before, events.MOST = events.MOST, 2
    try:
        changes, _ = await database.read(events.since, clock() - timedelta(seconds=20), Known())
    finally:
        events.MOST = before
    assert changes.overflow


async def test_changed_images_are_found_by_indexes(database: Database, clock: Clock) -> None:
    def look(connection: Connection) -> object:
        return events.since(connection, clock(), Known())

    found = " ".join(await database.read(plans_of, look))
    assert "ix_images_updated_at" in found
    assert "ix_images_deleted_at" in found
