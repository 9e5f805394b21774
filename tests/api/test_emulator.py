"""Faults on request, as clients see them, over a real socket; and that no other server has them."""

import asyncio
import dataclasses
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import (
    ClientConnectionError,
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    TCPConnector,
    encode_basic_auth,
)

from fakes import OpenRights, cheap_passwords
from image_api import OpenIdentity
from job_world import eventually
from serving import serving
from stillage.api.application import make_web
from stillage.api.emulator.clock import EmulatedClock
from stillage.api.emulator.dialect import dialect
from stillage.api.emulator.emulator import Emulator
from stillage.config import load
from stillage.db.leases import LeaseOwner
from stillage.ids import StoreId
from stillage.stores.catalog import NamedStore, Stores
from stillage.stores.emulated import EmulatedStore
from stillage.worker import build_worker

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ADMIN = {"Authorization": encode_basic_auth("admin", "secret")}
ERIN = {"X-Auth-Token": "erin@lab member"}
OCTETS = {"Content-Type": "application/octet-stream"}
DATA = bytes(range(256)) * 400


@dataclass(frozen=True)
class Lab:
    session: ClientSession

    async def image(self) -> str:
        image_id = str(uuid4())
        document = {"id": image_id, "name": "disk", "disk_format": "raw", "container_format": "bare"}
        async with self.session.post("/v2/images", json=document, headers=ERIN) as answer:
            assert answer.status == 201, await answer.text()
        return image_id

    async def put(self, image_id: str, fault: str = "", data: Any = DATA) -> ClientResponse:
        headers = {**ERIN, **OCTETS, "X-Emulator-Fault": fault}
        answer = await self.session.put(f"/v2/images/{image_id}/file", data=data, headers=headers)
        await answer.read()
        return answer

    async def get(self, path: str, fault: str = "") -> ClientResponse:
        answer = await self.session.get(path, headers={**ERIN, "X-Emulator-Fault": fault})
        await answer.read()
        return answer

    async def show(self, image_id: str) -> Any:
        return await (await self.get(f"/v2/images/{image_id}")).json()

    async def emulate(self, method: str, path: str, status: int, document: Any = None) -> Any:
        async with self.session.request(method, f"/_emulator{path}", json=document, headers=ADMIN) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json() if status != 204 else None


@asynccontextmanager
async def serve(folder: Path, database: Path, *, emulates: bool) -> AsyncIterator[Lab]:
    shutil.copy(database, folder / "stillage.db")
    (folder / "secret.key").write_bytes(bytes(32))
    settings = load(data=folder, tls=False, spare_bytes=0)
    emulator = Emulator(EmulatedClock(NOON), "secret")
    store = EmulatedStore(folder / "blobs", emulator.faults.outside_of_requests)
    stores = Stores([NamedStore(StoreId("files"), store, "file", "")], default=StoreId("files"))
    owner = LeaseOwner.parse("test/1")
    async with build_worker(
        settings, owner=owner, clock=emulator.clock, stores=stores, passwords=cheap_passwords()
    ) as worker:
        services = dataclasses.replace(worker.services, identity=OpenIdentity())
        services.uploads.rights.identity = OpenRights()
        application = make_web(services, also=[dialect(emulator, services.profile.wording)] if emulates else [])
        if emulates:
            emulator.install(application)
        # A new connection for each request: on a used one aiohttp would send a request again that was cut off.
        connector = TCPConnector(force_close=True)
        async with serving(application) as url, ClientSession(url, connector=connector) as session:
            yield Lab(session)


@pytest.fixture
async def lab(tmp_path: Path, migrated_sqlite: Path) -> AsyncIterator[Lab]:
    async with serve(tmp_path, migrated_sqlite, emulates=True) as lab:
        yield lab


async def test_another_server_has_no_emulator(tmp_path: Path, migrated_sqlite: Path) -> None:
    async with serve(tmp_path, migrated_sqlite, emulates=False) as lab:
        for path in ("/_emulator", "/_emulator/faults", "/_emulator/requests", "/_emulator/clock"):
            assert (await lab.session.get(path, headers=ADMIN)).status == 404
        assert (await lab.get("/v2/images", "status=503")).status == 200


