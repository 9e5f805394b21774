"""Streams of events: what is told, to whom, and how a stream goes on and ends."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest
from aiohttp import ClientSession

from event_stream import EventStream, event_stream
from fakes import Clock
from image_api import Person, Town
from protocols import queued
from stillage.accounts.principal import Principal
from stillage.api.services import SERVICES
from stillage.errors import Unauthenticated
from stillage.ids import ProjectId, UserId
from stillage.images.event import position_of
from stillage.operations.events import hub


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "READ_EVERY_S", 0.02)


def listening(town: Town, person: Person, **headers: str) -> AbstractAsyncContextManager[EventStream]:
    return event_stream(town.session, town.url, X_Auth_Token=person.token, **headers)


async def test_the_life_of_an_image_is_told(town: Town, erin: Person) -> None:
    async with listening(town, erin) as stream:
        image_id = await queued(erin)
        created = await stream.until("image", id=image_id)
        assert (created["change"], created["status"], created["owner"]) == ("created", "queued", "lab")
        assert (await erin.upload(image_id, b"x" * 512)).status == 204
        assert (await stream.until("image", id=image_id, status="active"))["change"] == "status"
        await erin.set(image_id, name="renamed")
        assert (await stream.until("image", id=image_id, name="renamed"))["change"] == "changed"
        assert (await erin("DELETE", f"/v2/images/{image_id}")).status == 204
        assert (await stream.until("image", id=image_id, change="deleted"))["status"] == "deleted"


async def test_an_upload_is_told_while_it_grows_and_when_it_ends(
    town: Town, erin: Person, rita: Person, clock: Clock
) -> None:
    async with listening(town, erin) as stream, listening(town, rita) as reader:
        image_id = await queued(erin)
        upload = (await erin("POST", f"/v2/images/{image_id}/uploads", {"size": 10})).json
        opened = await stream.until("upload", id=upload["id"])
        assert (opened["image_id"], opened["received"], opened["status"]) == (image_id, 0, "receiving")
        clock.advance(1)
        assert (await erin("PUT", upload["url"], b"abc", content_range="bytes 4-6/10")).status == 202
        assert (await stream.until("upload", received=3))["offset"] == 0
        await erin("DELETE", upload["url"])
        assert (await stream.until("upload", status="ended"))["id"] == upload["id"]
        # Who may not upload to the image is told of the image alone.
        marker = await queued(erin)
        told: list[tuple[str, str]] = []
        while told[-1:] != [("image", marker)]:
            name, data = await reader.next()
            told.append((name, data["id"]))
        assert {name for name, _ in told} == {"image"}


async def test_a_job_is_told_to_the_project_that_asked_for_it(town: Town, erin: Person, olga: Person) -> None:
    async with listening(town, erin) as stream, listening(town, olga) as other:
        image_id = await queued(erin)
        assert (await erin("PUT", f"/v2/images/{image_id}/stage", b"x" * 512)).status == 204
        wanted = {"method": {"name": "glance-direct"}}
        assert (await erin("POST", f"/v2/images/{image_id}/import", wanted)).status == 202
        job = await stream.until("job", image_id=image_id)
        assert (job["state"], job["kind"], job["message"]) == ("accepted", "import.staged", None)
        theirs = await queued(olga)
        assert (await other.next())[1]["id"] == theirs


async def test_what_may_not_be_seen_leaves_no_trace(town: Town, erin: Person, olga: Person, ada: Person) -> None:
    async with listening(town, olga) as stream:
        shared, hidden = await queued(erin), await queued(erin)
        await erin.share(shared, "works")
        await erin.set(shared, name="for works")
        await erin.set(hidden, name="secret")
        await erin("DELETE", f"/v2/images/{hidden}")
        public = await queued(ada)
        await ada.set(public, visibility="public")
        told = set()
        while public not in told:
            name, data = await stream.next()
            assert name == "image"
            told.add(data["id"])
        assert told == {shared, public}


async def test_a_stream_goes_on_where_another_broke(town: Town, erin: Person, olga: Person) -> None:
    async with listening(town, erin) as stream:
        position = await stream.position() if not stream.last_id else stream.last_id
    missed, theirs = await queued(erin), await queued(olga)
    async with listening(town, erin, Last_Event_ID=position) as stream:
        told = await stream.until("image", id=missed)
        assert told["status"] == "queued"
        marker = await queued(erin)
        while (data := (await stream.next())[1])["id"] != marker:
            assert data["id"] != theirs


@pytest.mark.parametrize(("ago_s", "is_reset"), [(3600, True), (-3600, True), (60, False)])
async def test_who_comes_back_after_long_is_told_to_read_everything(
    town: Town, erin: Person, ago_s: int, is_reset: bool
) -> None:
    then = town.worker.clock().timestamp() - ago_s
    position = position_of(town.worker.clock().fromtimestamp(then, tz=town.worker.clock().tzinfo))
    async with listening(town, erin, Last_Event_ID=position) as stream:
        if not is_reset:
            await queued(erin)
        assert (await stream.next())[0] == ("reset" if is_reset else "image")


async def test_a_position_that_is_none_is_ignored(town: Town, erin: Person) -> None:
    async with listening(town, erin, Last_Event_ID="x" * 500) as stream:
        image_id = await queued(erin)
        assert (await stream.next())[1]["id"] == image_id


async def test_credentials_are_looked_at_before_something_is_told_and_not_while_nothing_is(
    town: Town, erin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "BEAT_EVERY", 1_000_000)
    events, looks = town.application[SERVICES].events, 0

    async def look() -> Principal:
        nonlocal looks
        looks += 1
        raise Unauthenticated

    member = Principal(UserId("erin"), ProjectId("lab"), frozenset({"member", "reader"}))
    async with asyncio.timeout(60), events.stream(member, "key", look, None) as stream:
        told = stream.batches()
        assert not (await anext(told)).events  # where it begins
        while events._quiet < 5:  # noqa: ASYNC110 - readings wake nobody
            await asyncio.sleep(0.01)
        assert looks == 0
        await queued(erin)
        assert [batch async for batch in told] == []
        assert looks == 1


async def test_all_streams_end_when_the_server_stops(town: Town, erin: Person) -> None:
    async with listening(town, erin) as stream:
        town.application[SERVICES].events.close()
        assert await stream.ended()
    async with ClientSession() as session:
        headers = {"X-Auth-Token": erin.token}
        async with session.get(f"{town.url}/v2/events", headers=headers) as late:
            assert b"data" not in await late.read()


async def test_too_many_streams_are_refused(town: Town, erin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(town.application[SERVICES].events._places, "_each", 1)
    async with listening(town, erin):
        answer = await erin("GET", "/v2/events")
        assert (answer.status, answer.json["error"]["stillage_code"]) == (429, "too_many_requests")
    async with asyncio.timeout(60):
        while True:  # until the server has noticed that the other has left
            async with town.session.get(f"{town.url}/v2/events", headers={"X-Auth-Token": erin.token}) as response:
                if response.status == 200:
                    break
