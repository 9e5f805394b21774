"""POST /v2/images."""

from typing import Any

import pytest

from fakes import Clock
from image_api import Person

ID = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11"
MAX_INTEGER = 2**31 - 1
DISK_FORMATS = ["ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"]
DISK_FORMATS += ["zvhd", "zvhd2", "qed", "qcow"]
THE_SERVERS = ["status", "checksum", "size", "virtual_size", "created_at", "updated_at", "self", "file", "schema"]
THE_SERVERS += ["direct_url", "locations", "stores", "location", "deleted", "deleted_at", "os_stillage_reason"]
THE_SERVERS += ["os_glance_import_task", "os_glance_"]


async def test_an_image_has_every_base_property_from_the_start(erin: Person) -> None:
    answer = await erin("POST", "/v2/images", {})
    assert answer.status == 201
    image = answer.json
    path = f"/v2/images/{image['id']}"
    assert answer.headers["location"].endswith(path)
    assert answer.headers["location"].startswith("http://")
    assert answer.headers["content-type"].startswith("application/json")
    del image["id"]
    assert image == {
        "name": None,
        "status": "queued",
        "visibility": "shared",
        "protected": False,
        "os_hidden": False,
        "owner": "lab",
        "container_format": None,
        "disk_format": None,
        "min_disk": 0,
        "min_ram": 0,
        "size": None,
        "virtual_size": None,
        "checksum": None,
        "os_hash_algo": None,
        "os_hash_value": None,
        "tags": [],
        "created_at": "2026-01-02T03:04:05Z",
        "updated_at": "2026-01-02T03:04:05Z",
        "self": path,
        "file": f"{path}/file",
        "schema": "/v2/schemas/image",
    }


async def test_everything_that_a_client_may_choose_is_kept(erin: Person) -> None:
    chosen: dict[str, Any] = {
        "id": ID,
        "name": "grün 🐏",
        "visibility": "private",
        "protected": True,
        "os_hidden": True,
        "owner": "lab",
        "container_format": "bare",
        "disk_format": "zvhd2",
        "min_disk": MAX_INTEGER,
        "min_ram": 1,
        "tags": ["web", "ü b"],
        "os_distro": "debian",
        "owner_specified.openstack.md5": "",
        "__os_version": "CentOS 7.3 64bit",
    }
    made = await erin.create(**chosen)
    assert {name: made[name] for name in chosen} == chosen
    assert await erin.show(ID) == made


@pytest.mark.parametrize("disk_format", DISK_FORMATS)
async def test_every_disk_format_can_be_declared(erin: Person, disk_format: str) -> None:
    assert (await erin.create(disk_format=disk_format))["disk_format"] == disk_format


async def test_an_id_can_be_used_once(erin: Person, olga: Person) -> None:
    await erin.create(id=ID)
    for person in (erin, olga):
        answer = await person("POST", "/v2/images", {"id": ID})
        assert answer.status == 409
        assert "never used twice" in answer.message
    assert (await erin("DELETE", f"/v2/images/{ID}")).status == 204
    assert (await erin("POST", "/v2/images", {"id": ID})).status == 409


async def test_an_id_is_the_same_in_any_case_of_letters(erin: Person, olga: Person, clock: Clock) -> None:
    image = await erin.create(id=ID.upper(), name="n", disk_format="raw", container_format="bare")
    assert (image["id"], image["self"]) == (ID, f"/v2/images/{ID}")
    for person, twin in ((erin, ID), (erin, ID.upper()), (olga, ID.title())):
        assert (await person("POST", "/v2/images", {"id": twin})).status == 409
    path = f"/v2/images/{ID.upper()}"
    assert (await erin.show(ID.upper())) == image
    assert (await erin.set(ID.title(), name="m"))["id"] == ID
    assert (await erin.upload(ID.upper())).status == 204
    assert (await erin("GET", f"{path}/file")).body == b"x" * 512
    assert (await erin("PUT", f"{path}/tags/t")).status == 204
    assert (await erin.share(ID.upper(), "works"))["image_id"] == ID
    assert (await olga("GET", f"{path}/members/works")).json["image_id"] == ID
    for query in (f"?id={ID.upper()}", f"?id=in:{ID.upper()},x"):
        assert await erin.names(query) == ["m"]
    clock.advance(1)
    await erin.create(name="newer")
    assert await erin.names(f"?marker={ID.upper()}") == []
    assert (await erin("DELETE", path)).status == 204
    assert (await erin("POST", "/v2/images", {"id": ID})).status == 409


async def test_an_upload_is_found_by_its_image_in_any_case_of_letters(erin: Person) -> None:
    await erin.create(id=ID, disk_format="raw", container_format="bare")
    path = f"/v2/images/{ID.upper()}/uploads"
    opened = (await erin("POST", path, {"size": 512})).json
    assert opened["image_id"] == ID
    assert (await erin("GET", f"{path}/{opened['id']}")).status == 200
    with_capability = opened["url"].replace(ID, ID.upper())
    assert (await erin("GET", with_capability)).status == 200