async def test_only_an_administrator_may_use_it(lab: Lab) -> None:
    for status, headers in [
        (401, {}),
        (401, {"Authorization": encode_basic_auth("admin", "wrong")}),
        (401, {"Authorization": encode_basic_auth("demo", "secret")}),
        (401, {"Authorization": "Basic ?"}),
        (403, ERIN),
        (200, {"X-Auth-Token": "ada@lab admin"}),
        (200, ADMIN),
    ]:
        answer = await lab.session.get("/_emulator/requests", headers=headers)
        assert answer.status == status, headers


async def test_a_status_for_the_requests_that_a_rule_meets(lab: Lab) -> None:
    made = await lab.emulate("POST", "/faults", 201, {"method": "GET", "path": "/v2/images", "times": 1, "status": 503})
    failed, after = await lab.get("/v2/images"), await lab.get("/v2/images")
    assert (failed.status, failed.headers["Retry-After"], after.status) == (503, "1", 200)
    assert (await failed.json())["error"]["stillage_code"] == "emulated_fault"
    [shown] = (await lab.emulate("GET", "/faults", 200))["faults"]
    assert shown == {**made, "met": 1}
    await lab.emulate("DELETE", f"/faults/{made['id']}", 204)
    await lab.emulate("DELETE", f"/faults/{made['id']}", 404)
    assert (await lab.get("/v2/images", "status=499")).status == 499


async def test_a_request_that_is_delayed_holds_up_no_other(lab: Lab) -> None:
    delayed = asyncio.create_task(lab.get("/v2/images", "delay=600"))

    async def has_come() -> bool:
        return len((await lab.emulate("GET", "/requests", 200))["requests"]) == 1

    await eventually(has_come)
    assert (await lab.get("/v2/schemas/image")).status == 200
    assert not delayed.done()
    delayed.cancel()
    await asyncio.wait({delayed})


async def test_a_fault_that_cannot_be_understood_is_an_error_of_the_request(lab: Lab) -> None:
    for answer in (
        await lab.get("/v2/images", "bogus=1"),
        await lab.session.post("/_emulator/faults", json={"bogus": 1}, headers=ADMIN),
        await lab.session.put("/_emulator/clock", json={"bogus": 1}, headers=ADMIN),
    ):
        assert answer.status == 400
        assert "bogus" in (await answer.json())["error"]["message"]


async def test_an_upload_that_breaks_leaves_the_image_queued(lab: Lab) -> None:
    image_id = await lab.image()
    # By hand: aiohttp sends an upload again whose connection breaks.
    url = lab.session._base_url
    assert url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    headers = {"Host": "x", **ERIN, **OCTETS, "Content-Length": len(DATA), "X-Emulator-Fault": "cut_upload_at=1000"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"PUT /v2/images/{image_id}/file HTTP/1.1\r\n{head}\r\n".encode() + DATA)
    answer = b"none"
    with suppress(ConnectionError):
        answer = await reader.read()
    assert answer in (b"none", b"")
    writer.close()

    async def queued() -> bool:
        return "os_stillage_reason" in (document := await lab.show(image_id)) and document["status"] == "queued"

    await eventually(queued)
    assert (await lab.put(image_id)).status == 204


async def test_an_answer_breaks_at_a_byte_whoever_sends_it(lab: Lab) -> None:
    image_id = await lab.image()
    assert (await lab.put(image_id)).status == 204
    async with lab.session.get(
        f"/v2/images/{image_id}/file", headers={**ERIN, "X-Emulator-Fault": "cut_answer_at=1000"}
    ) as answer:
        assert (answer.status, answer.content_length) == (200, len(DATA))
        assert await answer.content.readexactly(1000) == DATA[:1000]
        with pytest.raises(ClientPayloadError):
            await answer.read()
    with pytest.raises((ClientPayloadError, ClientConnectionError)):
        await lab.get("/v2/images", "cut_answer_at=3")
    assert (await lab.get("/v2/images", "cut_answer_at=100000")).status == 200


