"""Deleted images that can be restored for some days, and rules of which images of a family are kept."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest

from fakes import Clock
from image_api import Person, Town
from job_world import eventually

Serve = Callable[..., AbstractAsyncContextManager[Town]]
DAYS = 7
DATA = b"y" * 4096


@pytest.fixture
async def town(serve: Serve) -> AsyncIterator[Town]:
    async with serve(trash_days=DAYS, deleted_download_s=0) as town:
        yield town


async def trash(person: Person, query: str = "") -> list[dict[str, Any]]:
    answer = await person("GET", f"/v2/trash{query}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["trash"]
    return found


async def deleted(person: Person, **attributes: object) -> dict[str, Any]:
    image = await person.stored(DATA, **attributes)
    assert (await person("DELETE", f"/v2/images/{image['id']}")).status == 204
    return image


async def used(person: Person) -> tuple[int, int]:
    usage = (await person("GET", "/v2/usage")).json["usage"][0]["usage"]
    return usage["bytes"], usage["images"]


async def restore(person: Person, image_id: str) -> int:
    return (await person("POST", f"/v2/trash/{image_id}/restore")).status


async def test_a_deleted_image_is_gone_and_comes_back_as_it_was(erin: Person, olga: Person, clock: Clock) -> None:
    image = await erin.stored(DATA, name="a", tags=["t"], os_distro="debian", min_disk=3)
    image_id = image["id"]
    for project, status in (("works", "accepted"), ("ops", "pending")):
        await erin.share(image_id, project)
        if status == "accepted":
            assert (await olga.answer(image_id, status)).status == 200
    members = (await erin("GET", f"/v2/images/{image_id}/members")).json["members"]
    assert (await erin("DELETE", f"/v2/images/{image_id}")).status == 204
    for path in ("", "/file", "/members"):
        assert (await erin("GET", f"/v2/images/{image_id}{path}")).status == 404
    assert (await erin("DELETE", f"/v2/images/{image_id}")).status == 404
    assert (await erin("POST", "/v2/images", {"id": image_id})).status == 409
    assert (await erin.names(), await erin.names("?tag=t"), await erin.names("?os_distro=debian")) == ([], [], [])
    assert await olga.names() == []
    (shown,) = await trash(erin)
    assert (shown["id"], shown["name"], shown["size"], shown["tags"]) == (image_id, "a", len(DATA), ["t"])
    assert shown["purge_at"] == (clock() + timedelta(days=DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    clock.advance(60)
    answer = await erin("POST", f"/v2/trash/{image_id}/restore")
    assert (answer.status, answer.json) == (200, await erin.show(image_id))
    assert answer.json == image | {"updated_at": answer.json["updated_at"]}
    assert (await erin("GET", f"/v2/images/{image_id}/file")).body == DATA
    assert (await erin.names("?tag=t"), await erin.names("?os_distro=debian")) == (["a"], ["a"])
    assert await olga.names() == ["a"]
    again = (await erin("GET", f"/v2/images/{image_id}/members")).json["members"]
    assert [(m["member_id"], m["status"]) for m in again] == [(m["member_id"], m["status"]) for m in members]
    assert await trash(erin) == []


async def test_it_counts_until_it_is_purged(town: Town, erin: Person, clock: Clock) -> None:
    image = await deleted(erin)
    assert await used(erin) == (len(DATA), 1)
    clock.advance(DAYS * 86400 - 1)
    await town.worker.lifecycle()
    assert len(await trash(erin)) == 1
    clock.advance(2)
    await town.worker.lifecycle()
    assert (await trash(erin), await used(erin)) == ([], (0, 0))
    assert await restore(erin, image["id"]) == 404

    async def recorded() -> bool:
        events = (await erin("GET", "/v2/audit?user=upkeep")).json["events"]
        return [(event["action"], event["target"]["id"]) for event in events] == [("delete/purge", image["id"])]

    await eventually(recorded)


async def test_whoever_may_delete_it_purges_it_at_once(erin: Person, rita: Person, olga: Person, ada: Person) -> None:
    first, second = [await deleted(erin, visibility="community") for _ in range(2)]
    path = f"/v2/trash/{first['id']}"
    assert [(await person("DELETE", path)).status for person in (rita, olga, erin, erin)] == [403, 404, 204, 404]
    assert [await restore(person, second["id"]) for person in (rita, olga, ada)] == [403, 404, 200]
    assert [await trash(person) for person in (rita, olga, ada)] == [[], [], []]
    assert await used(erin) == (len(DATA), 1)


async def test_bytes_that_another_image_has_stay(town: Town, erin: Person) -> None:
    first = await deleted(erin, name="a")
    assert await restore(erin, first["id"]) == 200
    assert (await erin("DELETE", f"/v2/images/{first['id']}")).status == 204
    other = await erin.stored(DATA, name="b")
    assert (await erin("DELETE", f"/v2/trash/{first['id']}")).status == 204
    assert (await town.worker.sweep()).blobs == 0
    assert (await erin("GET", f"/v2/images/{other['id']}/file")).body == DATA
    assert await used(erin) == (len(DATA), 1)


async def test_what_has_no_data_is_deleted_at_once_and_a_deactivated_image_stays_one(erin: Person) -> None:
    queued = await erin.create()
    assert (await erin("DELETE", f"/v2/images/{queued['id']}")).status == 204
    image = await erin.stored(DATA)
    assert (await erin("POST", f"/v2/images/{image['id']}/actions/deactivate")).status == 204
    assert (await erin("DELETE", f"/v2/images/{image['id']}")).status == 204
    assert [each["id"] for each in await trash(erin)] == [image["id"]]
    assert await restore(erin, image["id"]) == 200
    assert (await erin.show(image["id"]))["status"] == "deactivated"


async def test_pages_of_the_trash(erin: Person, clock: Clock) -> None:
    for name in "abc":
        await deleted(erin, name=name)
        clock.advance(1)
    answer = await erin("GET", "/v2/trash?limit=2")
    assert [image["name"] for image in answer.json["trash"]] == ["c", "b"]
    marker = answer.json["trash"][-1]["id"]
    assert answer.json["next"].endswith(f"/v2/trash?limit=2&marker={marker}")
    assert [image["name"] for image in await trash(erin, f"?limit=2&marker={marker}")] == ["a"]
    assert (await erin("GET", "/v2/trash?limit=x")).status == 400


async def test_without_the_setting_there_is_no_trash(serve: Serve) -> None:
    async with serve(deleted_download_s=0) as town:
        erin = town.person()
        image = await deleted(erin)
        assert (await trash(erin), await used(erin)) == ([], (0, 0))
        assert await restore(erin, image["id"]) == 404


# Rules of families


async def family(person: Person, clock: Clock, *names: str, **attributes: object) -> dict[str, str]:
    """Return the ids of new images of the family `f`, a day apart."""
    ids = {}
    for name in names:
        ids[name] = (await person.stored(DATA, name=name, **{"family": "f"} | attributes))["id"]
        clock.advance(86400)
    return ids


async def test_a_rule_is_shown_before_it_is_set_and_applied_by_upkeep(town: Town, erin: Person, clock: Clock) -> None:
    ids = await family(erin, clock, *"abcde")
    await family(erin, clock, "other", family="g")
    await erin.set(ids["a"], protected=True)
    assert (await erin("GET", "/v2/retention/f")).status == 404
    dry = (await erin("GET", "/v2/retention/f?keep_newest=2")).json
    assert ([image["name"] for image in dry["removes"]], dry["keep_days"]) == (["c", "b"], None)
    both = (await erin("GET", "/v2/retention/f?keep_newest=1&keep_days=4")).json
    assert [image["name"] for image in both["removes"]] == ["b"]
    await town.worker.lifecycle()
    assert len(await erin.names()) == 6
    assert (await erin("PUT", "/v2/retention/f", {"keep_newest": 2})).json == dry
    assert (await erin("GET", "/v2/retention")).json["retention"] == [
        {"family": "f", "keep_newest": 2, "keep_days": None}
    ]
    await town.worker.lifecycle()
    assert await erin.names() == ["other", "e", "d", "a"]
    assert await restore(erin, ids["b"]) == 200
    assert (await erin.show(ids["b"]))["retention"] == "exempt"
    await town.worker.lifecycle()
    assert await erin.names() == ["other", "e", "d", "b", "a"]
    assert (await erin("DELETE", "/v2/retention/f")).status == 204
    assert (await erin("DELETE", "/v2/retention/f")).status == 404


async def test_a_rule_leaves_what_others_need_and_the_latest(
    town: Town, erin: Person, olga: Person, clock: Clock
) -> None:
    ids = await family(erin, clock, *"abcdef")
    foreign = await family(olga, clock, "foreign")
    await erin.share(ids["a"], olga.project)
    await olga.answer(ids["a"], "accepted")
    await erin.share(ids["b"], olga.project)  # and never answered
    for name in "def":
        assert (await erin("POST", f"/v2/images/{ids[name]}/actions/deprecate")).status == 204
    assert (await erin("PUT", "/v2/retention/f", {"keep_days": 1})).status == 200
    clock.advance(30 * 86400)
    await town.worker.lifecycle()
    assert await erin.names() == ["c", "a"]
    assert (await olga.show(foreign["foreign"]))["status"] == "active"


@pytest.mark.parametrize(
    "body", [{}, {"keep_newest": 0}, {"keep_days": "many"}, {"keep_newest": True}, {"keep": 1}, {"keep_days": None}]
)
async def test_bad_rules(erin: Person, body: dict[str, object]) -> None:
    assert (await erin("PUT", "/v2/retention/f", body)).status == 400


async def test_rules_of_a_project_are_its_own(erin: Person, rita: Person, olga: Person) -> None:
    assert (await erin("PUT", "/v2/retention/f", {"keep_newest": 1})).status == 200
    assert (await rita("PUT", "/v2/retention/f", {"keep_newest": 1})).status == 403
    assert (await rita("GET", "/v2/retention/f")).status == 200
    assert (await olga("GET", "/v2/retention/f")).status == 404
    assert (await olga("DELETE", "/v2/retention/f")).status == 404
