"""What nobody should send. Each is a 4xx with a reason, never a 5xx, and changes nothing."""

import json
from typing import Any

import pytest

from image_api import V2_1, Person

MALFORMED = {
    "nothing": b"",
    "half an object": b'{"name": ',
    "two documents": b"{}{}",
    "no UTF-8": b'{"name": "\xff"}',
    "a lone continuation byte": b'{"name": "\x80"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "NaN": b'{"min_disk": NaN}',
    "Infinity": b'{"min_disk": -Infinity}',
    "a comment": b"{/* */}",
    "a trailing comma": b'{"name": "a",}',
    "single quotes": b"{'name': 'a'}",
    "a raw control character": b'{"name": "a\nb"}',
    "deep arrays": b"[" * 100_000,
    "a deep object": b'{"a":' * 100_000,
    "a balanced deep value": b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a number of 5000 digits": b'{"min_disk": ' + b"9" * 5000 + b"}",
    "a key twice": b'{"name": "a", "name": "b"}',
    "a key twice, deep": b'{"os": {"a": 1, "a": 2}}',
    "an escaped key twice": b'{"name": "a", "n\\u0061me": "b"}',
}

VALUES: dict[str, dict[str, Any]] = {
    "NUL in a name": {"name": "a\0b"},
    "half a surrogate pair in a name": {"name": "\ud800"},
    "the other half": {"name": "a\udfffb"},
    "NUL in a property": {"os_distro": "\0"},
    "a surrogate in a property": {"os_distro": "\ud83d"},
    "NUL in a property's name": {"a\0b": "v"},
    "a surrogate in a property's name": {"\udc00": "v"},
    "NUL in a tag": {"tags": ["a\0"]},
    "a surrogate in a tag": {"tags": ["\ud800"]},
    "NUL in an owner": {"owner": "lab\0"},
    "a thousand tags": {"tags": [str(n) for n in range(1000)]},
    "a thousand properties": {f"p{n}": "v" for n in range(1000)},
    "a value beyond 64 KiB": {"os_distro": "x" * (64 * 1024 + 1)},
    "a value of a megabyte": {"os_distro": "x" * (1 << 20)},
    "a nested value": {"os_distro": {"name": {"name": {}}}},
    "a huge number": {"min_disk": 10**400},
    "a float": {"min_ram": 1e308},
    "an id that is no UUID": {"id": "../../etc/passwd"},
    "an id with a newline": {"id": "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11\n"},
    "an id of other digits": {"id": "\u0660d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11"},
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_json(erin: Person, name: str) -> None:
    image = await erin.create(name="before")
    path = f"/v2/images/{image['id']}"
    for method, address, media_type in (
        ("POST", "/v2/images", "application/json"),
        ("PATCH", path, V2_1),
        ("POST", f"{path}/members", "application/json"),
        ("PUT", f"{path}/members/works", "application/json"),
    ):
        answer = await erin(method, address, MALFORMED[name], content_type=media_type)
        assert 400 <= answer.status < 500, (method, address)
        assert answer.message
    assert await erin.names() == ["before"]
    assert await erin.show(image["id"]) == image


@pytest.mark.parametrize("name", VALUES)
async def test_values_that_cannot_be(erin: Person, name: str) -> None:
    image = await erin.create(name="before")
    body = json.dumps(VALUES[name]).encode()
    created = await erin("POST", "/v2/images", body)
    assert 400 <= created.status < 500
    assert created.message
    operations = [
        {"op": "add", "path": f"/{key.replace('~', '~0').replace('/', '~1')}", "value": value}
        for key, value in VALUES[name].items()
    ]
    patched = await erin.patch(image["id"], *operations)
    assert 400 <= patched.status < 500
    assert patched.message
    assert await erin.names() == ["before"]
    assert await erin.show(image["id"]) == image


async def test_a_body_beyond_a_megabyte_is_too_large(erin: Person) -> None:
    answer = await erin("POST", "/v2/images", b'{"name": "' + b"x" * (1 << 20) + b'"}')
    assert answer.status == 413


async def test_a_property_of_64_kib_is_taken(erin: Person) -> None:
    image = await erin.create(text="ü" * 64 * 1024)
    assert (await erin.show(image["id"]))["text"] == "ü" * 64 * 1024
    assert len((await erin.set(image["id"], text="x" * 64 * 1024))["text"]) == 64 * 1024


@pytest.mark.parametrize(
    "name", ["../..", "%", "_", "'; DROP TABLE images; --", "\\", '"', "a\nb\tc", "\u202e", "🐏" * 255]
)
async def test_names_that_look_dangerous_are_only_names(erin: Person, name: str) -> None:
    image = await erin.create(name=name, tags=[name[:50]], text=name)
    assert (await erin.show(image["id"]))["name"] == name
    assert (await erin.set(image["id"], name="a", text=name))["text"] == name
    await erin.set(image["id"], name=name)
    assert await erin.names() == [name]


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=" + "9" * 30 + "x",
        "limit=1&limit=2",
        "marker=%27%3B",
        "marker=%00",
        "marker=" + "x" * 5000,
        "sort=name:asc:desc",
        "sort_key=" + "x" * 5000,
        "name=%00",
        "tag=%00",
        "a%00b=c",
        "colour=%00",
        "size_min=" + "9" * 30,
        "size_max=-" + "9" * 30,
        "min_ram=1.5",
        "created_at=gt:" + "9" * 5000,
        "created_at=gt:0000-00-00",
        "created_at=gt:9999-12-31T23:59:59-14:00",
        "visibility=public&visibility=private",
        "name=in:%22",
    ],
)
async def test_queries_that_cannot_be(erin: Person, query: str) -> None:
    answer = await erin("GET", f"/v2/images?{query}")
    assert answer.status == 400, answer.body
    assert answer.message


