"""An import gives an image bytes only while its user may do that: rights are looked up before anybody can read them."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import Clock
from image_api import Person
from import_sources import File
from import_world import URL, ImportWorld, import_world
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity
from stillage.operations.imports import copying
from stillage.operations.imports.staged import Staged

DATA = random.Random(1).randbytes(700_001)
Lose = Callable[[Accounts], Awaitable[None]]


async def be_disabled(accounts: Accounts) -> None:
    await accounts.set_user_enabled("erin", enabled=False)


async def lose_the_role(accounts: Accounts) -> None:
    await accounts.grant("lab", "erin", "reader")
    await accounts.revoke("lab", "erin", "admin")


async def lose_the_project(accounts: Accounts) -> None:
    await accounts.set_project_enabled("lab", enabled=False)


LOSSES = [
    (be_disabled, "user is disabled"),
    (lose_the_role, "does not let you"),
    (lose_the_project, "project is disabled"),
]


@pytest.fixture
async def world(
    database_url: str, tmp_path: Path, clock: Clock, accounts: Accounts, identity: EmbeddedIdentity
) -> AsyncIterator[ImportWorld]:
    """Erin is an administrator in lab, because only they copy images; so is Ada elsewhere, who looks."""
    for name, project in (("erin", "lab"), ("ada", "ops")):
        await accounts.create_project(project)
        await accounts.create_user(name, f"{name}s", project=project, role="admin")
    async with import_world(database_url, tmp_path, clock, identity) as made:
        erin, ada = [await person(made, accounts, identity, name) for name in ("erin", "ada")]
        yield replace(made, erin=erin, ada=ada)


async def person(world: ImportWorld, accounts: Accounts, identity: EmbeddedIdentity, name: str) -> Person:
    user = await accounts.get_user(name)
    scope = await accounts.scope_of(user, None)
    issued = await identity.login.without_password(user, scope)
    return Person(world.town.session, issued.text, scope)


def a_file(**changes: Any) -> File:
    return File(DATA, len(DATA), gate=asyncio.Event(), **changes)


async def seen_after(world: ImportWorld, image_id: str) -> dict[str, Any]:
    """Return the image, as others see it, when no import of it runs."""
    return await replace(world, erin=world.ada).ended(image_id)


@pytest.mark.parametrize(("lose", "why"), LOSSES)
async def test_a_download_from_the_web_ends_with_the_rights_of_who_asked_for_it(
    world: ImportWorld, accounts: Accounts, lose: Lose, why: str
) -> None:
    file = world.web.files[URL] = a_file()
    image_id = await world.image()
    await world.accepted(image_id, "web-download", uri=URL)
    await file.begun.wait()
    await lose(accounts)
    assert file.gate
    file.gate.set()
    image = await seen_after(world, image_id)
    assert (image["status"], image["size"]) == ("queued", None)
    assert why in image["os_stillage_reason"]
    await world.sweep()
    assert world.files() == {}


async def test_a_copy_that_is_written_is_not_published_without_the_rights(
    world: ImportWorld, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = await world.erin.stored(DATA)
    write = copying._write

    async def write_and_lose(*arguments: Any) -> None:
        await write(*arguments)
        await lose_the_role(accounts)

    monkeypatch.setattr(copying, "_write", write_and_lose)
    await world.accepted(image["id"], "copy-image", stores=["cold"])
    image = await seen_after(world, image["id"])
    assert (image["status"], image["stores"], image["os_glance_failed_import"]) == ("active", "fast", "cold")
    (task,) = (await world.ada("GET", f"/v2/images/{image['id']}/tasks")).json["tasks"]
    assert "does not let you copy it" in task["message"]
    await world.sweep()
    assert list(world.files()) == ["fast"]


async def test_staged_bytes_are_not_imported_without_the_rights(
    world: ImportWorld, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = await world.staged(DATA)
    verify = Staged.verify

    async def lose_and_verify(*arguments: Any) -> Any:
        await lose_the_role(accounts)
        return await verify(*arguments)

    monkeypatch.setattr(Staged, "verify", lose_and_verify)
    await world.accepted(image_id, "glance-direct")
    image = await seen_after(world, image_id)
    assert (image["status"], image["size"]) == ("queued", None)
    assert "this import may no longer do it" in image["os_stillage_reason"]
    await world.sweep()
    assert world.files() == {}
