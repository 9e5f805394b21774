"""Requests that take longer than the time limit of a request, and what is left of them."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from deployments import KIB, TIMEOUT_S, Deploy
from stillage.api.http import time_limits
from stillage.db import lifecycle, usage
from stillage.db import pieces as pieces_db
from stillage.operations.download import Download
from stillage.operations.images import Images
from stillage.operations.resumable.uploads import Uploads
from stillage.operations.upload.ingest import Ingest


class TimeLimit:
    """Of each request: it runs out when a test says so, and not by the clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._latest: asyncio.Timeout | None = None
        monkeypatch.setattr(time_limits, "timeout", self._begin)

    def _begin(self, _limit_s: float) -> asyncio.Timeout:
        self._latest = asyncio.timeout(10 * TIMEOUT_S)
        return self._latest

    def runs_out(self) -> None:
        """Let the time of the latest request be over, if it still has a limit."""
        if self._latest is not None and self._latest.when() is not None:
            self._latest.reschedule(asyncio.get_running_loop().time())


@pytest.fixture
def time_limit(monkeypatch: pytest.MonkeyPatch) -> TimeLimit:
    return TimeLimit(monkeypatch)


@pytest.mark.parametrize(
    ("stuck", "name", "method", "path"),
    [
        (Images, "get", "GET", ""),
        (Ingest, "_claim", "PUT", "/file"),
        (Uploads, "open", "POST", "/uploads"),
        (Download, "describe", "GET", "/file"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
async def test_a_request_that_takes_too_long_is_given_up_with_a_sentence(
    deploy: Deploy,
    monkeypatch: pytest.MonkeyPatch,
    time_limit: TimeLimit,
    stuck: type,
    name: str,
    method: str,
    path: str,
) -> None:
    async def never(*_: object) -> None:
        time_limit.runs_out()
        await asyncio.Event().wait()

    async with deploy(request_timeout_s=0.1) as deployment:
        image_id = await deployment.created()
        monkeypatch.setattr(stuck, name, never)
        headers = {
            "X-Auth-Token": "lab",
            "Content-Type": f"application/{'json' if method == 'POST' else 'octet-stream'}",
        }
        body = {"PUT": bytes(512 * KIB), "POST": b"{}"}.get(method)
        url = f"/v2/images/{image_id}{path}"
        async with deployment.session.request(method, url, headers=headers, data=body) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert "took longer than 0.1 seconds" in await answer.text()


@asynccontextmanager
async def held(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, time_limit: TimeLimit
) -> AsyncIterator[threading.Event]:
    """Hold up a unit of work of the database until what is yielded is set, and let the time of its request run out."""
    begun, go_on, real = threading.Event(), threading.Event(), getattr(module, name)

    def slow(*args: Any) -> Any:
        begun.set()
        go_on.wait(TIMEOUT_S)
        return real(*args)

    async def run_out() -> None:
        await asyncio.to_thread(begun.wait, TIMEOUT_S)
        time_limit.runs_out()

    monkeypatch.setattr(module, name, slow)
    running_out = asyncio.create_task(run_out())
    yield go_on
    await running_out


async def test_an_upload_that_begins_after_its_request_was_given_up_ends(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, time_limit: TimeLimit
) -> None:
    async with held(monkeypatch, lifecycle, "claim", time_limit) as given_up, deploy() as deployment:
        image_id = await deployment.created()
        headers = {"X-Auth-Token": "lab", "Content-Type": "application/octet-stream"}
        async with deployment.session.put(f"/v2/images/{image_id}/file", headers=headers, data=b"bytes") as answer:
            assert answer.status == 503
        given_up.set()
        await deployment.worker.services.ingest.close()
        _, image = await deployment.get(f"/v2/images/{image_id}")
        assert image["status"] == "queued"
        assert "given up before its" in image["os_stillage_reason"]


async def test_a_piece_is_given_up_before_its_body_and_then_counts_for_nothing(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, time_limit: TimeLimit
) -> None:
    async with held(monkeypatch, pieces_db, "begin", time_limit) as given_up, deploy() as deployment:
        headers, path = {"X-Auth-Token": "lab"}, f"/v2/images/{await deployment.created()}/uploads"
        async with deployment.session.post(path, headers=headers, json={"size": 5}) as opened:
            url = urlsplit((await opened.json())["url"]).path
        headers |= {"Content-Range": "bytes 0-4/5", "Content-Type": "application/octet-stream"}
        async with deployment.session.put(url, headers=headers, data=b"bytes") as answer:
            assert answer.status == 503
        given_up.set()
        await deployment.worker.services.uploads.upkeep()
        assert (await deployment.worker.services.database.read(usage.find, "node:node")).uploads == 0
        async with deployment.session.put(url, headers=headers, data=b"bytes") as answer:
            assert answer.status == 204


async def test_a_body_and_its_verdict_may_take_longer_than_a_request(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, time_limit: TimeLimit
) -> None:
    publish = Ingest._publish

    async def slow(*args: Any) -> Any:
        time_limit.runs_out()  # there is none any more
        await asyncio.sleep(0)
        return await publish(*args)

    monkeypatch.setattr(Ingest, "_publish", slow)
    async with deploy() as deployment:
        await deployment.stored(b"bytes")
