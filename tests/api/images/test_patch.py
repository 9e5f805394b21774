"""PATCH /v2/images/{image_id}: the table of operations, for both media types; values; one save for all of it."""

from typing import Any

import pytest

from image_api import V2_0, V2_1, Person

MEDIA_TYPES = pytest.mark.parametrize("media_type", [V2_1, V2_0], ids=["v2.1", "v2.0"])


def step(media_type: str, op: str, path: str, *value: Any) -> dict[str, Any]:
    """Return one operation as *media_type* writes it."""
    head = {"op": op, "path": path} if media_type == V2_1 else {op: path}
    return head | ({"value": value[0]} if value else {})


THE_SERVERS = ["id", "status", "checksum", "size", "virtual_size", "created_at", "updated_at", "self", "file", "schema"]
THE_SERVERS += [
    "os_hash_algo",
    "os_hash_value",
    "direct_url",
    "stores",
    "location",
    "locations",
    "deleted",
    "deleted_at",
]
THE_SERVERS += ["os_glance_x", "os_stillage_reason"]

# op, path, value; status under v2.1 and v2.0. The image has the property `os_distro` and nothing else.
TABLE: list[tuple[str, str, tuple[Any, ...], int, int]] = [
    ("add", "/new", ("v",), 200, 200),
    ("add", "/os_distro", ("v",), 200, 409),
    ("add", "/name", ("v",), 200, 409),
    ("add", "/tags", (["v"],), 200, 409),
    ("add", "/protected", (True,), 200, 409),
    ("replace", "/os_distro", ("v",), 200, 200),
    ("replace", "/name", ("v",), 200, 200),
    ("replace", "/missing", ("v",), 409, 409),
    ("remove", "/os_distro", (), 200, 200),
    ("remove", "/os_distro", ("ignored",), 200, 200),
    ("remove", "/missing", (), 409, 409),
    *[
        ("remove", f"/{name}", (), 403, 403)
        for name in ["name", "tags", "disk_format", "container_format", "visibility", "min_disk", "owner", "protected"]
    ],
    ("add", "/new", (), 400, 400),
    ("replace", "/os_distro", (), 400, 400),
    *[(op, f"/{name}", ("v",), 403, 403) for op in ("add", "replace", "remove") for name in THE_SERVERS],
    ("add", "/locations/-", ({},), 403, 403),
    ("replace", "/locations", ([],), 403, 403),
    ("replace", "/visibility", ("secret",), 400, 400),
    ("replace", "/disk_format", ("exe",), 400, 400),
    ("replace", "/name", ("x" * 256,), 400, 400),
    ("replace", "/name", (1,), 400, 400),
    ("replace", "/min_disk", (-1,), 400, 400),
    ("replace", "/min_ram", (2**31,), 400, 400),
    ("replace", "/min_ram", (None,), 400, 400),
    ("replace", "/protected", ("true",), 400, 400),
    ("replace", "/os_distro", (1,), 400, 400),
    ("replace", "/os_distro", (None,), 400, 400),
    ("add", "/new", (True,), 400, 400),
    ("add", "/new", ("x" * (64 * 1024 + 1),), 400, 400),
    ("add", "/" + "x" * 256, ("v",), 400, 400),
    ("add", "/", ("v",), 400, 400),
    ("add", "", ("v",), 400, 400),
    ("add", "new", ("v",), 400, 400),
    ("add", "//new", ("v",), 400, 400),
    ("add", "/new/", ("v",), 400, 400),
    ("add", "/a/b", ("v",), 400, 400),
    ("add", "/tags/-", ("v",), 400, 400),
    ("add", "/a~b", ("v",), 400, 400),
    ("add", "/a~", ("v",), 400, 400),
    ("add", "/a~2", ("v",), 400, 400),
    ("replace", "/owner", ("works",), 403, 403),
    ("replace", "/visibility", ("public",), 403, 403),
    ("replace", "/visibility", ("community",), 200, 200),
    ("replace", "/name", (None,), 200, 200),
    ("replace", "/disk_format", (None,), 200, 200),
    ("replace", "/container_format", (None,), 200, 200),
    ("replace", "/tags", ([str(n) for n in range(129)],), 413, 413),
]


@MEDIA_TYPES
@pytest.mark.parametrize(("op", "path", "value", "modern", "older"), TABLE)
async def test_each_operation(
    erin: Person, media_type: str, op: str, path: str, value: tuple[Any, ...], modern: int, older: int
) -> None:
    image = await erin.create(name="a", os_distro="debian", disk_format="raw", container_format="bare")
    answer = await erin.patch(image["id"], step(media_type, op, path, *value), media_type=media_type)
    assert answer.status == (modern if media_type == V2_1 else older), answer.body
    now = await erin.show(image["id"])
    if answer.status != 200:
        assert answer.message
        assert now == image, "a refused patch changes nothing"
        return
    assert answer.json == now
    name = path[1:]
    if op == "remove":
        assert name not in now
    else:
        assert now[name] == value[0]


