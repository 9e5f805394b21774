"""The list of open uploads: whose it shows, what of them, and page by page."""

from typing import Any

from image_api import Person, Town
from protocols import queued


async def opened(person: Person, size: int = 10) -> dict[str, Any]:
    answer = await person("POST", f"/v2/images/{await queued(person)}/uploads", {"size": size})
    assert answer.status == 201, answer.body
    document: dict[str, Any] = answer.json
    return document


async def send(person: Person, upload: dict[str, Any], first: int, data: bytes) -> None:
    sent = f"bytes {first}-{first + len(data) - 1}/{upload['size']}"
    assert (await person("PUT", upload["url"], data, content_range=sent)).status in (202, 204)


async def listed(person: Person, query: str = "") -> list[dict[str, Any]]:
    answer = await person("GET", f"/v2/uploads{query}")
    assert answer.status == 200, answer.body
    uploads: list[dict[str, Any]] = answer.json["uploads"]
    return uploads


async def test_a_list_says_what_was_received_and_by_whose_upload(erin: Person) -> None:
    upload = await opened(erin)
    await send(erin, upload, 2, b"xyz")
    [shown] = await listed(erin)
    assert {name: shown[name] for name in ("received", "ranges", "offset", "verified", "status", "user_id")} == {
        "received": 3, "ranges": [[2, 4]], "offset": 0, "verified": 0, "status": "receiving", "user_id": "erin",
    }  # fmt: skip
    assert {name: shown[name] for name in ("id", "image_id", "url", "size", "created_at")} == {
        name: upload[name] for name in ("id", "image_id", "url", "size", "created_at")
    }
    assert (await erin("DELETE", shown["url"])).status == 204
    assert await listed(erin) == []


async def test_each_sees_those_that_they_may_resume(
    town: Town, erin: Person, olga: Person, rita: Person, ada: Person
) -> None:
    hers, theirs = await opened(erin), await opened(olga)
    colleague = town.person(user="carl")
    assert [[each["id"] for each in await listed(person)] for person in (erin, colleague, olga, rita)] == [
        [hers["id"]], [hers["id"]], [theirs["id"]], [],
    ]  # fmt: skip
    assert {each["id"] for each in await listed(ada)} == {hers["id"], theirs["id"]}
    # Not even by its id as a marker.
    marked, invented = [await erin("GET", f"/v2/uploads?marker={marker}") for marker in (theirs["id"], "nothing")]
    assert (marked.status, invented.status) == (400, 400)
    assert marked.json["error"]["message"] == invented.json["error"]["message"].replace("nothing", theirs["id"])


async def test_a_list_comes_in_pages(erin: Person) -> None:
    ids = {(await opened(erin))["id"] for _ in range(3)}
    seen, link = [], "/v2/uploads?limit=2"
    while link:
        page = (await erin("GET", link)).json
        assert page["first"] == "/v2/uploads?limit=2"
        seen += [each["id"] for each in page["uploads"]]
        link = page.get("next")
    assert (len(seen), set(seen)) == (3, ids)


async def test_a_list_is_of_one_status_or_of_all(erin: Person) -> None:
    receiving, unsized = await opened(erin), await opened(erin)
    await erin("DELETE", unsized["url"])
    staged = await queued(erin)
    sent = await erin("PUT", f"/v2/images/{staged}/stage", b"x" * 5, content_range="bytes 0-4/5")
    assert sent.status == 204, sent.body
    shown = {status: [each["image_id"] for each in await listed(erin, f"?status={status}")]
             for status in ("receiving", "verifying", "staged")}  # fmt: skip
    assert shown == {"receiving": [receiving["image_id"]], "verifying": [], "staged": [staged]}
    assert {each["status"] for each in await listed(erin)} == {"receiving", "staged"}


async def test_a_query_that_is_not_understood_is_refused(erin: Person) -> None:
    for query in ("status=complete", "limit=-1", "limit=x", "sort=id", "status=staged&status=verifying", "limit=²"):
        assert (await erin("GET", f"/v2/uploads?{query}")).status == 400, query
    assert await listed(erin, "?limit=99999999999999999999999") == []
    assert await listed(erin, "?limit=0") == []
