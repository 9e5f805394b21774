"""IMS: images are exported to new objects of buckets, whole or not at all."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from image_api import Person, Town
from ims_jobs import ended
from qcow2_images import Qcow2
from stillage.errors import BucketFailed
from stillage.stores.buckets.base import Found
from stillage.stores.buckets.folder import FolderBucket
from stillage.stores.buckets.folder_writer import FolderWriter

DATA = (bytes(range(256)) * 256 + bytes(1 << 16)) * 8


# Some formats round the size of the disk up, to as much as a GiB.
BEGINNING = {"Range": f"bytes=0-{len(DATA) - 1}"}
FORMATS: list[tuple[dict[str, Any], bytes]] = [
    ({"file_format": "qcow2"}, b"QFI\xfb"),
    ({"file_format": "vhd"}, b"conectix"),
    ({"file_format": "zvhd"}, b""),
    ({"file_format": "vmdk"}, b"KDMV"),
    ({"is_quick_export": True}, b""),
]


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    folder = tmp_path / "buckets" / "lab" / "outgoing"
    folder.mkdir(parents=True)
    (folder / "taken.raw").write_bytes(b"mine")
    (folder / "link").symlink_to(tmp_path)
    return folder


@pytest.fixture
async def town(serve: Any, bucket: Path) -> AsyncIterator[Town]:
    shared = {"type": "folder", "name": "read-only", "projects": ["lab"], "path": str(bucket)}
    async with serve(profile="ims", spare_bytes=0, buckets=[shared]) as town, town.worker.engine.running():
        yield town


async def test_what_is_exported_is_the_same_disk(erin: Person, bucket: Path) -> None:
    image = await erin.stored(DATA, min_disk=1)
    path = f"/v1/cloudimages/{image['id']}/file"
    for number, (body, magic) in enumerate(FORMATS):
        name = f"new/{number}.img"
        job = await ended(erin, await erin("POST", path, {"bucket_url": f"outgoing:{name}", **body}))
        assert (job["job_type"], job["status"]) == ("imsNativeExportImageJob", "SUCCESS"), job
        assert job["entities"] == {"image_id": image["id"]}
        assert (bucket / name).read_bytes()[:4] == magic[:4] or not magic
        made = {"name": "again", "image_url": f"outgoing:{name}", "min_disk": 1}
        back = await ended(erin, await erin("POST", "/v2/cloudimages/action", made))
        assert back["status"] == "SUCCESS", back
        raw = await erin("GET", f"/v2/images/{back['entities']['image_id']}/file?disk_format=raw", **BEGINNING)
        assert raw.body == DATA


async def test_its_own_format_is_exported_as_it_is(erin: Person, bucket: Path) -> None:
    image = await erin.stored(DATA, min_disk=1)
    target = {"bucket_url": "outgoing:a.qcow2", "file_format": "qcow2"}
    await ended(erin, await erin("POST", f"/v1/cloudimages/{image['id']}/file", target))
    qcow2 = await erin.stored((bucket / "a.qcow2").read_bytes(), disk_format="qcow2", min_disk=1)
    target["bucket_url"] = "outgoing:b.qcow2"
    await ended(erin, await erin("POST", f"/v1/cloudimages/{qcow2['id']}/file", target))
    assert (bucket / "b.qcow2").read_bytes() == (bucket / "a.qcow2").read_bytes()


async def test_what_cannot_be_exported_is_refused_at_once(town: Town, erin: Person, bucket: Path) -> None:
    queued, stored = (await erin.create())["id"], (await erin.stored(DATA))["id"]
    package = (await erin.stored(disk_format="vmdk", container_format="ova"))["id"]
    large = (
        await erin.stored(Qcow2(size=3 << 40, l1_entries=6144, l1=[0] * 6144, clusters=0).build(), disk_format="qcow2")
    )["id"]
    before = names(bucket)
    given = {"bucket_url": "outgoing:new.img", "file_format": "qcow2"}
    for image_id, change, code in (
        (package, {}, "IMG.0071"),
        (large, {"file_format": "vhd"}, "IMG.0072"),
        (queued, {}, "IMG.0046"),
        (stored, {"file_format": "qed"}, "IMG.0072"),
        (stored, {"file_format": None}, "IMG.0072"),
        (stored, {"is_quick_export": True}, "IMG.0072"),
        (stored, {"bucket_url": "outgoing:taken.raw"}, "IMG.0070"),
        (stored, {"bucket_url": "read-only:new.img"}, "IMG.0069"),
        (stored, {"bucket_url": "nothing:new.img"}, "IMG.0069"),
        (stored, {"bucket_url": "outgoing:../new.img"}, "IMG.0075"),
    ):
        answer = await erin("POST", f"/v1/cloudimages/{image_id}/file", {**given, **change})
        assert (answer.status, answer.json["error"]["code"]) == (400, code), answer.body
    olga = town.person("works", user="olga")
    answer = await olga("POST", f"/v1/cloudimages/{stored}/file", given)
    assert (answer.status, answer.json["error"]["code"]) == (404, "IMG.0144")
    rita = town.person(roles="reader", user="rita")
    answer = await rita("POST", f"/v1/cloudimages/{stored}/file", given)
    assert (answer.status, answer.json["error"]["code"]) == (403, "IMG.0026")
    assert names(bucket) == before


async def test_a_failed_export_leaves_nothing(erin: Person, bucket: Path) -> None:
    image_id = (await erin.stored(DATA, min_disk=1))["id"]
    before = names(bucket / "link")
    target = {"bucket_url": "outgoing:link/new.qcow2", "file_format": "qcow2"}
    job = await ended(erin, await erin("POST", f"/v1/cloudimages/{image_id}/file", target))
    assert job["status"] == "FAIL"
    assert job["fail_reason"]
    assert names(bucket / "link") == before
    assert names(bucket) == ["link", "taken.raw"]


@pytest.fixture
def dies_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first writer of an object make it, and not live to say so."""
    commit = FolderWriter.commit
    has_died: list[bool] = []

    async def commit_and_die(writer: FolderWriter) -> None:
        await commit(writer)
        if not has_died:
            has_died.append(True)
            raise BucketFailed("outgoing", "its answer was lost")

    monkeypatch.setattr(FolderWriter, "commit", commit_and_die)


