"""Resumable uploads of which nothing comes for a while."""

import asyncio
import os
from functools import partial
from urllib.parse import urlsplit

import pytest

from deployments import TIMEOUT_S, Deploy
from proc_files import open_files
from server import eventually
from stillage.operations.resumable import verifying


async def test_an_upload_that_rests_keeps_no_file_open_and_goes_on(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "CLOSE_AFTER_S", 0.05)
    monkeypatch.setattr(verifying, "RENEW_EVERY_S", 0.05)
    async with deploy() as deployment:
        headers = {"X-Auth-Token": "lab", "Content-Type": "application/octet-stream"}
        image_id = await deployment.created()
        path = f"/v2/images/{image_id}/uploads"
        async with deployment.session.post(path, headers={"X-Auth-Token": "lab"}, json={"size": 5}) as opened:
            url = urlsplit((await opened.json())["url"]).path

        async def send(span: str, data: bytes) -> None:
            named = {**headers, "Content-Range": f"bytes {span}/5"}
            async with deployment.session.put(url, headers=named, data=data) as answer:
                assert answer.status in (202, 204), await answer.text()

        for span, data in (("0-0", b"b"), ("1-2", b"yt")):
            await send(span, data)
            closed = partial(lambda blobs: not open_files(blobs, os.getpid()), deployment.data_folder / "blobs")
            await asyncio.to_thread(eventually, closed, "the file is closed", within_s=TIMEOUT_S)
        await send("3-4", b"es")
        _, image = await deployment.get(f"/v2/images/{image_id}")
        assert (image["status"], image["size"]) == ("active", 5)
