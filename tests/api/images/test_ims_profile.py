"""The profile ims, against the rows of the table of differences between the IMS document and Glance.

Source: IMS API Reference, native image calls. Clients in use need more than the document says; there, both are taken.
"""

import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from image_api import V2_0, Person, Town

Row = Callable[[Town, Person], Awaitable[None]]
ROWS: dict[int, Row] = {}
NO_IMAGE = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a99"


def row(number: int) -> Callable[[Row], Row]:
    def keep(check: Row) -> Row:
        assert ROWS.setdefault(number, check) is check
        return check

    return keep


async def refused(answer: Any, status: int, code: str) -> None:
    assert answer.status == status, answer.body
    assert answer.json["error"]["code"] == code, answer.body


async def creation(person: Person, **attributes: Any) -> Any:
    return await person("POST", "/v2/images", attributes)


async def test_every_row_holds(serve: Any) -> None:
    assert sorted(ROWS) == list(range(1, 35))
    failures = {}
    async with serve(profile="ims", spare_bytes=0) as town:
        for number, check in ROWS.items():
            try:
                await check(town, town.person(f"project-{number}"))
            except AssertionError:
                failures[number] = traceback.format_exc(limit=-1)
    assert failures == {}, "\n".join(failures.values())


@row(1)
async def disk_formats(_town: Town, erin: Person) -> None:
    for name in ("zvhd2", "vhd", "raw", "qcow2", "zvhd", "vmdk", "iso", "vdi"):
        assert (await erin.create(disk_format=name))["disk_format"] == name


@row(2)
async def default_disk_format(_town: Town, erin: Person) -> None:
    assert (await erin.create())["disk_format"] == "zvhd2"


@row(3)
async def container_formats(_town: Town, erin: Person) -> None:
    assert (await erin.create())["container_format"] == "bare"
    assert (await erin.create(container_format="ovf"))["container_format"] == "ovf"


@row(4)
async def visibility_of_a_new_image(town: Town, erin: Person) -> None:
    assert (await erin.create())["visibility"] == "private"
    assert (await erin.create(visibility="private"))["visibility"] == "private"
    await refused(await creation(erin, visibility="shared"), 400, "IMG.0001")
    await refused(await creation(erin, visibility="community"), 400, "IMG.0001")
    await refused(await creation(erin, visibility="public"), 403, "IMG.0026")
    ada = town.person("ops", "admin", user="ada")
    public = await ada.create(visibility="public")
    assert public["visibility"] == "public"
    await ada("DELETE", f"/v2/images/{public['id']}")  # everybody would see it


@row(5)
async def visibilities(_town: Town, erin: Person) -> None:
    image_id = (await erin.stored())["id"]
    for visibility in ("shared", "community", "private"):
        assert (await erin.set(image_id, visibility=visibility))["visibility"] == visibility


@row(6)
async def what_is_shared_is_not_private(_town: Town, erin: Person) -> None:
    await erin.stored(name="mine")
    await erin.share((await erin.stored(name="ours"))["id"], "works")
    assert await erin.names("?visibility=private") == ["mine"]
    assert await erin.names("?visibility=shared") == ["ours"]


@row(7)
async def members_of_private_images(town: Town, erin: Person) -> None:
    image = await erin.stored()
    assert image["visibility"] == "private"
    assert (await erin.share(image["id"], "works-7"))["status"] == "pending"
    olga = town.person("works-7", user="olga")
    assert (await olga.answer(image["id"], "accepted")).status == 200
    assert (await olga("GET", f"/v2/images/{image['id']}/file")).status == 200


@row(8)
async def names(_town: Town, erin: Person) -> None:
    image_id = (await erin.create())["id"]
    for name in ("a", "x" * 128, "a.b_c-d 1"):
        assert (await erin.create(name=name))["name"] == name
    for name, code in (("x" * 129, "IMG.0002"), ("x" * 256, "IMG.0002"), *((bad, "IMG.0003") for bad in BAD_NAMES)):
        await refused(await creation(erin, name=name), 400, code)
        await refused(await erin.patch(image_id, {"op": "replace", "path": "/name", "value": name}), 400, code)
    for none in ("", None):
        assert not (await erin.create(name=none))["name"]


BAD_NAMES = ("a/b", " a", "a ", "\u00fc", "a\nb", "<a>")


@row(9)
async def min_disk(_town: Town, erin: Person) -> None:
    assert (await erin.create())["min_disk"] == 0
    for size in (0, 1, 1024):
        assert (await erin.create(min_disk=size))["min_disk"] == size
    image_id = (await erin.create())["id"]
    for size in (1025, 100_000):
        await refused(await creation(erin, min_disk=size), 400, "IMG.0055")
        await refused(
            await erin.patch(image_id, {"op": "replace", "path": "/min_disk", "value": size}), 400, "IMG.0055"
        )
    small = (await erin.create(disk_format="raw", min_disk=1))["id"]
    assert (await erin.upload(small)).status == 204


