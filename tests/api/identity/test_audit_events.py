"""`GET /v2/audit`: what was changed, for administrators and for the project that it concerns."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import ClientSession

from asking import headers_of
from fakes import Clock

RAW = {"disk_format": "raw", "container_format": "bare"}
WITHIN_S = 60


async def read(api: ClientSession, query: str = "", user: str = "root", status: int = 200) -> Any:
    async with api.get(f"/v2/audit{query}", headers=await headers_of(api, user)) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def images(api: ClientSession, clock: Clock, count: int, user: str = "erin") -> list[str]:
    """Create images, and wait until the audit shows them."""
    headers, made = await headers_of(api, user), []
    for _ in range(count):
        clock.advance(1)
        async with api.post("/v2/images", json=RAW, headers=headers) as response:
            made.append((await response.json())["id"])
    async with asyncio.timeout(WITHIN_S):
        while not (await read(api, f"?target={made[-1]}"))["events"]:  # noqa: ASYNC110 - of a server
            await asyncio.sleep(0.05)
    return made


async def test_events_are_filtered_and_paged(api: ClientSession, clock: Clock) -> None:
    made = await images(api, clock, 3)
    page = await read(api, "?action=create&limit=2")
    assert [event["target"]["id"] for event in page["events"]] == [made[2], made[1]]
    rest = await read(api, "?" + page["next"].partition("?")[2])
    assert [event["target"]["id"] for event in rest["events"]] == [made[0]]
    assert "next" not in rest
    [event] = (await read(api, f"?target={made[0]}"))["events"]
    assert (event["initiator"]["name"], event["initiator"]["host"]["address"]) == ("erin", "127.0.0.1")
    user, time = event["initiator"]["id"], event["eventTime"].replace("+00:00", "Z")
    assert len((await read(api, f"?user={user}&action=create"))["events"]) == 3
    assert (await read(api, f"?until={time}&action=create"))["events"] == []
    assert len((await read(api, f"?since={time}&action=create"))["events"]) == 3


async def test_others_see_what_concerns_their_project(api: ClientSession, clock: Clock) -> None:
    await images(api, clock, 1)
    [own] = await images(api, clock, 1, "root")
    seen = (await read(api, user="erin"))["events"]
    assert {event["initiator"]["name"] for event in seen if "project_id" in event["initiator"]} == {"erin"}
    assert own not in {event["target"]["id"] for event in seen}
    assert own in {event["target"]["id"] for event in (await read(api))["events"]}


async def test_everything_is_exported_as_lines(
    api: ClientSession, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stillage.operations.audit.AT_ONCE", 2)
    made = await images(api, clock, 5)
    async with api.get("/v2/audit?format=jsonl&action=create&limit=1", headers=await headers_of(api, "root")) as got:
        assert got.headers["Content-Disposition"] == 'attachment; filename="audit.jsonl"'
        lines = [json.loads(line) for line in (await got.text()).splitlines()]
    assert [event["target"]["id"] for event in lines] == made[::-1]


@pytest.mark.parametrize("query", ["since=x", "until=1", "limit=0", "format=csv", "target=%00", "usr=a", "marker=%00"])
async def test_what_cannot_be_asked_is_refused(api: ClientSession, query: str) -> None:
    await read(api, f"?{query}", status=400)
