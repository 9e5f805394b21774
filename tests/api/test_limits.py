"""Quotas, room and damage, as a client meets them: the application in process, over a real socket."""

import asyncio
import dataclasses
import os
import re
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession
from structlog.testing import capture_logs

from builders import principal
from fakes import OpenRights
from server import eventually, open_files
from serving import serving
from stillage import app
from stillage.accounts.principal import Principal
from stillage.api.http import time_limits
from stillage.config import load
from stillage.db import lifecycle, usage
from stillage.db import pieces as pieces_db
from stillage.db.leases import LeaseOwner
from stillage.operations import download
from stillage.operations.download import Download
from stillage.operations.images import Images
from stillage.operations.resumable import verifying
from stillage.operations.resumable.uploads import Uploads
from stillage.operations.upload import acceptance, ingest
from stillage.operations.upload.ingest import Ingest
from stillage.stores.abilities import Measures

KIB = 1 << 10
MIB = 1 << 20
TIMEOUT_S = 20.0


class ByName:
    """A token is the name of the project that its holder is in."""

    async def principal_of(self, token: str, *, service_token: str | None = None) -> Principal:  # noqa: ARG002
        return principal(token)


@dataclass(frozen=True)
class Deployment:
    url: str
    worker: app.Worker
    session: ClientSession
    data_folder: Path

    async def create(self, project: str = "lab", **attributes: Any) -> tuple[int, dict[str, Any]]:
        record = {"container_format": "bare", "disk_format": "raw", "visibility": "private"} | attributes
        async with self.session.post("/v2/images", json=record, headers={"X-Auth-Token": project}) as answer:
            return answer.status, await answer.json()

    async def created(self, project: str = "lab") -> str:
        status, image = await self.create(project)
        assert status == 201, image
        return str(image["id"])

    async def get(self, path: str, project: str = "lab") -> tuple[int, Any]:
        async with self.session.get(path, headers={"X-Auth-Token": project}) as answer:
            return answer.status, await answer.json()

    async def usage(self, project: str = "lab") -> dict[str, tuple[int, int]]:
        status, answer = await self.get("/v2/info/usage", project)
        assert status == 200, answer
        return {name.removeprefix("image_"): (v["limit"], v["usage"]) for name, v in answer["usage"].items()}

    async def stored(self, data: bytes, project: str = "lab") -> str:
        image_id = await self.created(project)
        async with self.uploading(image_id, len(data), project) as upload:
            await upload.send(data)
            assert (await upload.answer()).status == 204
        return image_id

    @asynccontextmanager
    async def uploading(self, image_id: str, size: int | None, project: str = "lab") -> AsyncIterator["Upload"]:
        """Begin an upload, of *size* bytes or in chunks, that waits for ``100 Continue``."""
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        length = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
        writer.write(
            f"PUT /v2/images/{image_id}/file HTTP/1.1\r\nHost: here\r\nX-Auth-Token: {project}\r\n"
            f"Content-Type: application/octet-stream\r\n{length}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        try:
            yield Upload(reader, writer, chunked=size is None)
        finally:
            writer.close()


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Upload:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    chunked: bool

    async def send(self, data: bytes, *, last: bool = True) -> None:
        """Wait until the server wants bytes, and send."""
        await self.begun()
        if self.chunked:
            data = b"%x\r\n%b\r\n%b" % (len(data), data, b"0\r\n\r\n" if last else b"")
        self.writer.write(data)

    async def begun(self) -> None:
        assert (await self._head()).startswith("HTTP/1.1 100 ")

    async def answer(self) -> Answered:
        head = await self._head()
        headers = {name.lower(): value for name, value in re.findall(r"^([\w-]+): (.*)\r$", head, re.MULTILINE)}
        length = int(headers.get("content-length", 0))
        body = await asyncio.wait_for(self.reader.readexactly(length), TIMEOUT_S)
        return Answered(int(head.split()[1]), headers, body.decode())

    async def _head(self) -> str:
        return (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), TIMEOUT_S)).decode()