@row(10)
async def min_ram(_town: Town, erin: Person) -> None:
    assert (await erin.create())["min_ram"] == 0


@row(11)
async def tags_in_the_body(_town: Town, erin: Person) -> None:
    assert (await erin.create(tags=["k=v", "plain"]))["tags"] == ["k=v", "plain"]


@row(12)
async def a_tag_in_the_path_is_a_key(_town: Town, erin: Person) -> None:
    image_id = (await erin.create(tags=["team=blue", "other"]))["id"]
    for good in ("solo", "x" * 255, "A-b_1", "team"):
        assert (await erin("PUT", f"/v2/images/{image_id}/tags/{good}")).status == 204
    assert set((await erin.show(image_id))["tags"]) == {"other", "solo", "x" * 255, "A-b_1", "team"}
    assert (await erin("DELETE", f"/v2/images/{image_id}/tags/solo")).status == 204
    await refused(await erin("DELETE", f"/v2/images/{image_id}/tags/solo"), 404, "IMG.0027")
    for bad in ("has%20space", "a%3Db", "a.b", "%C3%BC", "x" * 256):
        await refused(await erin("PUT", f"/v2/images/{image_id}/tags/{bad}"), 400, "IMG.0115")


@row(13)
async def ten_tags(_town: Town, erin: Person) -> None:
    await refused(await creation(erin, tags=[str(number) for number in range(11)]), 400, "IMG.0116")
    image_id = (await erin.create(tags=[str(number) for number in range(10)]))["id"]
    await refused(await erin("PUT", f"/v2/images/{image_id}/tags/eleven"), 400, "IMG.0116")
    many = {"op": "replace", "path": "/tags", "value": [str(number) for number in range(11)]}
    await refused(await erin.patch(image_id, many), 400, "IMG.0116")
    assert (await erin("PUT", f"/v2/images/{image_id}/tags/3")).status == 204


@row(14)
async def two_hundred_and_fifty_six_members(_town: Town, erin: Person) -> None:
    image_id = (await erin.stored())["id"]
    for first in (0, 100, 200):
        projects = [f"m{number}" for number in range(first, min(first + 100, 256))]
        body = {"images": [image_id], "projects": projects}
        assert (await erin("POST", "/v1/cloudimages/members", body)).status == 200
    await refused(await erin("POST", f"/v2/images/{image_id}/members", {"member": "m256"}), 400, "IMG.0088")


@row(15)
async def automatic_attributes(_town: Town, erin: Person) -> None:
    image = await erin.create(hw_firmware_type="uefi")
    expected = {
        "__os_version": "Other Linux(64 bit)", "__os_type": "Linux", "__platform": "Other", "__os_bit": "64",
        "__imagetype": "private", "__isregistered": "true", "__image_source_type": "uds", "__image_size": "0",
        "__root_origin": "file", "virtual_env_type": "FusionCompute", "hw_firmware_type": "uefi",
    }  # fmt: skip
    assert expected.items() <= image.items()
    (listed,) = (await erin.page())["images"]
    assert expected.items() <= listed.items()


@row(16)
async def sizes(_town: Town, erin: Person) -> None:
    image = await erin.stored()
    assert (image["size"], image["__image_size"], image["active_at"]) == (512, "512", "2026-01-02T03:04:05Z")
    assert image["checksum"]
    assert "active_at" not in await erin.create()


@row(17)
async def digests(_town: Town, erin: Person) -> None:
    assert {"os_hash_algo", "os_hash_value", "os_hidden"} <= (await erin.stored()).keys()


@row(18)
async def deactivated_images(town: Town, erin: Person) -> None:
    image_id, ada = (await erin.stored())["id"], town.person("ops", "admin", user="ada")
    assert (await ada("POST", f"/v2/images/{image_id}/actions/deactivate")).status == 204
    assert (await erin.show(image_id))["status"] == "deactivated"


@row(19)
async def pages(_town: Town, erin: Person) -> None:
    for _ in range(26):
        await erin.create()
    assert len(await erin.names()) == 25
    assert len(await erin.names("?limit=5000")) == 26


@row(20)
async def sorting(_town: Town, erin: Person) -> None:
    for key in ("name", "container_format", "disk_format", "status", "id", "size", "created_at", "updated_at"):
        assert (await erin("GET", f"/v2/images?sort_key={key}&sort_dir=asc")).status == 200
    assert (await erin("GET", "/v2/images?sort=name:asc,id:desc")).status == 200


@row(21)
async def changes(_town: Town, erin: Person) -> None:
    image_id = (await erin.stored())["id"]
    wanted = {"name": "n", "min_disk": 2, "min_ram": 3, "tags": ["a=b"], "visibility": "shared", "colour": "red"}
    assert wanted.items() <= (await erin.set(image_id, **wanted)).items()


