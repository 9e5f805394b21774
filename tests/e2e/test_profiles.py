"""What an upload makes of a record, in either profile and whatever is around the disk."""

import gzip
import io
import tarfile
from typing import Any

import pytest

from samples import load
from server import MakeServer, Server

GIB = 1 << 30
TEN = {
    "qcow2-v3-plain.qcow2": "qcow2",
    "vmdk-streamopt.vmdk": "vmdk",
    "vhd-dynamic.vhd": "vhd",
    "raw-mbr.raw": "raw",
    "vhdx-dynamic.vhdx": "vhdx",
    "qed-plain.qed": "qed",
    "vdi-dynamic.vdi": "vdi",
    "qcow-v1-plain.qcow": "qcow",
    "zvhd2-mixed.zvhd2": "zvhd2",
    "zvhd-mixed.zvhd": "zvhd",
}
RECORDABLE = {"zvhd2", "zvhd", "vhd", "raw", "qcow2"}
PROPERTY = "__image_file_format"


@pytest.fixture
def ims(shared_server: MakeServer) -> Server:
    return shared_server(profile="ims")


@pytest.fixture
def openstack(shared_server: MakeServer) -> Server:
    return shared_server()


def uploaded(server: Server, data: bytes, **attributes: Any) -> dict[str, Any]:
    return server.show(server.stored(data, **attributes))


@pytest.mark.parametrize("declared", ["zvhd2", "qcow2", "vhd"])
@pytest.mark.parametrize("name", TEN)
def test_ims_takes_any_of_the_ten_for_any_record_and_records_what_it_can_say(
    ims: Server, name: str, declared: str
) -> None:
    found = TEN[name]
    image = uploaded(ims, load(name), disk_format=declared)
    assert image["disk_format"] == (found if found in RECORDABLE else declared)
    assert image.get(PROPERTY) == (None if found in RECORDABLE else found)


@pytest.mark.parametrize("name", ["small.iso", "qcow2-v3-backing.qcow2", "parallels.hdd"])
def test_ims_refuses_what_is_none_of_the_ten_or_leads_elsewhere(ims: Server, name: str) -> None:
    image_id = ims.create(disk_format="zvhd2")
    answer = ims.upload(image_id, load(name))
    assert answer.status == 400
    assert answer.json["error"]["code"] == "IMG.0057"
    assert ims.show(image_id)["status"] == "queued"


def test_ims_refuses_a_disk_that_is_larger_than_min_disk(ims: Server) -> None:
    image_id = ims.create(disk_format="qcow2", min_disk=1)
    answer = ims.upload(image_id, load("qcow2-v3-1T-empty.qcow2"))
    assert (answer.status, answer.json["error"]["code"]) == (400, "IMG.0055")
    assert "set min_disk to 1024 or more" in ims.show(image_id)["os_stillage_reason"]
    uploaded(ims, load("qcow2-v3-1T-empty.qcow2"), disk_format="qcow2", min_disk=1024)
    uploaded(ims, load("qcow2-v3-1T-empty.qcow2"), disk_format="qcow2", min_disk=0)


def test_openstack_does_not_compare_min_disk(openstack: Server) -> None:
    image = uploaded(openstack, load("qcow2-v3-1T-empty.qcow2"), disk_format="qcow2", min_disk=1)
    assert image["virtual_size"] == 1024 * GIB


@pytest.mark.parametrize("name", TEN)
def test_openstack_gives_an_unset_disk_format_the_format_found(openstack: Server, name: str) -> None:
    image = uploaded(openstack, load(name), disk_format=None, container_format=None)
    assert (image["disk_format"], image["container_format"]) == (TEN[name], "bare")


def test_openstack_refuses_another_format_unless_told_otherwise(openstack: Server, shared_server: MakeServer) -> None:
    data = load("vdi-dynamic.vdi")
    answer = openstack.upload(openstack.create(disk_format="qcow2"), data)
    assert (answer.status, answer.json["error"]["rule"]) == (415, "format.mismatch")
    image = uploaded(shared_server(require_format_match=False), data, disk_format="qcow2")
    assert image["disk_format"] == "qcow2"
    assert PROPERTY not in image


def ova() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in (("disk.ovf", b"<Envelope/>"), ("disk.vmdk", load("vmdk-streamopt.vmdk"))):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("container", "declared", "data"),
    [
        ("ova", "vmdk", ova()),
        ("ova", None, ova()),
        ("docker", "raw", ova()),
        ("compressed", "qcow2", gzip.compress(load("qcow2-v3-plain.qcow2"))),
        ("ovf", "vmdk", b"<?xml version='1.0'?><Envelope/>\n" * 100),
    ],
)
def test_a_package_is_not_the_disk_and_is_not_compared_with_its_format(
    openstack: Server, container: str, declared: str | None, data: bytes
) -> None:
    image = uploaded(openstack, data, container_format=container, disk_format=declared)
    assert (image["container_format"], image["disk_format"]) == (container, declared)
    assert image["virtual_size"] is None


@pytest.mark.parametrize("container", ["ova", "docker", "compressed", "ovf"])
@pytest.mark.parametrize("name", ["qcow2-v3-backing.qcow2", "vmdk-flat-descriptor.vmdk", "qcow2-l1-absurd.qcow2"])
def test_a_package_that_is_a_hostile_disk_is_refused_all_the_same(openstack: Server, name: str, container: str) -> None:
    answer = openstack.upload(openstack.create(container_format=container, disk_format="raw"), load(name))
    assert answer.status == 415, answer.body
