"""IMS: lists and changes of images, with the attributes that every image has by itself."""

from typing import Any

import pytest

from image_api import Person, Town
from stillage.images.operating_systems import documented

NO_IMAGE = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a99"
# Mandatory in the vendor's SDK.
ALWAYS = {
    "__image_size", "__image_source_type", "__imagetype", "__isregistered", "__os_type", "container_format",
    "created_at", "id", "min_disk", "min_ram", "name", "owner", "protected", "self", "status", "tags", "updated_at",
    "virtual_env_type", "visibility",
}  # fmt: skip


async def listed(person: Person, query: str = "") -> list[dict[str, Any]]:
    answer = await person("GET", f"/v2/cloudimages{query}")
    assert answer.status == 200, answer.body
    assert set(answer.json) == {"images"}
    images: list[dict[str, Any]] = answer.json["images"]
    return images


async def names(person: Person, query: str = "") -> list[str]:
    return sorted(image["name"] for image in await listed(person, query))


async def change(person: Person, image_id: str, *steps: Any, **headers: str) -> Any:
    return await person("PATCH", f"/v2/cloudimages/{image_id}", list(steps), **headers)


def step(op: str, name: str, *value: Any) -> dict[str, Any]:
    return {"op": op, "path": f"/{name}", **({"value": value[0]} if value else {})}


async def test_every_image_has_what_a_huawei_client_reads(erin: Person) -> None:
    queued = await erin.create(__os_version="CentOS 7.3 64bit", min_disk=40, name="web")
    [image] = await listed(erin, f"?id={queued['id']}")
    assert image.keys() >= ALWAYS
    expected = {
        "__os_version": "CentOS 7.3 64bit",
        "__os_type": "Linux",
        "__platform": "CentOS",
        "__os_bit": "64",
        "__imagetype": "private",
        "__isregistered": "true",
        "__image_source_type": "uds",
        "__image_size": "0",
        "__root_origin": "file",
        "virtual_env_type": "FusionCompute",
        "visibility": "private",
        "enterprise_project_id": "0",
    }
    assert expected.items() <= image.items()
    assert "active_at" not in image

    await erin.stored(name="stored")
    [image] = await listed(erin, "?name=stored")
    assert image["__image_size"] == "512"
    assert image["active_at"] == "2026-01-02T03:04:05Z"


async def test_lists_are_filtered_by_automatic_attributes(erin: Person) -> None:
    await erin.create(name="ubuntu", __os_version="Ubuntu 22.04 Server 64bit")
    await erin.create(name="windows", __os_version="Windows 10 64bit")
    await erin.create(name="small", __os_version="CentOS 6.3 32bit", __support_kvm="true")
    await erin.create(name="iso", disk_format="iso", container_format="bare")
    await erin.create(name="own", __os_type="Windows", __support_arm="true")
    everything = ["iso", "own", "small", "ubuntu", "windows"]
    for query, expected in {
        "__os_type=Windows": ["own", "windows"],
        "__os_type=Linux": ["iso", "small", "ubuntu"],
        "__platform=Ubuntu": ["ubuntu"],
        "__platform=Other": ["iso", "own"],
        "__os_bit=32": ["small"],
        "__os_bit=64&__os_type=Linux": ["iso", "ubuntu"],
        "virtual_env_type=IsoImage": ["iso"],
        "virtual_env_type=DataImage": [],
        "__os_version=Other%20Linux(64%20bit)": ["iso", "own"],
        "__os_version=Windows%2010%2064bit": ["windows"],
        "__isregistered=true": everything,
        "__isregistered=false": [],
        "__imagetype=private": everything,
        "__imagetype=gold": [],
        "__imagetype=market": [],
        "__whole_image=true": [],
        "__whole_image=False": everything,
        "__system__cmkid=1": [],
        "enterprise_project_id=all_granted_eps": everything,
        "enterprise_project_id=0": everything,
        f"enterprise_project_id={NO_IMAGE}": [],
        "__support_kvm=true": ["small"],
        "architecture=arm": ["own"],
        "architecture=x86": ["iso", "small", "ubuntu", "windows"],
        "flavor_id=s3.large": everything,
        "__image_source_type=uds&__image_size=0": [],
        f"id={NO_IMAGE}": [],
        "owner=lab": everything,
        "owner=works": [],
        "status=queued": everything,
    }.items():
        assert await names(erin, f"?{query}") == expected, query


