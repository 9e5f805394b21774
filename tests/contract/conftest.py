"""What more than one of these tests needs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes import Clock
from stillage.db.session import Database
from upload_world import World, a_world


@pytest.fixture
async def world(database: Database, tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    async with a_world(database, tmp_path, clock) as made:
        yield made