@pytest.mark.usefixtures("dies_afterwards")
@pytest.mark.parametrize("file_format", ["qcow2", "zvhd", "vmdk"])
async def test_an_object_of_an_earlier_run_is_its_own(town: Town, erin: Person, bucket: Path, file_format: str) -> None:
    town.worker.engine._pauses_s = (0.0, 0.0)
    image_id = (await erin.stored(DATA, min_disk=1))["id"]
    target = {"bucket_url": "outgoing:new", "file_format": file_format}
    job = await ended(erin, await erin("POST", f"/v1/cloudimages/{image_id}/file", target))
    assert job["status"] == "SUCCESS", job
    assert names(bucket) == ["link", "new", "taken.raw"]


@pytest.mark.usefixtures("dies_afterwards")
async def test_an_object_of_somebody_else_is_not(
    town: Town, erin: Person, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.worker.engine._pauses_s = (0.0, 0.0)
    image_id = (await erin.stored(DATA, min_disk=1))["id"]
    head = FolderBucket.head

    async def changed(self: FolderBucket, key: str) -> Found:
        found = await head(self, key)
        (bucket / "new").write_bytes(bytes(found.size))
        return await head(self, key)

    monkeypatch.setattr(FolderBucket, "head", changed)
    target = {"bucket_url": "outgoing:new", "file_format": "qcow2"}
    job = await ended(erin, await erin("POST", f"/v1/cloudimages/{image_id}/file", target))
    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0070")
    assert not any((bucket / "new").read_bytes()), "it stays as it is"


async def test_one_export_of_an_image_runs_at_a_time(serve: Any, bucket: Path) -> None:
    async with serve(profile="ims") as town:  # where no job runs
        erin = town.person()
        path = f"/v1/cloudimages/{(await erin.stored(DATA))['id']}/file"
        assert (await erin("POST", path, {"bucket_url": "outgoing:a", "file_format": "vhd"})).status == 200
        answer = await erin("POST", path, {"bucket_url": "outgoing:b", "file_format": "vhd"})
        assert (answer.status, answer.json["error"]["code"]) == (400, "IMG.0148")
    assert names(bucket) == ["link", "taken.raw"]