async def test_the_kinds_of_images(town: Town, erin: Person, olga: Person, ada: Person) -> None:
    shared = (await erin.stored(name="shared"))["id"]
    await erin.stored(name="mine")
    await ada.stored(name="public", visibility="public", protected=True)
    await erin.share(shared, "works")
    assert await names(erin, "?__imagetype=private") == await names(erin, "?visibility=private") == ["mine"]
    assert await names(erin, "?__imagetype=shared") == ["shared"]
    assert await names(erin, "?__imagetype=gold&visibility=public&protected=true") == ["public"]
    assert await names(erin, "?__imagetype=gold&visibility=private") == []
    assert await names(erin, "?visibility=private&owner=lab") == ["mine"]
    received = "?visibility=shared&__imagetype=shared&member_status="
    assert await names(olga, received + "pending") == ["shared"]
    assert await names(olga, received + "accepted") == []
    assert await names(olga) == ["public"]
    await olga.answer(shared, "accepted")
    [image] = await listed(olga, received + "accepted")
    assert (image["name"], image["__imagetype"], image["visibility"], image["owner"]) == (
        "shared", "shared", "shared", "lab",
    )  # fmt: skip
    assert await names(erin, received + "accepted") == [], "what a project shares it has not received"
    assert await names(olga) == ["public", "shared"]
    assert (await erin("GET", "/v2/cloudimages?visibility=community")).status == 400


async def test_pages_end(erin: Person) -> None:
    for number in range(5):
        await erin.create(name=f"n{number}")
    seen: list[str] = []
    marker = ""
    while page := await listed(erin, f"?limit=2{marker}"):
        seen += [image["name"] for image in page]
        marker = f"&marker={page[-1]['id']}"
    assert sorted(seen) == [f"n{number}" for number in range(5)]
    assert len(await listed(erin)) == 5
    bad = await erin("GET", "/v2/cloudimages?limit=x")
    assert (bad.status, bad.json["error"]["code"]) == (400, "IMG.0001")


async def test_a_stranger_sees_nothing(erin: Person, olga: Person) -> None:
    image_id = (await erin.stored())["id"]
    assert await listed(olga, f"?id={image_id}") == []
    missing, foreign = [await change(olga, one, step("replace", "name", "x")) for one in (NO_IMAGE, image_id)]
    assert (missing.status, missing.json["error"]["code"]) == (404, "IMG.0144")
    assert foreign.body == missing.body.replace(NO_IMAGE.encode(), image_id.encode())


async def test_change_an_image(erin: Person) -> None:
    image_id = (await erin.stored(name="before", colour="red"))["id"]
    changed = await change(
        erin,
        image_id,
        step("replace", "name", "after 1"),
        step("add", "__description", "A text. With dots"),
        step("add", "max_ram", 4096),
        step("replace", "min_ram", 1024),
        step("add", "hw_firmware_type", "uefi"),
        step("add", "hw_vif_multiqueue_enabled", True),
        step("add", "__os_version", "Windows 10 64bit"),
        step("replace", "enterprise_project_id", "0"),
        step("remove", "colour"),
    )
    assert changed.status == 200, changed.body
    expected = {
        "name": "after 1",
        "__description": "A text. With dots",
        "max_ram": "4096",
        "min_ram": 1024,
        "hw_firmware_type": "uefi",
        "hw_vif_multiqueue_enabled": "true",
        "__os_type": "Windows",
        "__platform": "Windows",
    }
    assert expected.items() <= changed.json.items()
    assert "colour" not in changed.json
    assert await listed(erin, "?__platform=Windows") == [changed.json]


