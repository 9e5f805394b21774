"""openstacksdk as Ansible, and scripts of people, use it."""

from pathlib import Path

from clients import Account, Fault, FaultProxy, digest
from samples import load
from server import Server

CONNECT = """
import os, openstack
from openstack import exceptions
conn = openstack.connect()
image_api = conn.image
"""


def test_an_image_from_its_creation_to_its_deletion(erin: Account, disk: Path) -> None:
    result = erin.python(
        "openstacksdk",
        CONNECT
        + """
made = conn.create_image("sdk-1", filename=disk, disk_format="raw", container_format="bare", wait=True,
                         tags=["t1"], foo="bar", min_disk=1, validate_checksum=True)
same = conn.create_image("sdk-1", filename=disk, disk_format="raw", container_format="bare", wait=True,
                         validate_checksum=True)
found = image_api.find_image("sdk-1")
image_api.update_image(found, name="sdk-2", min_ram=512, colour="red")
image_api.add_tag(found, "two words")
image_api.remove_tag(found, "t1")
shown = image_api.get_image(found.id)
listed = [i.name for i in image_api.images(name="in:sdk-2,other", sort="name:asc,created_at:desc", limit=1)]
image_api.deactivate_image(found)
off = image_api.get_image(found.id).status
image_api.reactivate_image(found)
conn.download_image(found.id, output_path="saved.img")
streamed = b"".join(image_api.download_image(found, stream=True).iter_content(1000))
result = {
    "status": made.status, "size": made.size, "hash": made.hash_value, "same": same.id == made.id,
    "shown": [shown.name, shown.min_ram, shown.tags],
    "properties": [made.properties["foo"], shown.properties["colour"]],
    "listed": listed, "off": off, "streamed": len(streamed),
    "deleted": conn.delete_image(found.id, wait=True), "gone": image_api.find_image("sdk-2") is None,
}
""",
        disk=str(disk),
    )
    assert result == {
        "status": "active",
        "size": disk.stat().st_size,
        "hash": digest(disk),
        "same": True,
        "shown": ["sdk-2", 512, ["two words"]],
        "properties": ["bar", "red"],
        "listed": ["sdk-2"],
        "off": "deactivated",
        "streamed": disk.stat().st_size,
        "deleted": True,
        "gone": True,
    }
    assert (erin.home / "saved.img").read_bytes() == disk.read_bytes()


def test_data_without_a_file(erin: Account) -> None:
    result = erin.python(
        "openstacksdk",
        CONNECT
        + """
made = image_api.create_image("bytes", data=b"x" * 600, disk_format="raw", container_format="bare")
empty = image_api.create_image("empty", data=b"", disk_format="raw", container_format="bare")
later = image_api.create_image("later", disk_format="raw", container_format="bare")
later.data = b"y" * 700
later.upload(image_api)
result = [[i.status, i.size] for i in map(image_api.get_image, (made.id, empty.id, later.id))]
for image in (made, empty, later):
    image_api.delete_image(image)
""",
    )
    # Without a byte the SDK uploads nothing.
    assert result == [["active", 600], ["queued", None], ["active", 700]]


def test_pages_filters_schemas_and_what_the_service_has(erin: Account) -> None:
    result = erin.python(
        "openstacksdk",
        CONNECT
        + """
raw = {"disk_format": "raw", "container_format": "bare"}
made = [image_api.create_image(f"page-{n}", tags=["p", str(n % 2)], **raw) for n in range(5)]
names = lambda **query: [i.name for i in image_api.images(**query)]
result = {
    "paged": names(tag="p", limit=2, sort="name:asc"),
    "tagged": sorted(names(tag=["p", "1"], status="queued")),
    "hidden": names(is_hidden=True, tag="p"),
    "shared": len(names(visibility="shared", member_status="all", tag="p")),
    "schema": image_api.get_images_schema().properties["images"]["type"],
    "image": "zvhd2" in image_api.get_image_schema().properties["disk_format"]["enum"],
    "member": "status" in image_api.get_member_schema().properties,
    "members": image_api.get_members_schema().properties["members"]["type"],
    "stores": [s.id for s in image_api.stores()],
    "methods": image_api.get_import_info().import_methods["value"],
    "endpoint": image_api.get_endpoint(),
    "version": image_api.get_endpoint_data().api_version[0],
}
for image in made:
    image_api.delete_image(image)
""",
    )
    endpoint = result.pop("endpoint")
    assert endpoint.startswith(erin.server.url)
    assert result == {
        "paged": [f"page-{n}" for n in range(5)],
        "tagged": ["page-1", "page-3"],
        "hidden": [],
        "shared": 5,
        "schema": "array",
        "image": True,
        "member": True,
        "members": "array",
        "stores": ["files"],
        "methods": ["glance-direct", "web-download", "copy-image"],
        "version": 2,
    }


