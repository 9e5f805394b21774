"""What more than one of these tests needs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes import Clock
from stillage.db.session import Database
from stillage.operations.identity.accounts import Accounts
from upload_world import World, a_world


@pytest.fixture
async def world(database: Database, tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    async with a_world(database, tmp_path, clock) as made:
        yield made


@pytest.fixture
async def people(accounts: Accounts) -> None:
    """Erin is a member of lab, her default, and a reader of archive; root is an admin; paul belongs nowhere."""
    for project in ("lab", "archive", "secret"):
        await accounts.create_project(project)
    await accounts.create_user("erin", "erins", project="lab")
    await accounts.grant("archive", "erin", "reader")
    await accounts.create_user("root", "roots", project="secret", role="admin")
    await accounts.create_user("paul", "pauls")
