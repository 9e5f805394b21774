"""IMS: tags with keys and values. All its calls, those of the image API and the member ``tags`` are about one set."""

from typing import Any

import pytest

from image_api import Person
from server import Answer

NO_IMAGE = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a99"


async def tags(person: Person, image_id: str) -> list[tuple[str, str]]:
    answer = await person("GET", f"/v2/{person.project}/images/{image_id}/tags")
    assert answer.status == 200, answer.body
    return [(tag["key"], tag["value"]) for tag in answer.json["tags"]]


async def several(person: Person, image_id: str, action: str, *given: Any) -> Answer:
    body = {"action": action, "tags": list(given)}
    return await person("POST", f"/v2/{person.project}/images/{image_id}/tags/action", body)


def tag(key: str, value: str = "") -> dict[str, str]:
    return {"key": key, "value": value}


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


async def test_every_call_is_about_the_same_tags(erin: Person) -> None:
    image_id = (await erin.create(tags=["plain"]))["id"]
    one = f"/v2/lab/images/{image_id}/tags"
    assert (await erin("POST", one, {"tag": tag("team", " blue ")})).status == 204
    assert (await erin("PUT", "/v1/cloudimages/tags", {"image_id": image_id, "tag": "old.style.x"})).status == 204
    assert (
        await erin("PUT", "/v1/cloudimages/tags", {"image_id": image_id, "image_tag": tag("team", "red")})
    ).status == 204
    assert (await erin("PUT", f"/v2/images/{image_id}/tags/native")).status == 204
    assert (await several(erin, image_id, "create", tag("a", "1"), tag("b"))).status == 204
    expected = [("plain", ""), ("old", "style.x"), ("team", "red"), ("native", ""), ("a", "1"), ("b", "")]
    assert await tags(erin, image_id) == expected
    assert (await erin.show(image_id))["tags"] == ["plain", "old=style.x", "team=red", "native", "a=1", "b"]
    assert (await several(erin, image_id, "delete", tag("a", "other"), {"key": "none"})).status == 204
    gone = {"tags": [tag("b")]}
    assert (await erin("DELETE", f"/v1/lab/cloudimages/{image_id}/tags/delete", gone)).status == 204
    assert (await erin("DELETE", f"{one}/team")).status == 204
    assert refusal(await erin("DELETE", f"{one}/team")) == (404, "IMG.0027")
    assert await tags(erin, image_id) == [("plain", ""), ("old", "style.x"), ("native", "")]


