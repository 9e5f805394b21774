"""IMS: images are made of files in buckets, by jobs, or not at all."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from image_api import Person
from ims_jobs import ended, listed
from samples import load

DATA = bytes(range(256)) * 4096
ACTION = "/v2/cloudimages/action"
WEB = {"name": "web", "image_url": "incoming:web.img", "min_disk": 1}


@pytest.fixture
async def erin(serve: Any, tmp_path: Path) -> AsyncIterator[Person]:
    bucket = tmp_path / "buckets" / "lab" / "incoming"
    (bucket / "more").mkdir(parents=True)
    (bucket / "web.img").write_bytes(DATA)
    (bucket / "more" / "disk.qcow2").write_bytes(b"QFI\xfb" + bytes(508))
    (bucket / "link").symlink_to(tmp_path / "secret.key")
    (bucket / "out").symlink_to(tmp_path)
    (tmp_path / "buckets" / "works").mkdir()
    (tmp_path / "buckets" / "works" / "secrets").mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "web.img").write_bytes(DATA)
    buckets = [
        {"type": "folder", "name": "shared-files", "projects": ["lab"], "path": "shared"},
        {"type": "folder", "name": "targets", "projects": ["lab"], "path": "shared", "read": False, "write": True},
    ]
    async with serve(profile="ims", buckets=buckets, spare_bytes=0) as town, town.worker.engine.running():
        yield town.person()


async def test_an_image_is_created_of_a_file(erin: Person) -> None:
    more = {"os_version": "CentOS 7.3 64bit", "image_tags": [{"key": "team", "value": "blue"}], "max_ram": 4096}
    answer = await erin("POST", ACTION, {**WEB, **more, "description": "nightly", "min_ram": 1024})
    job = await ended(erin, answer)
    assert (job["job_type"], job["status"], job["error_code"]) == ("imsImportImageJob", "SUCCESS", None), job
    assert job["entities"]["image_name"] == "web"
    (image,) = await listed(erin, job["entities"]["image_id"])
    assert {name: image[name] for name in ("status", "name", "min_disk", "min_ram", "disk_format", "tags")} == {
        "status": "active", "name": "web", "min_disk": 1, "min_ram": 1024, "disk_format": "raw", "tags": ["team=blue"],
    }  # fmt: skip
    assert {name: image[name] for name in image if name in ("max_ram", "__description", "__platform")} == {
        "max_ram": "4096", "__description": "nightly", "__platform": "CentOS",
    }  # fmt: skip
    assert (image["__data_origin"], image["__image_size"]) == ("file,incoming:web.img", str(len(DATA)))


async def test_a_file_of_a_bound_bucket_is_a_data_disk(erin: Person) -> None:
    url = {"image_url": "shared-files:web.img"}
    job = await ended(erin, await erin("POST", "/v1/cloudimages/dataimages/action", {**WEB, **url}))
    assert (job["job_type"], job["status"]) == ("imsImportDataImageJob", "SUCCESS")
    (image,) = await listed(erin, job["entities"]["image_id"])
    assert image["virtual_env_type"] == "DataImage"


async def test_a_registered_image_gets_the_file(erin: Person) -> None:
    image_id = (await erin.create(name="web", __os_version="CentOS 7.3 64bit"))["id"]
    path = f"/v1/cloudimages/{image_id}/upload"
    wrong = await erin("PUT", path, {"image_url": "incoming:none"})
    assert (wrong.status, wrong.json["error"]["code"]) == (400, "IMG.0121")
    job = await ended(erin, await erin("PUT", path, {"image_url": "incoming:web.img"}))
    assert (job["job_type"], job["status"]) == ("imsNativeImportImageJob", "SUCCESS")
    assert job["entities"] == {"image_id": image_id}
    assert (await erin.show(image_id))["status"] == "active"
    again = await erin("PUT", path, {"image_url": "incoming:web.img"})
    assert (again.status, again.json["error"]["code"]) == (400, "IMG.0046")


async def test_of_a_bad_file_nothing_remains(erin: Person) -> None:
    answer = await erin("POST", ACTION, {**WEB, "image_url": "incoming:more/disk.qcow2"})
    job = await ended(erin, answer)
    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0057")
    assert "qcow2" in job["fail_reason"]
    assert job["entities"]["error"] == job["fail_reason"]
    assert await listed(erin, job["entities"]["image_id"]) == []

    quick = {**WEB, "os_version": "CentOS 7.3 64bit", "type": "ECS"}
    job = await ended(erin, await erin("POST", "/v2/cloudimages/quickimport/action", quick))
    assert job["status"] == "SUCCESS", "raw needs no conversion"


QUICK = "/v2/cloudimages/quickimport/action"


async def test_a_quick_import_takes_raw_and_zvhd2_alone(erin: Person, tmp_path: Path) -> None:
    for name in ("zvhd2-mixed.zvhd2", "qcow2-v3-plain.qcow2", "vmdk-streamopt.vmdk"):
        (tmp_path / "buckets" / "lab" / "incoming" / name).write_bytes(load(name))
    system = {**WEB, "min_disk": 1024, "os_version": "CentOS 7.3 64bit"}
    for path, more in (
        (QUICK, {}),
        (QUICK, {"type": "DataImage"}),
        (ACTION, {"is_quick_import": True}),
        (ACTION, {"is_quick_import": "true"}),
    ):
        job = await ended(erin, await erin("POST", path, {**system, **more, "image_url": "incoming:zvhd2-mixed.zvhd2"}))
        assert job["status"] == "SUCCESS", job
        (image,) = await listed(erin, job["entities"]["image_id"])
        assert image["disk_format"] == "zvhd2"
    for name in ("qcow2-v3-plain.qcow2", "vmdk-streamopt.vmdk"):
        job = await ended(erin, await erin("POST", QUICK, {**system, "image_url": f"incoming:{name}"}))
        assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0057")
        assert "raw" in job["fail_reason"]
        assert "zvhd2" in job["fail_reason"]
        assert await listed(erin, job["entities"]["image_id"]) == []


async def test_an_iso_file_is_created_or_registered(erin: Person, tmp_path: Path) -> None:
    (tmp_path / "buckets" / "lab" / "incoming" / "small.iso").write_bytes(load("small.iso"))
    iso = {**WEB, "image_url": "incoming:small.iso", "type": "IsoImage", "os_version": "CentOS 7.3 64bit"}
    job = await ended(erin, await erin("POST", ACTION, iso))
    assert job["status"] == "SUCCESS", job
    registered = (await erin.create(name="iso", disk_format="iso", __os_version="CentOS 7.3 64bit"))["id"]
    path = f"/v1/cloudimages/{registered}/upload"
    assert (await ended(erin, await erin("PUT", path, {"image_url": iso["image_url"]})))["status"] == "SUCCESS"
    for image_id in (job["entities"]["image_id"], registered):
        (image,) = await listed(erin, image_id)
        assert (image["status"], image["disk_format"]) == ("active", "iso")
        assert (image["virtual_env_type"], image["__os_version"]) == ("IsoImage", "CentOS 7.3 64bit")
    job = await ended(erin, await erin("POST", ACTION, {**iso, "image_url": "incoming:web.img"}))
    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0057"), "raw is no ISO"


async def test_terraform_finds_the_image_in_a_job_within_the_job(erin: Person) -> None:
    job = await ended(erin, await erin("POST", "/v1/cloudimages/action", {**WEB, "os_type": "Linux"}))
    assert (job["job_type"], job["status"]) == ("imsImportOvaImageJob", "SUCCESS")
    (part,) = job["entities"]["sub_jobs_result"]
    assert part["entities"]["image_id"] == job["entities"]["image_id"]
    assert (part["status"], part["job_type"]) == ("SUCCESS", "imsImportImageJob")


async def test_the_bucket_of_another_project_is_as_one_that_is_not_there(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "buckets" / "lab" / "incoming").mkdir(parents=True)
    (tmp_path / "buckets" / "lab" / "incoming" / "web.img").write_bytes(DATA)
    bound = {"type": "folder", "name": "shared-files", "projects": ["lab"], "path": str(tmp_path / "buckets" / "lab")}
    async with serve(profile="ims", buckets=[bound]) as town:
        erin, olga = town.person(), town.person("works", user="olga")
        assert (await erin("POST", ACTION, WEB)).status == 200
        texts = set()
        for name in ("incoming", "shared-files", "nowhere"):
            answer = await olga("POST", ACTION, {**WEB, "image_url": f"{name}:incoming/web.img"})
            assert (answer.status, answer.json["error"]["code"]) == (400, "IMG.0069")
            texts.add(answer.json["error"]["message"].replace(name, "BUCKET"))
        assert len(texts) == 1


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"image_url": "incoming:none.img"}, "IMG.0121"),
    ({"image_url": "incoming:more"}, "IMG.0121"),
    ({"image_url": "incoming:link"}, "IMG.0121"),
    ({"image_url": "incoming:out/secret.key"}, "IMG.0121"),
    ({"image_url": "incoming:../../works/secrets/a"}, "IMG.0075"),
    ({"image_url": "secrets:a"}, "IMG.0069"),
    ({"image_url": "nothing:a"}, "IMG.0069"),
    ({"image_url": "targets:web.img"}, "IMG.0069"),
    ({"image_url": "https://example.net/web.img"}, "IMG.0001"),
    ({"image_url": "web.img"}, "IMG.0001"),
    ({"image_url": ":web.img"}, "IMG.0068"),
    ({"image_url": "In:web.img"}, "IMG.0109"),
    ({"image_url": "incoming:"}, "IMG.0073"),
    ({"image_url": "incoming:" + "a" * 1025}, "IMG.0074"),
    ({"instance_id": "a"}, "IMG.0105"),
    ({"volume_id": "a"}, "IMG.0105"),
    ({"cmk_id": "a"}, "IMG.0095"),
    ({"enterprise_project_id": "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11"}, "IMG.0155"),
    ({"name": ""}, "IMG.0013"),
    ({"min_disk": None}, "IMG.0055"),
    ({"min_disk": 1025}, "IMG.0055"),
    ({"type": "IsoImage"}, "IMG.0166"),
    ({"type": "Toaster"}, "IMG.0024"),
    ({"is_quick_import": True}, "IMG.0056"),
    ({"os_version": "BeOS"}, "IMG.0056"),
    ({"os_type": "BeOS"}, "IMG.0122"),
    ({"architecture": "vax"}, "IMG.0212"),
    ({"hw_firmware_type": "coreboot"}, "IMG.0141"),
    ({"tags": ["a=b"], "image_tags": [{"key": "a", "value": "b"}]}, "IMG.0001"),
]


async def test_what_cannot_be_made_is_refused_at_once(erin: Person) -> None:
    for change, code in REFUSED:
        answer = await erin("POST", ACTION, {**WEB, **change})
        assert (answer.status, answer.json["error"]["code"]) == (400, code), (change, answer.body)
    assert (await erin("GET", "/v2/cloudimages")).json == {"images": []}
