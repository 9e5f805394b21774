"""IMS: copies of images share their bytes, and nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from image_api import Person, Town
from ims_jobs import ended, listed

DATA = bytes(range(256)) * 4096


@pytest.fixture
async def town(serve: Any) -> AsyncIterator[Town]:
    async with serve(profile="ims", spare_bytes=0) as town, town.worker.engine.running():
        yield town


async def test_a_copy_lives_without_its_source(town: Town, erin: Person, tmp_path: Path) -> None:
    source = await erin.stored(DATA, name="web", min_disk=1, __os_version="CentOS 7.3 64bit")
    answer = await erin("POST", f"/v1/cloudimages/{source['id']}/copy", {"name": "copy", "description": "mine"})
    job = await ended(erin, answer)
    assert (job["job_type"], job["status"]) == ("imsCopyImageInRegionJob", "SUCCESS"), job
    assert job["entities"]["image_name"] == "copy"
    (copy,) = await listed(erin, job["entities"]["image_id"])
    assert {name: copy[name] for name in ("name", "status", "max_ram", "__description", "__os_version")} == {
        "name": "copy", "status": "active", "max_ram": "0", "__description": "mine", "__os_version": "CentOS 7.3 64bit",
    }  # fmt: skip
    assert (copy["__originalimagename"], copy["__data_origin"]) == (source["id"], f"image,RegionOne,{source['id']}")
    assert len([file for file in (tmp_path / "blobs").rglob("*") if file.is_file()]) == 1
    assert (await erin("DELETE", f"/v2/images/{source['id']}")).status == 204
    await town.worker.sweep()
    assert (await erin("GET", f"/v2/images/{copy['id']}/file")).body == DATA


async def test_shared_images_are_copied_when_they_are_accepted(town: Town, erin: Person) -> None:
    olga = town.person("works", user="olga")
    image_id = (await erin.stored(DATA))["id"]
    path = f"/v1/cloudimages/{image_id}/copy"
    hidden = await olga("POST", path, {"name": "mine"})
    assert (hidden.status, hidden.json["error"]["code"]) == (404, "IMG.0144")
    await erin.share(image_id, "works")
    early = await olga("POST", path, {"name": "mine"})
    assert (early.status, early.json["error"]["code"]) == (400, "IMG.0196")
    await olga.answer(image_id, "accepted")
    job = await ended(olga, await olga("POST", path, {"name": "mine"}))
    assert (await olga.show(job["entities"]["image_id"]))["owner"] == "works"


async def test_what_cannot_be_copied_is_refused_at_once(erin: Person) -> None:
    queued, stored = (await erin.create(name="queued"))["id"], (await erin.stored(DATA))["id"]
    for image_id, body, code in (
        (queued, {"name": "copy"}, "IMG.0046"),
        (stored, {}, "IMG.0013"),
        (stored, {"name": "copy", "cmk_id": "a"}, "IMG.0095"),
        (stored, {"name": "copy", "description": "<b>"}, "IMG.0054"),
    ):
        answer = await erin("POST", f"/v1/cloudimages/{image_id}/copy", body)
        assert (answer.status, answer.json["error"]["code"]) == (400, code)
    answer = await erin("POST", f"/v1/cloudimages/{stored}/cross_region_copy", {"name": "copy"})
    assert (answer.status, answer.json["error"]["code"]) == (400, "IMG.0147")


async def test_five_copies_wait_and_no_sixth(serve: Any) -> None:
    async with serve(profile="ims") as town:  # where no job runs
        erin = town.person()
        path = f"/v1/cloudimages/{(await erin.stored(DATA))['id']}/copy"
        for number in range(5):
            assert (await erin("POST", path, {"name": f"copy{number}"})).status == 200
        assert {image["status"] for image in (await erin("GET", "/v2/cloudimages?status=saving")).json["images"]} == {
            "saving"
        }
        answer = await erin("POST", path, {"name": "sixth"})
        assert (answer.status, answer.json["error"]["code"]) == (400, "IMG.0060")
        assert len((await erin("GET", "/v2/cloudimages")).json["images"]) == 6


async def test_the_image_of_another_project_is_as_one_that_is_not_there(town: Town, erin: Person) -> None:
    olga, stored = town.person("works", user="olga"), (await erin.stored(DATA))["id"]
    nothing = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a99"
    for method, end, body in (
        ("POST", "copy", {"name": "copy"}),
        ("POST", "file", {"bucket_url": "outgoing:a", "file_format": "qcow2"}),
        ("PUT", "upload", {"image_url": "incoming:a"}),
    ):
        answers = [await olga(method, f"/v1/cloudimages/{image_id}/{end}", body) for image_id in (stored, nothing)]
        assert [answer.status for answer in answers] == [404, 404]
        assert [answer.json["error"]["code"] for answer in answers] == ["IMG.0144", "IMG.0144"]
        assert answers[0].body.replace(stored.encode(), nothing.encode()) == answers[1].body