async def test_tags_of_all_images(erin: Person, olga: Person) -> None:
    await erin.create(tags=["team=blue", "solo"])
    await erin.create(tags=["team=red", "team=blue"])
    await olga.create(tags=["team=green"])
    assert (await erin("GET", "/v2/lab/images/tags")).json == {
        "tags": [{"key": "solo", "values": [""]}, {"key": "team", "values": ["blue", "red"]}]
    }
    assert (await erin("GET", "/v1/cloudimages/tags")).json == {"tags": ["solo", "team=blue", "team=red"]}
    assert (await erin("GET", "/v1/cloudimages/tags?limit=2&page=2")).json == {"tags": ["team=red"]}
    assert (await erin("GET", "/v1/cloudimages/tags?__os_type=Windows")).json == {"tags": []}
    assert (await erin("GET", "/v2/cloudimages?tag=team%3Dred")).json["images"][0]["tags"] == ["team=red", "team=blue"]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, {"web-1", "web-2", "db", "bare"}),
        ({"tags": [{"key": "team", "values": ["blue", "red"]}]}, {"web-1", "web-2"}),
        ({"tags": [{"key": "team", "values": []}, {"key": "tier", "values": ["db"]}]}, {"db"}),
        ({"tags_any": [{"key": "team", "values": ["red"]}, {"key": "solo", "values": [""]}]}, {"web-2", "db"}),
        ({"not_tags": [{"key": "team", "values": []}, {"key": "tier", "values": []}]}, {"web-1", "web-2", "bare"}),
        ({"not_tags_any": [{"key": "team", "values": ["blue"]}, {"key": "tier", "values": []}]}, {"web-2", "bare"}),
        ({"without_any_tag": True, "tags": [{"key": "team", "values": []}]}, {"bare"}),
        ({"matches": [{"key": "resource_name", "value": "eb-"}]}, {"web-1", "web-2"}),
        ({"matches": [{"key": "resource_name", "value": "WEB"}]}, set()),
        ({"matches": [{"key": "resource_name", "value": ""}]}, set()),
        ({"matches": [{"key": "resource_id", "value": NO_IMAGE}]}, set()),
        ({"tags": [{"key": "te", "values": []}]}, set()),
    ],
)
async def test_find_images_by_tags(erin: Person, olga: Person, conditions: Any, expected: set[str]) -> None:
    await erin.create(name="web-1", tags=["team=blue"])
    await erin.create(name="web-2", tags=["team=red"])
    await erin.create(name="db", tags=["team=green", "tier=db", "solo"])
    await erin.create(name="bare")
    await olga.create(name="web-foreign", tags=["team=blue"])
    path = "/v2/lab/images/resource_instances/action"
    answer = await erin("POST", path, {"action": "filter", "limit": "10", "offset": "0", **conditions})
    assert answer.status == 200, answer.body
    assert {resource["resource_name"] for resource in answer.json["resources"]} == expected
    assert answer.json["total_count"] == len(expected)
    assert (await erin("POST", path, {"action": "count", **conditions})).json == {"total_count": len(expected)}
    page = (await erin("POST", path, {"action": "filter", "limit": "1", "offset": "1", **conditions})).json
    assert len(page["resources"]) == min(1, max(0, len(expected) - 1))
    assert page["total_count"] == len(expected)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "Filter"},
        {"action": "filter", "limit": "0"},
        {"action": "filter", "limit": "1001"},
        {"action": "filter", "offset": "-1"},
        {"action": "filter", "tags": "x"},
        {"action": "filter", "tags": [{"key": "", "values": []}]},
        {"action": "filter", "tags": [{"key": "k"}]},
        {"action": "filter", "tags": [{"key": "k", "values": ["a", "a"]}]},
        {"action": "filter", "tags": [{"key": "k", "values": []}] * 2},
        {"action": "filter", "tags": [{"key": str(n), "values": []} for n in range(11)]},
        {"action": "filter", "matches": [{"key": "colour", "value": "x"}]},
        {"action": "count", "without_any_tag": "yes"},
    ],
)
async def test_searches_that_are_none(erin: Person, body: Any) -> None:
    assert refusal(await erin("POST", "/v2/lab/images/resource_instances/action", body)) == (400, "IMG.0001")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([tag("", "x")], "IMG.0115"),
        ([tag("k" * 37)], "IMG.0115"),
        ([tag("k", "v" * 44)], "IMG.0115"),
        ([tag("a=b")], "IMG.0115"),
        ([tag("k"), tag("k", "v")], "IMG.0115"),
        ([{"key": "k"}], "IMG.0115"),
        ([], "IMG.0115"),
        ([tag(str(number)) for number in range(11)], "IMG.0116"),
    ],
)
async def test_tags_that_ims_refuses(erin: Person, given: Any, code: str) -> None:
    image_id = (await erin.create())["id"]
    assert refusal(await several(erin, image_id, "create", *given)) == (400, code)
    assert await tags(erin, image_id) == []


async def test_an_image_has_ten_tags(erin: Person) -> None:
    image_id = (await erin.create(tags=[str(number) for number in range(10)]))["id"]
    assert refusal(await several(erin, image_id, "create", tag("new"))) == (400, "IMG.0116")
    assert (await several(erin, image_id, "create", tag("3", "changed"))).status == 204
    assert refusal(await several(erin, image_id, "Create", tag("x"))) == (400, "IMG.0001")
    both = {"image_id": image_id, "tag": "a", "image_tag": tag("a")}
    assert refusal(await erin("PUT", "/v1/cloudimages/tags", both)) == (400, "IMG.0001")


async def test_another_project_in_the_path(erin: Person, olga: Person) -> None:
    image_id = (await erin.create())["id"]
    for method, path, body in (
        ("GET", f"/v2/works/images/{image_id}/tags", None),
        ("GET", "/v2/works/images/tags", None),
        ("POST", f"/v2/works/images/{image_id}/tags", {"tag": tag("a")}),
        ("POST", "/v2/works/images/resource_instances/action", {"action": "count"}),
        ("DELETE", f"/v2/works/images/{image_id}/tags/a", None),
    ):
        assert refusal(await erin(method, path, body)) == (400, "IMG.0030"), path
    assert refusal(await olga("GET", f"/v2/works/images/{image_id}/tags")) == (404, "IMG.0144")


async def test_tags_are_read_of_every_page_of_images(erin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stillage.api.ims.tags.MAX_LIMIT", 2)
    for number in range(5):
        await erin.create(tags=[f"n{number}"])
    assert (await erin("GET", "/v1/cloudimages/tags")).json == {"tags": [f"n{number}" for number in range(5)]}