def test_imports_of_data_and_of_a_url(erin: Account, disk: Path, disk_url: str) -> None:
    result = erin.python(
        "openstacksdk",
        CONNECT
        + """
raw = {"disk_format": "raw", "container_format": "bare"}
direct = image_api.create_image("direct", filename=disk, use_import=True, wait=True, **raw)
staged = image_api.create_image("staged", **raw)
image_api.stage_image(staged, filename=disk)
image_api.import_image(staged)
web = image_api.create_image("web", **raw)
image_api.import_image(web, method="web-download", uri=url, stores=["files"], all_stores_must_succeed=True)
for image in (staged, web):
    image_api.wait_for_status(image, status="active", interval=0.1)
result = [image_api.get_image(image.id).hash_value for image in (direct, staged, web)]
for image in (direct, staged, web):
    image_api.delete_image(image)
""",
        disk=str(disk),
        url=disk_url,
    )
    assert result == [digest(disk)] * 3


def test_sharing_between_two_projects(erin: Account, olga: Account) -> None:
    shared = erin.python(
        "openstacksdk",
        CONNECT
        + """
image = image_api.create_image("to share", data=b"x" * 512, disk_format="raw", container_format="bare")
image_api.add_member(image, member_id=member)
result = image.id
""",
        member=olga.project_id,
    )
    result = olga.python(
        "openstacksdk",
        CONNECT
        + """
before = [i.name for i in image_api.images()]
image_api.update_member(member, shared, status="accepted")
after = [i.name for i in image_api.images()]
data = image_api.download_image(shared).content
try:
    image_api.update_image(shared, name="mine")
except exceptions.ForbiddenException as error:
    said = str(error)
result = [before, after, len(data), said]
""",
        shared=shared,
        member=olga.project_id,
    )
    assert result[:3] == [[], ["to share"], 512]
    assert "403" in result[3]
    assert "belongs to another project" in result[3]
    own = erin.python(
        "openstacksdk",
        CONNECT
        + """
member = image_api.add_member(shared, member_id=conn.current_project_id)
result = [member.status, [m.member_id for m in image_api.members(shared)]]
image_api.remove_member(member.member_id, image=shared)
""",
        shared=shared,
    )
    assert own == ["pending", [olga.project_id, erin.project_id]]
    members = erin.python(
        "openstacksdk",
        CONNECT
        + """
members = [[m.member_id, m.status] for m in image_api.members(shared)]
image_api.remove_member(member, image=shared)
result = [members, [m.id for m in image_api.members(shared)]]
image_api.delete_image(shared)
""",
        shared=shared,
        member=olga.project_id,
    )
    assert members == [[[olga.project_id, "accepted"]], []]