Deploy = Callable[..., AbstractAsyncContextManager[Deployment]]


@pytest.fixture
def deploy(migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """``deploy(max_project_images=1)``: a running deployment."""

    def rights(**_: object) -> OpenRights:  # of people whom only their tokens' names make known
        return OpenRights()

    monkeypatch.setattr(app, "EmbeddedRights", rights)
    (tmp_path / "secret.key").write_bytes(bytes(32))
    shutil.copy(migrated_sqlite, tmp_path / "stillage.db")

    @asynccontextmanager
    async def make(**given: Any) -> AsyncIterator[Deployment]:
        settings = load(data=tmp_path, tls=False, **{"spare_bytes": 0, **given})
        async with app.build(settings, owner=LeaseOwner.parse("node/1")) as worker:
            services = dataclasses.replace(worker.services, identity=ByName())
            async with serving(app.make_web(services)) as url, ClientSession(url) as session:
                yield Deployment(url, worker, session, tmp_path)

    return make


async def refused_unread(deployment: Deployment, size: int | None, status: int, message: str) -> Answered:
    """Check that an upload is refused in the place of ``100 Continue``, and that the image was not touched."""
    image_id = await deployment.created()
    before = await deployment.usage()
    async with deployment.uploading(image_id, size) as upload:
        answer = await upload.answer()
    assert answer.status == status, answer
    assert re.search(message, answer.body), answer.body
    _, image = await deployment.get(f"/v2/images/{image_id}")
    assert image["status"] == "queued"
    assert "os_stillage_reason" not in image
    assert await deployment.usage() == before
    return answer


async def test_bytes_beyond_the_quota_are_refused_before_the_first(deploy: Deploy) -> None:
    async with deploy(max_project_bytes=10 * KIB) as deployment:
        await deployment.stored(bytes(6 * KIB))
        await refused_unread(deployment, 4 * KIB + 1, 413, "may have 10240 bytes; 6144 are in use and 4097 more")
        await deployment.stored(bytes(4 * KIB))
        await deployment.stored(bytes(10 * KIB), project="another")


async def test_a_record_beyond_the_quota_is_refused(deploy: Deploy) -> None:
    async with deploy(max_project_images=2) as deployment:
        first = await deployment.created()
        await deployment.created()
        status, answer = await deployment.create()
        assert status == 413
        assert "may have 2 images; 2 are in use" in answer["error"]["message"]
        async with deployment.session.delete(f"/v2/images/{first}", headers={"X-Auth-Token": "lab"}) as deleted:
            assert deleted.status == 204
        await deployment.created()


async def test_the_quota_of_an_upload_of_unknown_size_grows_with_it_and_ends_it(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "STEP", 64 * KIB)
    async with deploy(max_project_bytes=256 * KIB) as deployment:
        await deployment.stored(bytes(100 * KIB))
        image_id = await deployment.created()
        async with deployment.uploading(image_id, None) as upload:
            await upload.send(bytes(130 * KIB), last=False)
            answer = await upload.answer()
        assert answer.status == 413
        assert "may have 262144 bytes; 233472 are in use and 65536 more" in answer.body
        await deployment.worker.services.ingest.close()
        _, image = await deployment.get(f"/v2/images/{image_id}")
        assert image["status"] == "queued"
        assert "are in use" in image["os_stillage_reason"]
        assert await deployment.usage() == {
            "size_total": (0, 1),  # 256 KiB in whole MiB, and 100 KiB
            "count_total": (-1, 2),
            "count_uploading": (-1, 0),
            "stage_total": (-1, 0),
        }
        async with deployment.uploading(image_id, None) as upload:
            await upload.send(bytes(128 * KIB))
            assert (await upload.answer()).status == 204
        await deployment.stored(bytes(28 * KIB))


async def test_an_upload_of_unknown_size_needs_room_for_its_first_step(deploy: Deploy) -> None:
    async with deploy(max_project_bytes=acceptance.STEP - 1) as deployment:
        await refused_unread(deployment, None, 413, f"{acceptance.STEP} more are asked for")


@pytest.mark.parametrize(
    ("limit", "whose", "others"), [("max_project_uploads", "project", True), ("max_node_uploads", "node", False)]
)
async def test_no_more_uploads_than_may_run_at_once(deploy: Deploy, limit: str, whose: str, others: bool) -> None:
    async with deploy(**{limit: 1}) as deployment:
        image_id = await deployment.created()
        async with deployment.uploading(image_id, 5) as running:
            await running.begun()
            answer = await refused_unread(deployment, 5, 429, f"this {whose} already has 1 upload running")
            assert int(answer.headers["retry-after"]) > 0
            assert (await deployment.usage())["count_uploading"][1] == 1
            if others:
                await deployment.stored(b"theirs", project="another")
            running.writer.write(b"image")
            assert (await running.answer()).status == 204
        await deployment.stored(b"image")


async def test_usage_is_what_is_in_use(deploy: Deploy) -> None:
    async with deploy(max_project_bytes=100 * MIB, max_project_images=7, max_project_uploads=3) as deployment:
        await deployment.stored(bytes(3 * MIB + 1))
        image_id = await deployment.created()
        async with deployment.uploading(image_id, 20 * MIB) as upload:
            await upload.begun()
            expected = {
                "size_total": (100, 24),
                "count_total": (7, 2),
                "count_uploading": (3, 1),
                "stage_total": (-1, 0),
            }
            assert await deployment.usage() == expected
            assert (await deployment.usage("another"))["size_total"] == (100, 0)


async def test_without_limits_usage_says_so(deploy: Deploy) -> None:
    async with deploy() as deployment:
        await deployment.stored(b"image")
        assert (await deployment.usage())["size_total"] == (-1, 1)


@pytest.mark.parametrize("size", [5, None], ids=["length", "chunked"])
async def test_an_upload_that_has_no_room_is_refused_before_its_first_byte(deploy: Deploy, size: int | None) -> None:
    async with deploy(spare_bytes=1 << 60) as deployment:
        named = "for this image of 5 bytes;" if size else "left;"
        await refused_unread(deployment, size, 413, f"the store has no room {named} ask the operator")


async def test_a_larger_image_than_what_is_free_is_refused_before_its_first_byte(deploy: Deploy) -> None:
    async with deploy() as deployment:
        store = deployment.worker.services.store
        assert isinstance(store, Measures)
        free = await store.free_bytes()
        size = min(1 << 40, free + (1 << 36))
        with capture_logs() as lines:
            await refused_unread(deployment, size, 413, f"no room for this image of {size} bytes; ask the operator")
        (line,) = [line for line in lines if line["event"] == "the store has no room"]
        assert line["free_bytes"] > 0, "what tenants are not told, the operator is"


@pytest.mark.parametrize("size", [200 * KIB, None], ids=["length", "chunked"])
async def test_an_upload_leaves_the_spare_room_also_when_others_took_the_rest_meanwhile(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, size: int | None
) -> None:
    monkeypatch.setattr(ingest, "LOOK_AFTER", 64 * KIB)
    async with deploy(spare_bytes=MIB) as deployment:
        image_id = await deployment.created()
        async with deployment.uploading(image_id, size) as upload:
            await upload.begun()

            async def little() -> int:
                return MIB - 1

            monkeypatch.setattr(deployment.worker.services.store, "free_bytes", little)
            data = bytes(130 * KIB)
            upload.writer.write(data if size else b"%x\r\n%b\r\n" % (len(data), data))
            answer = await upload.answer()
        assert answer.status == 413
        assert "the store has no room left; ask the operator" in answer.body
        await deployment.worker.services.ingest.close()
        _, image = await deployment.get(f"/v2/images/{image_id}")
        assert image["status"] == "queued"
        assert "no room left" in image["os_stillage_reason"]
        assert (await deployment.usage())["size_total"] == (-1, 0)


@pytest.mark.parametrize("profile", ["openstack", "ims"])
async def test_a_damaged_image_answers_500_with_the_reason(deploy: Deploy, profile: str) -> None:
    async with deploy(profile=profile) as deployment:
        image_id = await deployment.stored(b"some image")
        well = await deployment.stored(b"another")
        blob = next(
            p for p in (deployment.data_folder / "blobs").rglob("*") if p.is_file() and p.read_bytes() == b"some image"
        )
        blob.write_bytes(b"some imaxe")
        found = [one async for one in deployment.worker.scrub(older_than_s=0)]
        assert [one.blob.image_id for one in found if one.damage] == [image_id]
        for method, headers in [("GET", {}), ("GET", {"Range": "bytes=0-3"}), ("HEAD", {})]:
            path = f"/v2/images/{image_id}/file"
            async with deployment.session.request(method, path, headers={"X-Auth-Token": "lab"} | headers) as answer:
                assert answer.status == 500
                if method == "GET":
                    message = (await answer.json())["error"]["message"]
                    assert f"image {image_id} is damaged at rest: their sha512 is" in message
        status, image = await deployment.get(f"/v2/images/{image_id}")
        assert status == 200
        assert image["os_stillage_damage"].startswith("their sha512 is")
        async with deployment.session.get(f"/v2/images/{well}/file", headers={"X-Auth-Token": "lab"}) as answer:
            assert await answer.read() == b"another"
        change = [{"op": "add", "path": "/os_stillage_damage", "value": "none"}]
        async with deployment.session.patch(
            f"/v2/images/{image_id}",
            json=change,
            headers={"X-Auth-Token": "lab", "Content-Type": "application/openstack-images-v2.1-json-patch"},
        ) as answer:
            assert answer.status == 403
        blob.write_bytes(b"some image")
        assert not [one async for one in deployment.worker.scrub(older_than_s=0) if one.damage]
        async with deployment.session.get(f"/v2/images/{image_id}/file", headers={"X-Auth-Token": "lab"}) as answer:
            assert await answer.read() == b"some image"


async def test_an_image_whose_file_is_gone_answers_500_before_any_scrub(deploy: Deploy) -> None:
    async with deploy() as deployment:
        image_id = await deployment.stored(b"some image")
        next(p for p in (deployment.data_folder / "blobs").rglob("*") if p.is_file()).unlink()
        status, answer = await deployment.get(f"/v2/images/{image_id}/file")
        assert status == 500
        assert "its bytes are gone" in answer["error"]["message"]


@asynccontextmanager
async def downloading(deployment: Deployment, image_id: str) -> AsyncIterator[asyncio.StreamReader]:
    """A download whose client has read the head of the answer, and reads on when it likes."""
    parts = urlsplit(deployment.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        head = f"GET /v2/images/{image_id}/file HTTP/1.1\r\nHost: here\r\nX-Auth-Token: lab\r\nConnection: close"
        writer.write(f"{head}\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        yield reader
    finally:
        writer.close()


async def all_that_comes(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    with suppress(ConnectionError):
        while piece := await reader.read(MIB):
            received += piece
    return bytes(received)


@pytest.mark.parametrize("grace_s", [0.01, 3600])
async def test_a_download_may_outlive_its_image_for_a_while(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, grace_s: float
) -> None:
    monkeypatch.setattr(download, "LOOK_EVERY_S", 0.001)
    data = os.urandom(MIB) * 32  # more than the kernel holds for a client that reads nothing
    async with deploy(deleted_download_s=grace_s) as deployment:
        image_id = await deployment.stored(data)
        async with downloading(deployment, image_id) as reader:
            async with deployment.session.delete(f"/v2/images/{image_id}", headers={"X-Auth-Token": "lab"}) as deleted:
                assert deleted.status == 204
            if grace_s < 1:
                async with asyncio.timeout(TIMEOUT_S):
                    while open_files(deployment.data_folder / "blobs", os.getpid()):  # noqa: ASYNC110 - the kernel has no event for it
                        await asyncio.sleep(0.005)
            received = await asyncio.wait_for(all_that_comes(reader), TIMEOUT_S)
        assert data.startswith(received)
        assert (len(received) == len(data)) == (grace_s > 1)


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
