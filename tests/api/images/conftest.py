"""The image API in process, and the people who appear in its tests.

Erin, a member of lab, owns what most tests are about. Rita may only read there. Olga is a member of works, another
project. Ada is an administrator, in a project of her own.
"""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from fakes import Clock, cheap_passwords
from image_api import Person, Town, image_api
from stillage import authentication
from stillage.config import load

Serve = Callable[..., AbstractAsyncContextManager[Town]]


@pytest.fixture
def serve(migrated_sqlite: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """``async with serve(profile="ims") as town``: a server with these settings."""
    monkeypatch.setattr(authentication, "Passwords", cheap_passwords)  # of no use here: nobody logs in here

    def make(**settings: Any) -> AbstractAsyncContextManager[Town]:
        shutil.copy(migrated_sqlite, tmp_path / "stillage.db")
        (tmp_path / "secret.key").write_bytes(bytes(32))
        return image_api(load(data=tmp_path, tls=False, **settings), clock)

    return make


@pytest.fixture
async def town(serve: Serve) -> AsyncIterator[Town]:
    async with serve() as town:
        yield town


@pytest.fixture
def erin(town: Town) -> Person:
    return town.person()


@pytest.fixture
def rita(town: Town) -> Person:
    return town.person(roles="reader", user="rita")


@pytest.fixture
def olga(town: Town) -> Person:
    return town.person("works", user="olga")


@pytest.fixture
def ada(town: Town) -> Person:
    return town.person("ops", "admin", user="ada")
