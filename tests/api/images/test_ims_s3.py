"""IMS: images are made of objects of an S3 server, and exported to it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

import s3_server
from image_api import Person, Town
from ims_jobs import ended
from stillage.stores.s3.buffers import Blocks
from stillage.stores.s3.client import S3Client

DATA = bytes(range(256)) * (36 << 10)


@pytest.fixture
def client() -> S3Client:
    return S3Client(s3_server.settings(), s3_server.session())


@pytest.fixture
async def town(serve: Any, client: S3Client, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.SECRET)
    table = {"type": "s3", "name": "files", "projects": ["lab"], "write": True, "bucket": s3_server.BUCKET}
    table |= {"endpoint": s3_server.endpoint(), "prefix": client.settings.prefix, "region": "us-east-1"}
    gone = {**table, "name": "gone", "bucket": "no-such-bucket"}
    async with serve(profile="ims", spare_bytes=0, buckets=[table, gone]) as town, town.worker.engine.running():
        yield town


async def test_an_object_becomes_an_image_and_an_image_an_object(erin: Person, client: S3Client) -> None:
    client.put("disks/web.img", Blocks([DATA]))
    given = {"name": "web", "image_url": "files:disks/web.img", "min_disk": 1}
    job = await ended(erin, await erin("POST", "/v2/cloudimages/action", given))
    assert job["status"] == "SUCCESS", job
    image_id = job["entities"]["image_id"]
    assert (await erin("GET", f"/v2/images/{image_id}/file")).body == DATA

    path = f"/v1/cloudimages/{image_id}/file"
    body = {"bucket_url": "files:out/web.qcow2", "file_format": "qcow2"}
    job = await ended(erin, await erin("POST", path, body))
    assert job["status"] == "SUCCESS", job
    assert client.head("out/web.qcow2").size >= len(DATA)
    again = await erin("POST", path, body)
    assert (again.status, again.json["error"]["code"]) == (400, "IMG.0070")
    assert client.open_uploads("out/") == []


async def test_what_is_not_there_is_refused_at_once(erin: Person) -> None:
    for url, code in (("files:nothing", "IMG.0121"), ("gone:a", "IMG.0069"), ("other:a", "IMG.0069")):
        answer = await erin("POST", "/v2/cloudimages/action", {"name": "web", "image_url": url, "min_disk": 1})
        assert (answer.status, answer.json["error"]["code"]) == (400, code), answer.body