def test_what_a_script_is_told_when_it_is_refused(erin: Account) -> None:
    (erin.home / "bad.qcow2").write_bytes(load("qcow2-v3-backing.qcow2"))
    said = erin.python(
        "openstacksdk",
        CONNECT
        + """
def told(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except exceptions.SDKException as error:
        return f"{type(error).__name__} {error}"

image = image_api.create_image("told", disk_format="raw", container_format="bare")
result = {
    "415": told(image_api.create_image, "bad", filename="bad.qcow2", disk_format="qcow2", container_format="bare"),
    "403": told(image_api.update_image, image, visibility="public"),
    "404": told(image_api.get_image, "nothing"),
    "409": told(image_api.create_image, "again", id=image.id),
    "413": told(image_api.create_image, "many", tags=[str(n) for n in range(129)]),
    "400": told(image_api.update_image, image, min_disk=-1),
}
image_api.delete_image(image)
""",
    )
    assert "names a backing file" in said["415"]
    assert "publicize_image" in said["403"]
    assert "no image 'nothing' is visible to this project" in said["404"]
    assert "is taken" in said["409"]
    assert "an image may have 128, this one would have 129" in said["413"]
    assert "min_disk must be an integer from 0" in said["400"]
    for status in said.keys() - {"404"}:
        assert status in said[status]


UPLOAD = (
    CONNECT
    + """
image = image_api.create_image("again", disk_format="raw", container_format="bare")
%s
def send():
    with open(disk, "rb") as file:
        try:
            answer = image_api.put(f"/images/{image.id}/file", data=file, headers={
                "Content-Type": "application/octet-stream", "X-OpenStack-Image-Size": str(os.path.getsize(disk))})
            exceptions.raise_from_response(answer)
        except exceptions.SDKException as error:
            return str(error)

said = send()
after = image_api.get_image(image.id)
again = send()
result = [said, after.status, after.size, again, image_api.get_image(image.id).size]
image_api.delete_image(image)
"""
)


def check_upload_that_is_repeated_empty(account: Account, disk: Path, before: str = "") -> None:
    said, status, size, again, size_after = account.python("openstacksdk", UPLOAD % before, disk=str(disk))
    assert f"size mismatch: expected {disk.stat().st_size} bytes, got 0 bytes" in said
    assert (status, size) == ("queued", None)
    assert (again, size_after) == (None, disk.stat().st_size)


def test_an_upload_that_meets_a_401_is_refused_and_can_be_repeated(erin: Account, disk: Path) -> None:
    """The SDK logs in again and sends what is left of the file: nothing, with the size of before."""
    revoke = """
token = conn.session.get_token()
conn.session.delete(os.environ["OS_AUTH_URL"] + "/auth/tokens", headers={"X-Subject-Token": token})
"""
    check_upload_that_is_repeated_empty(erin, disk, revoke)


def test_an_upload_that_meets_a_503_is_refused_and_can_be_repeated(erin: Account, server: Server, disk: Path) -> None:
    with FaultProxy(server, [Fault("PUT", "/v2/images/[^/]+/file", 503)]).running() as proxy:
        behind = Account(**{**vars(erin), "image_url": proxy.url})
        check_upload_that_is_repeated_empty(behind, disk)
        uploads = [length for method, path, length in proxy.seen if method == "PUT"]
        assert uploads == [disk.stat().st_size, 0, disk.stat().st_size]


def test_creating_an_image_through_503_and_401_leaves_no_empty_image(erin: Account, server: Server, disk: Path) -> None:
    """``create_image`` itself: whatever it does after the fault, there is a whole image or none that is active."""
    for status in (401, 503):
        with FaultProxy(server, [Fault("PUT", "/v2/images/[^/]+/file", status)]).running() as proxy:
            behind = Account(**{**vars(erin), "image_url": proxy.url})
            result = behind.python(
                "openstacksdk",
                CONNECT
                + """
try:
    conn.create_image("through", filename=disk, disk_format="raw", container_format="bare", wait=True, timeout=30)
except exceptions.SDKException as error:
    said = str(error)
else:
    said = None
result = [said, [[i.status, i.size] for i in image_api.images(name="through")]]
for image in image_api.images(name="through"):
    image_api.delete_image(image)
""",
                disk=str(disk),
            )
            said, left = result
            assert all(image == ["active", disk.stat().st_size] for image in left if image[0] == "active")
            assert said is None or "size mismatch" in said, said
