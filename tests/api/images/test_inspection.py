"""An inspection counts as an upload while it runs, whatever becomes of it, and does not run for ever."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from builders import principal
from fakes import Clock
from image_api import Person, Town
from stillage.api.http import time_limits
from stillage.api.services import SERVICES, Services
from stillage.db import inspections, usage
from stillage.db.leases import LeaseOwner, NodeId
from stillage.formats.safety import Declaration
from stillage.ids import ProjectId
from stillage.operations.upkeep.sweep import Sweep

INSPECT = "/v2/images/inspect"
TIMEOUT_S = 60.0


def services_of(town: Town) -> Services:
    return town.application[SERVICES]


async def running(town: Town, project: str = "lab") -> tuple[int, int]:
    """How many uploads count for the project and for the node."""
    read = services_of(town).database.read
    return (await read(usage.find, f"project:{project}")).uploads, (await read(usage.find, "node:test")).uploads


async def until_none_runs(town: Town) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while await running(town) != (0, 0):  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.01)


@asynccontextmanager
async def inspecting(
    town: Town, first: bytes = b"x"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """An inspection that waits for the rest of a megabyte; leaving hangs up."""
    parts = urlsplit(town.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = (
        f"POST {INSPECT} HTTP/1.1\r\nHost: here\r\nX-Auth-Token: erin@lab member\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: 1048576\r\nExpect: 100-continue\r\n\r\n"
    )
    try:
        writer.write(head.encode())
        await asyncio.wait_for(reader.readuntil(b"100 Continue\r\n\r\n"), TIMEOUT_S)
        writer.write(b"x")
        yield reader, writer
    finally:
        writer.close()


async def inspected(person: Person) -> int:
    return (await person("POST", INSPECT, b"x" * 512)).status


@pytest.mark.parametrize("setting", ["max_project_uploads", "max_node_uploads"])
async def test_an_inspection_counts_as_an_upload_while_it_runs(serve: Callable[..., Any], setting: str) -> None:
    async with serve(**{setting: 1}) as town:
        erin = town.person()
        image = await erin.create(disk_format="raw", container_format="bare")
        async with inspecting(town):
            assert await running(town) == (1, 1)
            refused = await erin("POST", INSPECT, b"x" * 512)
            assert refused.status == 429
            assert int(refused.headers["retry-after"]) > 0
            assert (await erin.upload(image["id"])).status == 429
        await until_none_runs(town)
        assert await inspected(erin) == 200
        async with erin.uploading(image["id"]):
            assert await inspected(erin) == 429
        assert await inspected(erin) == 200
        assert await running(town) == (0, 0)


async def test_an_inspection_that_is_refused_or_fails_counts_no_more(town: Town, erin: Person) -> None:
    assert await inspected(erin) == 200
    assert (await erin("POST", INSPECT, b"x" * 512, x_openstack_image_size="511")).status == 400
    assert (await erin("POST", INSPECT, b"x" * 512, x_image_meta_disk_format="none")).status == 400
    assert await running(town) == (0, 0)


async def test_a_request_that_is_given_up_before_it_is_counted_is_counted_off(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, begin = threading.Event(), inspections.begin

    def slow(*args: Any) -> None:
        go_on.wait(TIMEOUT_S)
        begin(*args)

    monkeypatch.setattr(inspections, "begin", slow)
    async with serve(request_timeout_s=0.3) as town:
        assert await inspected(town.person()) == 503
        go_on.set()
        await services_of(town).database.write(lambda _: None)  # which waits its turn
        await services_of(town).inspect.close()
        assert await running(town) == (0, 0)


async def test_an_inspection_is_counted_off_however_often_it_is_cancelled(town: Town) -> None:
    known, go_on, nothing_more = services_of(town), threading.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        await nothing_more.wait()

    inspection = asyncio.ensure_future(
        known.inspect(principal("lab"), body(), Declaration(None), size=9, partial=False)
    )
    async with asyncio.timeout(TIMEOUT_S):
        while await running(town) != (1, 1):  # noqa: ASYNC110 - only the database knows
            await asyncio.sleep(0.01)
    busy = asyncio.ensure_future(known.database.write(lambda _: go_on.wait(TIMEOUT_S)))
    while not inspection.done():
        inspection.cancel()
        await asyncio.sleep(0)
    go_on.set()
    await busy
    await known.inspect.close()
    assert await running(town) == (0, 0)


async def test_what_a_dead_process_was_inspecting_counts_until_the_next_start_or_the_end_of_its_lease(
    town: Town, clock: Clock
) -> None:
    known = services_of(town)
    until, quotas = clock() + timedelta(seconds=60), known.ingest._rules.quotas
    for number, owner in enumerate(["test/1", "test/2", "other/1"]):
        await known.database.write(
            inspections.begin, str(number), ProjectId("lab"), LeaseOwner.parse(owner), until, quotas
        )
    sweep = Sweep(known.database, known.stores, clock=clock)
    await sweep()
    assert await running(town) == (3, 2)
    await sweep(dead=NodeId("test"))
    assert await running(town) == (1, 0)
    clock.advance(61)
    await sweep()
    assert await running(town) == (0, 0)


async def test_a_body_that_drips_has_an_end_whatever_uploads_may_do(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_limits, "FIRST_S", 0.05)
    async with inspecting(town) as (reader, writer):
        answer = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
        async with asyncio.timeout(TIMEOUT_S):
            while not answer.done():
                writer.write(b"x")
                await asyncio.sleep(0.01)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
    await until_none_runs(town)
