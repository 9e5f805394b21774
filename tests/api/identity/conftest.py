"""The application in process, over a real socket, with the embedded identity and a few people in it."""

import dataclasses
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from fakes import Clock
from serving import serving
from stillage.api.application import make_web
from stillage.config import Settings, load
from stillage.db.leases import LeaseOwner
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity
from stillage.worker import build_worker


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """SQLite only: what differs between engines is tested a layer below."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'stillage.db')}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "secret.key").write_bytes(bytes(32))
    return load(data=tmp_path, tls=False)


@pytest.fixture
async def people(accounts: Accounts) -> None:
    """Erin is a member of lab, her default; root is an admin in secret; paul belongs nowhere."""
    await accounts.create_project("lab")
    await accounts.create_project("secret")
    await accounts.create_user("erin", "erins", project="lab")
    await accounts.create_user("root", "roots", project="secret", role="admin")
    await accounts.create_user("paul", "pauls")


@pytest.fixture
async def api(
    settings: Settings, identity: EmbeddedIdentity, people: None, clock: Clock
) -> AsyncIterator[ClientSession]:
    """A session whose base URL is the server's."""
    async with build_worker(settings, owner=LeaseOwner.parse("test/1"), clock=clock) as worker:
        services = dataclasses.replace(
            worker.services, identity=identity, embedded=identity, sessions=identity.sessions
        )
        async with serving(make_web(services)) as url, ClientSession(url) as session:
            yield session
