"""Both APIs in process, with the embedded identity, and Erin, a member of lab, who has a key."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fakes import Clock, cheap_passwords
from serving import serving
from signing_people import Office, Signing
from stillage import authentication
from stillage.api.application import make_web
from stillage.config import load
from stillage.db.leases import LeaseOwner
from stillage.operations.identity.accounts import Accounts
from stillage.worker import build_worker


@pytest.fixture
def settings() -> dict[str, Any]:
    """What a test may have otherwise."""
    return {}


@pytest.fixture
async def office(
    migrated_sqlite: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> AsyncIterator[Office]:
    monkeypatch.setattr(authentication, "Passwords", cheap_passwords)
    shutil.copy(migrated_sqlite, tmp_path / "stillage.db")
    (tmp_path / "secret.key").write_bytes(bytes(32))
    async with build_worker(
        load(data=tmp_path, tls=False, **settings), owner=LeaseOwner.parse("test/1"), clock=clock
    ) as worker:
        passwords = cheap_passwords()
        accounts = Accounts(worker.services.database, passwords, clock=clock)
        for project in ("lab", "works", "closed"):
            await accounts.create_project(project)
        await accounts.create_user("erin", "erins", project="lab")
        await accounts.create_user("ada", "adas", project="lab", role="admin")
        await accounts.create_user("paul", "pauls")
        async with serving(make_web(worker.services), prefix=worker.services.addresses.prefix) as url:
            yield Office(url, worker.services, accounts, clock)
        passwords.close()


@pytest.fixture
async def erin(office: Office) -> Signing:
    return await office.signing()
