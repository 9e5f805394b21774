"""The application in process, with the tokens of a Keystone that stands on a socket of its own."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from fake_keystone import SERVICE_PASSWORD, FakeKeystone
from fakes import Clock
from image_api import Town
from serving import serving
from stillage.api.application import make_web
from stillage.config import load
from stillage.db.leases import LeaseOwner
from stillage.worker import build_worker

Serve = Callable[..., AbstractAsyncContextManager[Town]]


@pytest.fixture
async def keystone(clock: Clock) -> AsyncIterator[FakeKeystone]:
    async with FakeKeystone(clock).running() as running:
        yield running


@pytest.fixture
def serve(migrated_sqlite: Path, tmp_path: Path, clock: Clock, keystone: FakeKeystone) -> Serve:
    """``async with serve(keystone_cache_s=10) as town``: a server with these settings, and the keystone."""

    @asynccontextmanager
    async def make(**settings: Any) -> AsyncIterator[Town]:
        shutil.copy(migrated_sqlite, tmp_path / "stillage.db")
        (tmp_path / "secret.key").write_bytes(bytes(32))
        given = {
            "keystone_url": keystone.url,
            "keystone_username": "stillage",
            "keystone_secret": SERVICE_PASSWORD,
        } | settings
        async with build_worker(
            load(data=tmp_path, tls=False, **given), owner=LeaseOwner.parse("test/1"), clock=clock
        ) as worker:
            application = make_web(worker.services)
            async with serving(application) as url, ClientSession(url) as session:
                yield Town(session, url, application, worker)

    return make


@pytest.fixture
async def town(serve: Serve) -> AsyncIterator[Town]:
    async with serve() as town:
        yield town
