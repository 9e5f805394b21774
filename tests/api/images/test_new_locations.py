"""POST /v2/images/{image_id}/locations: the bytes at a URL become the image, verified and stored like any others."""

import asyncio
import hashlib
import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fakes import Clock
from image_api import Person
from import_sources import File
from import_world import URL, ImportWorld, import_world
from server import Answer

DATA = random.Random(1).randbytes(200_001)
MISSING = "00000000-0000-4000-8000-000000000000"
# As a client writes it: the digest of something else.
OTHER = {"os_hash_algo": "sha256", "os_hash_value": "0" * 64}


@pytest.fixture
async def world(migrated_sqlite: Path, tmp_path: Path, clock: Clock) -> AsyncIterator[ImportWorld]:
    url = f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'stillage.sqlite')}"
    async with import_world(url, tmp_path, clock) as made:
        made.web.files[URL] = File(DATA, len(DATA))
        yield made


def digest(algorithm: str) -> dict[str, str]:
    return {"os_hash_algo": algorithm, "os_hash_value": hashlib.new(algorithm, DATA).hexdigest().upper()}


async def add(person: Person, image_id: str, url: Any = URL, **more: Any) -> Answer:
    return await person("POST", f"/v2/images/{image_id}/locations", {"url": url, **more})


async def added(world: ImportWorld, **more: Any) -> dict[str, Any]:
    """Return the image when its bytes were fetched, or that has failed."""
    image_id = await world.image()
    answer = await add(world.erin, image_id, **more)
    assert (answer.status, answer.body) == (202, b""), answer.body
    return await world.ended(image_id)


async def task_of(world: ImportWorld, image_id: str) -> dict[str, Any]:
    """Return the task, which ends a moment after its image is as it is to be."""
    async with asyncio.timeout(60):
        while True:
            [task] = (await world.erin("GET", f"/v2/images/{image_id}/tasks")).json["tasks"]
            if task["status"] != "processing":
                return dict(task)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("algorithm", "recorded"),
    [(None, "sha512"), ("sha512", "sha512"), ("sha256", "sha256"), ("sha1", "sha512"), ("md5", "sha512")],
)
async def test_the_bytes_become_the_image(world: ImportWorld, algorithm: str | None, recorded: str) -> None:
    image = await added(world, **({"validation_data": digest(algorithm)} if algorithm else {}))
    assert (image["status"], image["size"], image["checksum"]) == ("active", len(DATA), hashlib.md5(DATA).hexdigest())
    assert (image["os_hash_algo"], image["os_hash_value"]) == (recorded, hashlib.new(recorded, DATA).hexdigest())
    assert world.files() == {"fast": [DATA]}
    task = await task_of(world, image["id"])
    assert (task["type"], task["status"]) == ("location_import", "success")
    assert task["input"].items() >= {"image_id": image["id"], "loc_url": URL}.items()


async def test_other_bytes_leave_nothing(world: ImportWorld) -> None:
    image = await added(world, validation_data=OTHER)
    assert (image["status"], image["checksum"], image["os_hash_algo"]) == ("queued", None, None)
    assert "sha256" in image["os_stillage_reason"]
    assert world.files() == {}
    assert (await task_of(world, image["id"]))["status"] == "failure"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": 1},
        {"url": "gopher://info.cern.ch"},
        {"url": "file:///etc/passwd"},
        {"url": URL, "metadata": {}},
        {"url": URL, "validation_data": []},
        {"url": URL, "validation_data": {"os_hash_algo": "sha256"}},
        {"url": URL, "validation_data": {"os_hash_value": "0" * 64}},
        {"url": URL, "validation_data": {**OTHER, "os_hash_algo": "sha123"}},
        {"url": URL, "validation_data": {**OTHER, "os_hash_value": "0" * 63}},
        {"url": URL, "validation_data": {**OTHER, "os_hash_value": "x" * 64}},
        {"url": URL, "validation_data": {**OTHER, "checksum": "0" * 32}},
    ],
)
async def test_what_is_no_location_is_refused_at_once(world: ImportWorld, body: dict[str, Any]) -> None:
    image_id = await world.image()
    assert (await world.erin("POST", f"/v2/images/{image_id}/locations", body)).status == 400
    assert (await world.erin.show(image_id))["status"] == "queued"


async def test_only_an_image_without_data_takes_one(world: ImportWorld) -> None:
    active = await added(world)
    assert (await add(world.erin, active["id"])).status == 409
    formless = (await world.erin.create())["id"]
    assert (await add(world.erin, formless)).status == 409
    twice = await world.image()
    assert (await add(world.erin, twice)).status == 202
    assert (await add(world.erin, twice)).status == 409
    await world.ended(twice)


async def test_members_and_services_may_and_others_learn_nothing(world: ImportWorld) -> None:
    image_id = await world.image()
    rita, olga = world.town.person(roles="reader"), world.town.person("works", user="olga")
    assert (await add(rita, image_id)).status == 403
    assert (await add(world.ada, image_id)).status == 403
    hidden, missing = await add(olga, image_id), await add(olga, MISSING)
    assert hidden.status == missing.status == 404
    assert hidden.message.replace(image_id, MISSING) == missing.message
    assert (await add(world.town.person(roles="service,reader"), image_id)).status == 202
    await world.ended(image_id)


async def test_without_imports_from_the_web_only_services_may(
    migrated_sqlite: Path, tmp_path: Path, clock: Clock
) -> None:
    url = f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'stillage.sqlite')}"
    async with import_world(url, tmp_path, clock, import_methods=["glance-direct"]) as world:
        world.web.files[URL] = File(DATA)
        image_id = await world.image()
        refused = await add(world.erin, image_id)
        assert refused.status == 403
        assert "web-download" in refused.message
        assert (await add(world.town.person("works", user="olga"), image_id)).status == 404
        assert (await add(world.town.person(roles="service,reader"), image_id)).status == 202
        assert (await world.ended(image_id))["status"] == "active"
