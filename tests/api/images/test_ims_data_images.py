"""IMS: the images of a system disk and of its data disks are made together, by one job with a part for each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from image_api import Person, Town
from ims_jobs import ended, listed
from stillage.errors import BucketFailed
from stillage.ids import JobId, job_id_of
from stillage.stores.buckets.base import Found
from stillage.stores.buckets.folder import FolderBucket

ACTION = "/v2/cloudimages/action"
DISKS = [
    {"image_url": "incoming:one.img", "min_disk": 2048, "name": "one", "image_tags": [{"key": "disk", "value": "1"}]},
    {"image_url": "incoming:two.img", "min_disk": 1},
]
WEB = {"name": "web", "image_url": "incoming:web.img", "min_disk": 40, "os_type": "Windows", "tags": ["team=blue"]}
WITH_DISKS = {**WEB, "description": "nightly", "data_images": DISKS}


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    folder = tmp_path / "buckets" / "lab" / "incoming"
    folder.mkdir(parents=True)
    for number, name in enumerate(("web", "one", "two")):
        (folder / f"{name}.img").write_bytes(bytes([number]) * 5000)
    return folder


@pytest.fixture
async def town(serve: Any, bucket: Path) -> AsyncIterator[Town]:
    async with serve(profile="ims", spare_bytes=0) as town, town.worker.engine.running():
        town.worker.engine._pauses_s = (0.0, 0.0)  # the clock of these tests stands still
        yield town


async def all_images(person: Person) -> list[dict[str, Any]]:
    images: list[dict[str, Any]] = (await person("GET", "/v2/cloudimages")).json["images"]
    return images


async def test_each_disk_becomes_an_image(erin: Person) -> None:
    answer = await erin("POST", ACTION, WITH_DISKS)
    assert set(answer.json) == {"job_id"}
    job = await ended(erin, answer)
    assert job["status"] == "SUCCESS", job
    assert list(job) == [
        "job_id", "job_type", "status", "begin_time", "end_time", "error_code", "fail_reason", "entities",
    ]  # fmt: skip
    assert (job["job_type"], job["error_code"], job["fail_reason"]) == ("imsImportOvaImageJob", None, None)
    assert list(job["entities"]) == ["sub_jobs_result", "sub_jobs_list"]
    parts = job["entities"]["sub_jobs_result"]
    assert [part["job_id"] for part in parts] == job["entities"]["sub_jobs_list"]
    assert [list(part) for part in parts] == [list(job)] * 3
    assert {(part["job_type"], part["status"], part["fail_reason"]) for part in parts} == {
        ("imsImportImageJob", "SUCCESS", None)
    }
    assert [part["entities"]["image_name"] for part in parts] == ["web", "one", "web"]
    images = [(await listed(erin, part["entities"]["image_id"]))[0] for part in parts]
    assert [(image["virtual_env_type"], image["min_disk"], image["tags"]) for image in images] == [
        ("FusionCompute", 40, ["team=blue"]), ("DataImage", 2048, ["disk=1"]), ("DataImage", 1, ["team=blue"]),
    ]  # fmt: skip
    assert {(image["status"], image["__os_type"], image["__description"]) for image in images} == {
        ("active", "Windows", "nightly")
    }
    assert [image["__data_origin"] for image in images] == [
        f"file,incoming:{name}.img" for name in ("web", "one", "two")
    ]
    for shown in (job, *parts):
        for path in (f"/v1/lab/jobs/{shown['job_id']}", f"/v1/cloudimages/job/{shown['job_id']}"):
            assert (await erin("GET", path)).json == shown


async def test_terraform_takes_the_first_part(erin: Person) -> None:
    job = await ended(erin, await erin("POST", "/v1/cloudimages/action", WITH_DISKS))
    first = job["entities"]["sub_jobs_result"][0]["entities"]["image_id"]
    assert (await listed(erin, first))[0]["__data_origin"] == "file,incoming:web.img"


async def test_of_all_that_are_made_together_none_remains(town: Town, erin: Person, bucket: Path) -> None:
    (bucket / "one.img").write_bytes(b"QFI\xfb" + bytes(508))
    job = await ended(erin, await erin("POST", ACTION, WITH_DISKS))
    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0057")
    parts = job["entities"]["sub_jobs_result"]
    assert [(part["status"], part["error_code"]) for part in parts] == [("FAIL", "IMG.0057")] * 3
    assert parts[1]["fail_reason"] == job["fail_reason"] == job["entities"]["error"]
    assert all(part["fail_reason"].startswith("undone") for part in (parts[0], parts[2]))
    assert await all_images(erin) == []
    await town.worker.sweep()
    assert (await erin("GET", "/v2/info/usage")).json["usage"]["image_size_total"]["usage"] == 0


async def started(erin: Person, monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, Any]:
    """Begin a creation that stands still at its second image until the event is set, and then fails once in passing."""
    go_on, read = asyncio.Event(), FolderBucket.read

    @asynccontextmanager
    async def slow(self: FolderBucket, key: str, found: Found) -> AsyncIterator[AsyncIterator[bytes]]:
        if key == "one.img" and not go_on.is_set():
            await go_on.wait()
            raise BucketFailed("incoming", "it is away")
        async with read(self, key, found) as chunks:
            yield chunks

    monkeypatch.setattr(FolderBucket, "read", slow)
    return go_on, await erin("POST", ACTION, WITH_DISKS)


async def the_parts(erin: Person, answer: Any, wanted: list[str]) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        while True:
            job = (await erin("GET", f"/v1/lab/jobs/{answer.json['job_id']}")).json
            parts: list[dict[str, Any]] = job["entities"]["sub_jobs_result"]
            if [part["status"] for part in parts] == wanted:
                return parts
            assert job["status"] in ("INIT", "RUNNING"), job
            await asyncio.sleep(0.02)


async def test_no_image_is_active_before_all_are_there(erin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, answer = await started(erin, monkeypatch)
    parts = await the_parts(erin, answer, ["RUNNING", "RUNNING", "INIT"])
    assert [part["entities"]["process_percent"] for part in parts[::2]] == [1.0, 0.0]
    assert {part["entities"]["current_task"] for part in parts} == {"ImportImageTask:"}
    assert {(image["status"], image["__image_size"]) for image in await all_images(erin)} <= {
        ("saving", "0"), ("saving", "5000"),
    }  # fmt: skip
    go_on.set()
    job = await ended(erin, answer)
    assert job["status"] == "SUCCESS", job
    assert {image["status"] for image in await all_images(erin)} == {"active"}


async def test_who_deletes_one_of_them_ends_them_all(erin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, answer = await started(erin, monkeypatch)
    parts = await the_parts(erin, answer, ["RUNNING", "RUNNING", "INIT"])
    first = parts[0]["entities"]["image_id"]
    assert (await erin("DELETE", f"/v2/images/{first}")).status == 204
    go_on.set()
    job = await ended(erin, answer)
    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0144")
    assert [part["status"] for part in job["entities"]["sub_jobs_result"]] == ["FAIL"] * 3
    assert await all_images(erin) == []


async def test_an_operator_cancels_all_of_them(town: Town, erin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    _, answer = await started(erin, monkeypatch)
    await the_parts(erin, answer, ["RUNNING", "RUNNING", "INIT"])
    jobs = town.worker.services.jobs
    await jobs.cancel(JobId(job_id_of(answer.json["job_id"])), "no more room")
    job = await ended(erin, answer)
    assert (job["status"], job["fail_reason"]) == ("FAIL", "no more room")
    assert [part["status"] for part in job["entities"]["sub_jobs_result"]] == ["FAIL"] * 3
    assert await all_images(erin) == []


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (ACTION, {"data_images": [{"volume_id": "a"}]}, "IMG.0105"),
    (ACTION, {"data_images": [*DISKS, *DISKS]}, "IMG.0001"),
    (ACTION, {"data_images": {"image_url": "incoming:one.img"}}, "IMG.0001"),
    (ACTION, {"data_images": ["incoming:one.img"]}, "IMG.0001"),
    (ACTION, {"data_images": [DISKS[0], DISKS[0]]}, "IMG.0123"),
    (ACTION, {"data_images": [{"image_url": "incoming:web.img", "min_disk": 1}]}, "IMG.0123"),
    (ACTION, {"data_images": [{"image_url": "incoming:one.img"}]}, "IMG.0055"),
    (ACTION, {"data_images": [{"image_url": "incoming:one.img", "min_disk": 2049}]}, "IMG.0055"),
    (ACTION, {"data_images": [{"min_disk": 1}]}, "IMG.0001"),
    (ACTION, {"data_images": [DISKS[0], {"image_url": "incoming:none.img", "min_disk": 1}]}, "IMG.0121"),
    (ACTION, {"data_images": [DISKS[0], {"image_url": "secrets:one.img", "min_disk": 1}]}, "IMG.0069"),
    (ACTION, {"data_images": [{**DISKS[0], "cmk_id": "a"}]}, "IMG.0095"),
    (ACTION, {"data_images": [{**DISKS[0], "name": " a"}]}, "IMG.0003"),
    (ACTION, {"data_images": [{**DISKS[0], "tags": ["a=b"]}]}, "IMG.0001"),
    ("/v2/cloudimages/quickimport/action", {"data_images": DISKS}, "IMG.0105"),
    ("/v1/cloudimages/dataimages/action", {"data_images": DISKS}, "IMG.0105"),
]


async def test_what_cannot_be_made_is_refused_at_once(erin: Person) -> None:
    for path, change, code in REFUSED:
        answer = await erin("POST", path, {**WEB, **change})
        assert (answer.status, answer.json["error"]["code"]) == (400, code), (change, answer.body)
    assert await all_images(erin) == []


async def test_each_image_counts_as_one_creation(serve: Any, bucket: Path) -> None:
    async with serve(profile="ims") as town:  # where no job runs
        erin = town.person()
        for _ in range(13):
            assert (await erin("POST", ACTION, WITH_DISKS)).status == 200
        answer = await erin("POST", ACTION, WITH_DISKS)
        assert (answer.status, answer.json["error"]["code"]) == (400, "IMG.0060")
        assert (await erin("POST", ACTION, WEB)).status == 200
        assert len(await all_images(erin)) == 40