@MEDIA_TYPES
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b'"x"',
        b"[1]",
        b"[null]",
        b"[[]]",
        b"[{}]",
        b'[{"path": "/a", "value": "v"}]',
        b'[{"op": "move", "path": "/a", "from": "/b"}]',
        b'[{"op": "test", "path": "/a", "value": "v"}]',
        b'[{"op": ["add"], "path": "/a", "value": "v"}]',
        b'[{"op": {}, "path": "/a", "value": "v"}]',
        b'[{"op": "add", "value": "v"}]',
        b'[{"op": "add", "path": 1, "value": "v"}]',
        b'[{"op": "add", "path": null, "value": "v"}]',
        b'[{"add": "/a", "remove": "/b", "value": "v"}]',
        b'[{"add": 1, "value": "v"}]',
        b'[{"add": ["/a"], "value": "v"}]',
    ],
)
async def test_what_is_no_patch_is_refused(erin: Person, media_type: str, body: bytes) -> None:
    image = await erin.create()
    answer = await erin("PATCH", f"/v2/images/{image['id']}", body, content_type=media_type)
    assert answer.status == 400
    assert answer.message
    assert await erin.show(image["id"]) == image


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/json-patch+json", "text/plain", "", "application/octet-stream"]
)
async def test_other_media_types_are_told_which_are_known(erin: Person, media_type: str) -> None:
    image = await erin.create()
    answer = await erin.patch(image["id"], media_type=media_type)
    assert answer.status == 415
    assert answer.headers["accept-patch"] == f"{V2_1}, {V2_0}"
    assert V2_1 in answer.message


@pytest.mark.parametrize("media_type", [V2_1.upper(), f"{V2_1}; charset=utf-8", f" {V2_0} "])
async def test_media_types_are_compared_as_media_types(erin: Person, media_type: str) -> None:
    image = await erin.create()
    assert (await erin.patch(image["id"], media_type=media_type)).status == 200


@MEDIA_TYPES
async def test_an_empty_patch_changes_nothing(erin: Person, media_type: str) -> None:
    image = await erin.create()
    answer = await erin.patch(image["id"], media_type=media_type)
    assert (answer.status, answer.json) == (200, image)


async def test_all_operations_are_applied_in_order(erin: Person) -> None:
    image = await erin.create(a="1", c="3")
    answer = await erin.patch(
        image["id"],
        {"op": "remove", "path": "/a"},
        {"op": "add", "path": "/a", "value": "2"},
        {"op": "replace", "path": "/a", "value": "4"},
        {"op": "add", "path": "/b", "value": "5"},
        {"op": "remove", "path": "/b"},
        {"op": "replace", "path": "/name", "value": "n"},
    )
    assert {name: answer.json.get(name) for name in ("a", "b", "c", "name")} == {
        "a": "4",
        "b": None,
        "c": "3",
        "name": "n",
    }


async def test_the_first_failure_discards_everything(erin: Person) -> None:
    image = await erin.create()
    good, bad = {"op": "add", "path": "/a", "value": "1"}, {"op": "remove", "path": "/b"}
    for operations in ([good, bad], [bad, good]):
        assert (await erin.patch(image["id"], *operations)).status == 409
    assert await erin.show(image["id"]) == image


async def test_escapes_in_paths(erin: Person) -> None:
    image = await erin.create()
    answer = await erin.patch(
        image["id"],
        {"op": "add", "path": "/a~1b", "value": "1"},
        {"op": "add", "path": "/c~0d", "value": "2"},
        {"op": "add", "path": "/ e ", "value": "3"},
        {"op": "add", "path": "/owner_specified.openstack.md5", "value": ""},
        {"op": "add", "path": "/~01", "value": "4"},
    )
    assert answer.status == 200
    assert (answer.json["a/b"], answer.json["c~d"], answer.json["e"], answer.json["~1"]) == ("1", "2", "3", "4")


@pytest.mark.parametrize("name", ["image_id", "extra_properties", "member", "context", "version", "blob_key", "reason"])
async def test_names_of_our_own_fields_are_ordinary_properties(erin: Person, name: str) -> None:
    image = await erin.set((await erin.create())["id"], **{name: "v"})
    assert image[name] == "v"
    assert image["status"] == "queued"


async def test_unknown_members_of_an_operation_are_ignored(erin: Person) -> None:
    image = await erin.create()
    answer = await erin.patch(image["id"], {"op": "add", "path": "/a", "value": "v", "from": "/x", "note": 1})
    assert answer.status == 200


async def test_limits_count_after_the_last_operation(erin: Person) -> None:
    image = await erin.create(**{f"p{n}": "v" for n in range(128)})
    add = {"op": "add", "path": "/one-more", "value": "v"}
    answer = await erin.patch(image["id"], add)
    assert answer.status == 413
    assert "128" in answer.message
    assert (await erin.patch(image["id"], add, {"op": "remove", "path": "/p0"})).status == 200


async def test_updated_at_moves(erin: Person, clock: Any) -> None:
    image = await erin.create()
    clock.advance(60)
    assert (await erin.set(image["id"], name="n"))["updated_at"] == "2026-01-02T03:05:05Z"
    assert (await erin.show(image["id"]))["created_at"] == "2026-01-02T03:04:05Z"


async def test_formats_are_fixed_once_there_is_data(erin: Person) -> None:
    image = await erin.stored()
    for name, value in (("disk_format", "qcow2"), ("container_format", "ovf"), ("disk_format", "raw")):
        answer = await erin.patch(image["id"], {"op": "replace", "path": f"/{name}", "value": value})
        assert answer.status == 403
        assert "active" in answer.message
    assert (await erin.set(image["id"], name="n", min_disk=3))["min_disk"] == 3


async def test_an_administrator_gives_images_away_and_publishes_them(erin: Person, ada: Person) -> None:
    image = await erin.create()
    assert (await ada.set(image["id"], visibility="public"))["visibility"] == "public"
    assert (await ada.set(image["id"], owner="works"))["owner"] == "works"
    assert (await ada.set(image["id"], owner=None))["owner"] is None
    assert (await erin.patch(image["id"], {"op": "add", "path": "/a", "value": "v"})).status == 403