@row(22)
async def add_replaces(_town: Town, erin: Person) -> None:
    image_id = (await erin.create(name="before", colour="red"))["id"]
    assert (await erin.patch(image_id, {"op": "add", "path": "/colour", "value": "blue"})).status == 200
    for change in ({"add": "/colour", "value": "green"}, {"add": "/name", "value": "after"}):
        assert (await erin.patch(image_id, change, media_type=V2_0)).status == 200
    image = await erin.show(image_id)
    assert (image["colour"], image["name"]) == ("green", "after")


@row(23)
async def booleans(_town: Town, erin: Person) -> None:
    image = await erin.create(hw_vif_multiqueue_enabled=True, __support_kvm=False)
    assert (image["hw_vif_multiqueue_enabled"], image["__support_kvm"]) == ("true", "false")
    assert (await erin.set(image["id"], hw_vif_multiqueue_enabled=False))["hw_vif_multiqueue_enabled"] == "false"


@row(24)
async def a_body_of_delete(_town: Town, erin: Person) -> None:
    image_id = (await erin.create())["id"]
    assert (await erin("DELETE", f"/v2/images/{image_id}", {"delete_backup": True})).status == 204


@row(25)
async def versions(_town: Town, erin: Person) -> None:
    for path in ("/", "/v2", "/v2/", "/v2.0", "/v2.5"):
        assert (await erin("GET", path)).status == 300, path
    document = (await erin("GET", "/v2.0")).json
    assert [version["id"] for version in document["versions"]] == ["v2.0"]


@row(26)
async def errors(town: Town, erin: Person) -> None:
    stranger = Person(erin.session, "nobody", "nowhere")
    rita = town.person("project-26", roles="reader", user="rita")
    image_id = (await erin.create())["id"]
    for answer, status, code in (
        (await erin("GET", "/v2/images?limit=x"), 400, "IMG.0001"),
        (await stranger("GET", "/v2/images"), 401, "IMG.0026"),
        (await rita("PATCH", f"/v2/images/{image_id}", [], content_type=V2_0), 403, "IMG.0026"),
        (await erin("GET", f"/v2/images/{NO_IMAGE}"), 404, "IMG.0144"),
        (await erin("POST", f"/v2/images/{image_id}"), 405, "IMG.0001"),
    ):
        await refused(answer, status, code)
        assert {"message", "code"} <= answer.json["error"].keys()


@row(27)
async def statuses(_town: Town, erin: Person) -> None:
    image = await erin.stored(protected=True)
    await refused(await erin("DELETE", f"/v2/images/{image['id']}"), 400, "IMG.0028")
    for op in ("replace", "remove"):
        await refused(await erin.patch(image["id"], {"op": op, "path": "/absent", "value": "x"}), 400, "IMG.0035")
    await refused(await erin.upload(image["id"]), 409, "IMG.0046")
    queued = (await erin.create())["id"]
    await refused(await erin.upload(queued, b"QFI\xfb" + bytes(508)), 400, "IMG.0057")
    await refused(await erin.upload(queued, b""), 400, "IMG.0057")


@row(28)
async def after_a_bad_upload(_town: Town, erin: Person) -> None:
    image_id = (await erin.create())["id"]
    assert (await erin.upload(image_id, b"QFI\xfb" + bytes(508))).status == 400
    image = await erin.show(image_id)
    assert (image["status"], "qcow2" in image["os_stillage_reason"]) == ("queued", True)


@row(29)
async def the_largest_image(_town: Town, erin: Person) -> None:
    image_id = (await erin.create())["id"]
    size = {"x_openstack_image_size": str((128 << 30) + 1)}
    await refused(await erin.upload(image_id, _pieces(), **size), 400, "IMG.0059")


async def _pieces() -> Any:
    yield b"x"


@row(30)
async def unfinished_images(_town: Town, erin: Person) -> None:
    await erin.create(name="queued")
    assert await erin.names("?__isregistered=true") == ["queued"]
    assert await erin.names("?__isregistered=false") == []


@row(31)
async def releases(_town: Town, erin: Person) -> None:
    for release in ("L", "Q"):
        assert (await erin("GET", "/v2/images", x_api_version=release)).status == 200


@row(32)
async def the_first_version(_town: Town, erin: Person) -> None:
    for path in ("/v1.1/images/detail", f"/v1/images/{NO_IMAGE}"):
        assert (await erin("GET", path)).status == 404


@row(33)
async def beside_the_document(_town: Town, erin: Person) -> None:
    for path in ("/v2/info/import", "/v2/info/stores"):
        assert (await erin("GET", path)).status == 200


@row(34)
async def downloads(_town: Town, erin: Person) -> None:
    image_id = (await erin.stored(b"y" * 1000))["id"]
    assert (await erin("GET", f"/v2/images/{image_id}/file")).body == b"y" * 1000