async def test_a_taken_id_tells_nothing_of_its_image(erin: Person, olga: Person) -> None:
    """Whose it is, whether olga could see it, whether it is still there: as with Glance, the answer is the same."""
    answers = []
    for number, visibility in enumerate(("private", "community", "private", "private")):
        image_id = ID[:-1] + str(number)
        await (olga if number == 3 else erin).create(id=image_id, visibility=visibility, name="secret")
        if number == 2:
            assert (await erin("DELETE", f"/v2/images/{image_id}")).status == 204
        answer = await olga("POST", "/v2/images", {"id": image_id, "name": "mine"})
        answers.append((answer.status, answer.message.replace(image_id, "ID")))
    assert set(answers) == {(409, "the image id ID is taken; ids are never used twice")}


async def test_tags_are_a_set(erin: Person) -> None:
    assert (await erin.create(tags=["a", "b", "a"]))["tags"] == ["a", "b"]


async def test_hashes_are_taken_and_forgotten(erin: Person) -> None:
    image = await erin.create(os_hash_algo="sha512", os_hash_value="ab")
    assert (image["os_hash_algo"], image["os_hash_value"]) == (None, None)


async def test_the_content_type_does_not_matter(erin: Person) -> None:
    for content_type in ("text/plain", "application/octet-stream", "application/json;charset=utf-8"):
        assert (await erin("POST", "/v2/images", b"{}\n", content_type=content_type)).status == 201


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "x" * 256),
        ("name", 1),
        ("id", "x"),
        ("id", ID + "0"),
        ("id", None),
        ("visibility", "secret"),
        ("visibility", None),
        ("visibility", ["public"]),
        ("protected", "true"),
        ("protected", 1),
        ("os_hidden", None),
        ("owner", "x" * 256),
        ("owner", 7),
        ("container_format", "box"),
        ("disk_format", "exe"),
        ("disk_format", {}),
        ("min_disk", -1),
        ("min_disk", MAX_INTEGER + 1),
        ("min_disk", 1.5),
        ("min_disk", True),
        ("min_disk", None),
        ("min_ram", -1),
        ("min_ram", MAX_INTEGER + 1),
        ("min_ram", "1"),
        ("tags", "a"),
        ("tags", None),
        ("tags", ["x" * 256]),
        ("tags", [1]),
        ("tags", [None]),
        ("os_distro", 1),
        ("os_distro", True),
        ("os_distro", None),
        ("os_distro", ["debian"]),
        ("os_distro", {}),
        ("os_distro", "x" * (64 * 1024 + 1)),
        ("x" * 256, "v"),
        ("", "v"),
    ],
)
async def test_a_value_that_cannot_be_is_named(erin: Person, name: str, value: Any) -> None:
    answer = await erin("POST", "/v2/images", {name: value})
    assert answer.status == 400
    assert name.rstrip("s")[:20] in answer.message or "property" in answer.message
    assert await erin.names() == []


@pytest.mark.parametrize("name", THE_SERVERS)
async def test_what_is_the_servers_cannot_be_set(erin: Person, name: str) -> None:
    answer = await erin("POST", "/v2/images", {name: "x"})
    assert answer.status == 403
    assert name in answer.message


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        ({"name": "x" * 255}, 201),
        ({"tags": ["x" * 255]}, 201),
        ({"tags": [str(n) for n in range(128)]}, 201),
        ({"tags": [str(n) for n in range(129)]}, 413),
        ({f"p{n}": "v" for n in range(128)}, 201),
        ({f"p{n}": "v" for n in range(129)}, 413),
        ({"x" * 255: "v" * 64 * 1024}, 201),
        ({"min_disk": 0, "min_ram": 0}, 201),
        ({"min_disk": MAX_INTEGER, "min_ram": MAX_INTEGER}, 201),
    ],
)
async def test_limits_are_inclusive(erin: Person, attributes: dict[str, Any], status: int) -> None:
    answer = await erin("POST", "/v2/images", attributes)
    assert answer.status == status
    if status == 413:
        assert "128" in answer.message
        assert "129" in answer.message


@pytest.mark.parametrize("body", [b"", b" ", b"{", b"[]", b"null", b"1", b'"x"', b"\xff", b'{"a": NaN}', b"{}x"])
async def test_a_body_that_is_no_object_is_refused(erin: Person, body: bytes) -> None:
    answer = await erin("POST", "/v2/images", body)
    assert answer.status == 400
    assert answer.message


async def test_only_administrators_give_images_away_or_publish_them(erin: Person, ada: Person) -> None:
    for attributes in ({"owner": "works"}, {"visibility": "public"}):
        assert (await erin("POST", "/v2/images", attributes)).status == 403
        assert (await ada("POST", "/v2/images", attributes)).status == 201
    assert (await erin.create(visibility="community"))["visibility"] == "community"


async def test_a_reader_cannot_create(rita: Person) -> None:
    answer = await rita("POST", "/v2/images", {})
    assert answer.status == 403
    assert "reader" in answer.message
