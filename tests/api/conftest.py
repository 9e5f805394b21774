"""What more than one of these tests needs."""

import dataclasses
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from deployments import ByName, Deploy, Deployment
from fakes import OpenRights
from serving import serving
from stillage import authentication
from stillage.api.application import make_web
from stillage.config import load
from stillage.db.leases import LeaseOwner
from stillage.worker import build_worker


@pytest.fixture
def deploy(migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """``deploy(max_project_images=1)``: a running deployment."""

    def rights(**_: object) -> OpenRights:  # of people whom only their tokens' names make known
        return OpenRights()

    monkeypatch.setattr(authentication, "EmbeddedRights", rights)
    (tmp_path / "secret.key").write_bytes(bytes(32))
    shutil.copy(migrated_sqlite, tmp_path / "stillage.db")

    @asynccontextmanager
    async def make(**given: Any) -> AsyncIterator[Deployment]:
        settings = load(data=tmp_path, tls=False, **{"spare_bytes": 0, **given})
        async with build_worker(settings, owner=LeaseOwner.parse("node/1")) as worker:
            services = dataclasses.replace(worker.services, identity=ByName())
            async with serving(make_web(services)) as url, ClientSession(url) as session:
                yield Deployment(url, worker, session, tmp_path)

    return make
