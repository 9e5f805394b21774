"""The audit in the database, on every engine: what is kept, found and forgotten."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import builders
from stillage.accounts.principal import Principal
from stillage.audit.event_ids import event_id
from stillage.audit.ring import Ring
from stillage.audit.trail import Event
from stillage.db import audit_events, images
from stillage.db.audit_events import Query
from stillage.db.session import Database
from stillage.errors import Unavailable
from stillage.ids import ProjectId, UserId
from stillage.images.access import Access
from stillage.operations.audit import Audit, Kept

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LAB, WORKS = ProjectId("lab"), ProjectId("works")
ALL = Query(limit=100)


def an_event(second: int, project: str | None = "lab", target: str = "t", action: str = "create") -> dict[str, Any]:
    initiator = {"id": f"user of {project}", "project_id": project, "host": {"address": "192.0.2.1"}}
    return {
        "id": event_id(NOW + timedelta(seconds=second)),
        "action": action,
        "initiator": {name: part for name, part in initiator.items() if part},
        "target": {"id": target},
        "second": second,
    }


async def seconds(database: Database, query: Query) -> list[int]:
    return [event["second"] for event in await database.read(audit_events.find, query)]


async def test_events_are_found_by_what_is_asked(database: Database) -> None:
    first = [an_event(0), an_event(1, "works", "u"), an_event(2, None, action="create/tag")]
    await database.write(audit_events.add, first)
    await database.write(audit_events.add, [an_event(3, target="a\0\ud800", action="created")])
    assert await seconds(database, ALL) == [3, 2, 1, 0]
    assert await seconds(database, replace(ALL, limit=2)) == [3, 2]
    assert await seconds(database, replace(ALL, before=first[2]["id"])) == [1, 0]
    assert await seconds(database, replace(ALL, since=first[1]["id"])) == [3, 2, 1]
    assert await seconds(database, replace(ALL, target="u")) == [1]
    assert await seconds(database, replace(ALL, user="user of lab")) == [3, 0]
    assert await seconds(database, replace(ALL, action="create")) == [2, 1, 0]
    assert await seconds(database, replace(ALL, action="%")) == []
    assert await seconds(database, replace(ALL, project_id=LAB)) == [3, 0]


async def test_a_project_sees_what_concerns_it_and_less_of_others(database: Database) -> None:
    image = replace(builders.image(), owner=WORKS)
    await database.write(images.add, image)
    events = [an_event(0, "works", image.id), an_event(1, "lab", image.id), an_event(2, "lab")]
    await database.write(audit_events.add, events)
    audit = Audit(database, access=Access({}), kept=Kept(10, 60), clock=lambda: NOW)
    member = Principal(UserId("m"), WORKS, frozenset({"member", "reader"}))
    seen = await audit.page(member, ALL)
    assert [event["second"] for event in seen] == [1, 0]
    assert ["host" in event["initiator"] for event in seen] == [False, True]
    admin = replace(member, roles=frozenset({"admin"}))
    assert len([event for event in await audit.page(admin, ALL) if "host" in event["initiator"]]) == 3


async def test_what_is_old_or_too_much_is_forgotten(database: Database) -> None:
    await database.write(audit_events.add, [an_event(second) for second in range(6)])
    audit = Audit(database, access=Access({}), kept=Kept(4, 60), clock=lambda: NOW)
    assert await audit.forget_old() == 2
    assert await seconds(database, ALL) == [5, 4, 3, 2]
    later = Audit(database, access=Access({}), kept=Kept(4, 60), clock=lambda: NOW + timedelta(seconds=64))
    assert await later.forget_old() == 2
    assert await seconds(database, ALL) == [5, 4]
    assert await Audit(database, access=Access({}), kept=Kept(0, 60), clock=lambda: NOW).forget_old() == 2


class Keeper:
    """Keeps events, and fails as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.kept: list[Event] = []
        self.lost = 0

    async def __call__(self, events: Any) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.kept += events

    def dropped(self, count: int) -> None:
        self.lost += count


async def test_events_are_written_together_and_the_last_ones_when_the_server_stops() -> None:
    keeper = Keeper()
    ring = Ring(keeper, dropped=keeper.dropped, gathered_s=3600)
    for second in range(5):
        await ring.write(an_event(second))
    await asyncio.sleep(0)
    assert keeper.kept == []
    await ring.close()
    assert [event["second"] for event in keeper.kept] == [0, 1, 2, 3, 4]
    assert keeper.lost == 0


async def test_what_cannot_be_kept_is_counted() -> None:
    keeper = Keeper(ValueError("no such column"))
    ring = Ring(keeper, dropped=keeper.dropped, waiting=2, gathered_s=0)
    for second in range(4):
        await ring.write(an_event(second))
    assert keeper.lost == 2  # the queue takes two
    await ring.close()
    assert (keeper.lost, keeper.kept) == (4, [])


async def test_a_database_that_is_away_for_a_moment_loses_nothing() -> None:
    keeper = Keeper(Unavailable("away"))
    ring = Ring(keeper, dropped=keeper.dropped, gathered_s=0)
    await ring.write(an_event(0))
    await ring.close()
    assert ([event["second"] for event in keeper.kept], keeper.lost) == ([0], 0)