async def test_a_store_without_room_and_a_slow_one(lab: Lab) -> None:
    image_id = await lab.image()
    full = await lab.put(image_id, "full_store")
    assert (full.status, (await full.json())["error"]["stillage_code"]) == (413, "storage_full")
    [refused] = (await lab.emulate("GET", "/requests?method=PUT", 200))["requests"]
    assert refused["body_bytes"] == 0, "it was refused early"
    assert (await lab.put(image_id, "slow_store=10000000")).status == 204
    assert await (await lab.get(f"/v2/images/{image_id}/file", "slow_store=10000000")).read() == DATA


async def test_a_proxy_that_refuses_large_bodies(lab: Lab) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield DATA

    image_id = await lab.image()
    for data in (DATA, chunks()):
        answer = await lab.put(image_id, "proxy_limit=1000", data)
        assert (answer.status, answer.content_type, answer.headers["Server"]) == (413, "text/html", "nginx")
        assert "413 Request Entity Too Large" in await answer.text()
    assert (await lab.put(image_id, f"proxy_limit={len(DATA)}")).status == 204


async def test_an_image_is_stuck_in_saving_until_the_fault_is_removed(lab: Lab) -> None:
    await lab.emulate("POST", "/faults", 201, {"stuck_in_saving": True})
    images = [await lab.image() for _ in range(2)]
    assert [(await lab.put(image_id)).status for image_id in images] == [204, 204]
    assert [(await lab.show(image_id))["status"] for image_id in images] == ["saving", "saving"]
    await lab.emulate("DELETE", "/faults", 204)

    async def active() -> bool:
        return [(await lab.show(image_id))["status"] for image_id in images] == ["active", "active"]

    await eventually(active)
    assert await (await lab.get(f"/v2/images/{images[0]}/file")).read() == DATA


async def test_a_server_ends_although_an_upload_is_stuck(tmp_path: Path, migrated_sqlite: Path) -> None:
    before = asyncio.all_tasks()
    async with serve(tmp_path, migrated_sqlite, emulates=True) as lab:
        assert (await lab.put(await lab.image(), "stuck_in_saving")).status == 204
    assert asyncio.all_tasks() <= before


async def test_a_token_that_has_expired_stays_so(lab: Lab) -> None:
    expired, again = await lab.get("/v2/images", "expired_token"), await lab.get("/v2/images")
    assert (expired.status, again.status) == (401, 401)
    assert expired.headers["WWW-Authenticate"].startswith("Keystone uri=")
    other = await lab.session.get("/v2/images", headers={"X-Auth-Token": "erin@lab member,reader"})
    assert other.status == 200


async def test_requests_are_recorded_without_secrets(lab: Lab) -> None:
    image_id = await lab.image()
    await lab.put(image_id, "delay=0.001")
    [created] = (await lab.emulate("GET", "/requests?method=POST", 200))["requests"]
    assert created["json"]["name"] == "disk"
    assert (created["status"], created["path"], created["headers"]["content-type"]) == (
        201,
        "/v2/images",
        "application/json",
    )
    [sent] = (await lab.emulate("GET", "/requests?path=/v2/images/*/file", 200))["requests"]
    assert (sent["body_bytes"], sent["fault"], sent["json"]) == (len(DATA), {"delay": 0.001}, None)
    assert sent["headers"]["x-auth-token"] == created["headers"]["x-auth-token"]
    assert "erin" not in str(sent)
    await lab.emulate("DELETE", "/requests", 204)
    assert await lab.emulate("GET", "/requests", 200) == {"requests": []}


async def test_the_clock_is_that_of_images(lab: Lab) -> None:
    assert (await lab.show(await lab.image()))["created_at"].startswith("2026-01-31T12:")
    stopped = {"time": "2030-05-06T07:08:09Z", "runs": False}
    assert await lab.emulate("PUT", "/clock", 200, stopped) == stopped
    assert (await lab.show(await lab.image()))["created_at"] == "2030-05-06T07:08:09Z"
    await lab.emulate("PUT", "/clock", 200, {"advance_s": 60})
    assert (await lab.emulate("GET", "/clock", 200))["time"] == "2030-05-06T07:09:09Z"
    await lab.emulate("PUT", "/clock", 400, {"advance_s": "1"})