@pytest.mark.parametrize(
    "query", ["name=%25", "name=_", "tag=%25", "colour=%25", "name=in:%25,_", "name=%ff", "x=%ED%A0%80"]
)
async def test_wildcards_and_odd_bytes_find_nothing(erin: Person, query: str) -> None:
    await erin.create(name="a", tags=["a"], colour="a")
    answer = await erin("GET", f"/v2/images?{query}")
    assert answer.status < 500
    if answer.status == 200:
        assert answer.json["images"] == []


async def test_many_filters(erin: Person) -> None:
    await erin.create(name="a")
    answer = await erin("GET", "/v2/images?" + "&".join(f"p{n}=v" for n in range(257)))
    assert answer.status == 400
    answer = await erin("GET", "/v2/images?" + "&".join(f"p{n}=v" for n in range(256)))
    assert (answer.status, answer.json["images"]) == (200, [])


@pytest.mark.parametrize(
    "image_id", ["%00", "%2e%2e", "%ff", "a%0ab", "x" * 3000, "%F0%9F%90%8F", "'%20OR%201=1", "%25", "_"]
)
async def test_ids_that_are_none(erin: Person, image_id: str) -> None:
    await erin.create()
    for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/file"), ("PUT", "/tags/t"), ("GET", "/members/x")):
        answer = await erin(method, f"/v2/images/{image_id}{rest}")
        assert answer.status == 404, (method, rest, answer.body)
    assert len((await erin.page())["images"]) == 1


@pytest.mark.parametrize("member_id", ["%00", "%ff", "x" * 3000, "%25", "'%20OR%201=1"])
async def test_members_that_are_none(erin: Person, member_id: str) -> None:
    path = f"/v2/images/{(await erin.create())['id']}/members/{member_id}"
    for method in ("GET", "DELETE"):
        assert (await erin(method, path)).status == 404
    assert (await erin("PUT", path, {"status": "accepted"})).status in (403, 404)