@pytest.mark.parametrize(
    ("steps", "status", "code"),
    [
        ([step("replace", "max_ram", "1")], 400, "IMG.0035"),
        ([step("remove", "colour")], 400, "IMG.0035"),
        ([step("replace", "name", "x" * 129)], 400, "IMG.0002"),
        ([step("replace", "name", " x")], 400, "IMG.0003"),
        ([step("replace", "name", "a/b")], 400, "IMG.0003"),
        ([step("replace", "name", "")], 400, "IMG.0013"),
        ([step("add", "__description", "x" * 1025)], 400, "IMG.0004"),
        ([step("add", "__description", "<b>")], 400, "IMG.0054"),
        ([step("replace", "min_ram", -1)], 400, "IMG.0055"),
        ([step("replace", "min_disk", 1025)], 400, "IMG.0055"),
        ([step("add", "hw_firmware_type", "coreboot")], 400, "IMG.0141"),
        ([step("add", "__os_version", "TempleOS 5 64bit")], 400, "IMG.0056"),
        ([step("add", "enterprise_project_id", NO_IMAGE)], 400, "IMG.0155"),
        ([step("add", "Colour", "red")], 400, "IMG.0001"),
        ([step("add", "__imagetype", "gold")], 403, "IMG.0026"),
        ([step("add", "__support_xen", "true"), step("add", "__support_xen_hana", "true")], 400, "IMG.0035"),
        ([{"op": "move", "path": "/name"}], 400, "IMG.0001"),
    ],
)
async def test_changes_that_ims_refuses(erin: Person, steps: Any, status: int, code: str) -> None:
    before = await erin.stored(name="n")
    answer = await change(erin, before["id"], *steps)
    assert (answer.status, answer.json["error"]["code"]) == (status, code), answer.body
    assert await erin.show(before["id"]) == before


async def test_only_active_images_are_changed(erin: Person) -> None:
    image_id = (await erin.create())["id"]
    answer = await change(erin, image_id, step("replace", "name", "x"))
    assert (answer.status, answer.json["error"]["code"]) == (400, "IMG.0046")
    empty = await erin("PATCH", f"/v2/cloudimages/{image_id}", b"")
    assert (empty.status, empty.json["error"]["code"]) == (400, "IMG.0007")


async def test_the_operator_extends_or_opens_the_list_of_versions(serve: Any) -> None:
    new = step("add", "__os_version", "AlmaLinux 9.4 64bit")
    async with serve(os_versions=["AlmaLinux 9.4 64bit"]) as town:
        erin = town.person()
        image_id = (await erin.stored())["id"]
        assert (await change(erin, image_id, new)).status == 200
        assert (await change(erin, image_id, step("add", "__os_version", "x"))).status == 400
        platforms = (await erin("GET", "/v1/cloudimages/os_version?tag=x86&tag=none")).json
        versions = [version for platform in platforms for version in platform["version_list"]]
        assert {version["os_version"] for version in versions} == {*documented(), "AlmaLinux 9.4 64bit"}
        [suse] = [version for version in versions if version["os_version"] == "SUSE Linux Enterprise Server 15 64bit"]
        assert suse == {
            "platform": "SUSE",
            "os_version_key": "SUSE Linux Enterprise Server 15 64bit",
            "os_version": "SUSE Linux Enterprise Server 15 64bit",
            "os_bit": 64,
            "os_type": "Linux",
        }
    async with serve(strict_os_version=False) as town:
        erin = town.person()
        assert (await change(erin, (await erin.stored())["id"], new)).status == 200


async def test_the_quota(serve: Any) -> None:
    async with serve(max_project_images=20) as town:
        erin = town.person()
        await erin.create()
        answer = await erin("GET", "/v1/cloudimages/quota")
        assert answer.json == {
            "quotas": {"resources": [{"type": "image", "used": 1, "quota": 20, "min": 1, "max": 20}]}
        }


async def test_under_ims_the_image_api_shows_the_same_attributes(serve: Any) -> None:
    async with serve(profile="ims") as town:
        erin = town.person()
        created = await erin.create(__os_version="CentOS 7.3 64bit", hw_vif_multiqueue_enabled=True, max_ram=1024)
        assert {"__platform": "CentOS", "__imagetype": "private", "__image_size": "0"}.items() <= created.items()
        assert (created["hw_vif_multiqueue_enabled"], created["max_ram"]) == ("true", "1024")
        assert await erin.show(created["id"]) == created
        assert (await erin.page("?__isregistered=true&__platform=CentOS"))["images"] == [created]
        assert await erin.names("?__platform=Ubuntu") == []
        gone = await erin.patch(created["id"], step("replace", "nothing", "x"))
        assert (gone.status, gone.json["error"]["code"]) == (400, "IMG.0035")
        await erin.set(created["id"], protected=True)
        kept = await erin("DELETE", f"/v2/images/{created['id']}")
        assert (kept.status, kept.json["error"]["code"]) == (400, "IMG.0028")
        many = await erin("POST", "/v2/images", {"tags": [str(number) for number in range(11)]})
        assert (many.status, many.json["error"]["code"]) == (400, "IMG.0116")
