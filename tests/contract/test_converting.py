"""An image that is imported becomes another format: same disk, digests of its own, and one blob at the end."""

import asyncio
import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import builders
import converting_world
from converting_world import DISK, READY, TASK, World
from fakes import Clock
from stillage.db import images as db
from stillage.db import imports, lifecycle
from stillage.db.imports import Undoing
from stillage.db.session import Database
from stillage.errors import DiskDoesNotFit, ImageGone, InvalidInput, NotConvertible, StillageError
from stillage.formats.readers import READERS
from stillage.formats.reading import DiskReader, open_disk
from stillage.images.status import Status
from stillage.operations.disks.converting import target_of
from stillage.operations.disks.wanted import wanted_of
from stillage.stores.files.blobs import FileStore
from stores import FILES
from upload_world import MIB, RULES

FORMATS = ("raw", "qcow2", "qcow", "qed", "vdi", "vhd", "vhdx", "vmdk")
KILLS = 8
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(converting_world.__file__).parent)}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.thorough)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of either engine: in an ordinary run of SQLite only."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('migrated_sqlite'), tmp_path / 'stillage.sqlite')}"
    else:
        with request.getfixturevalue("postgres").migrated() as url:
            yield url


@pytest.fixture
async def world(database: Database, tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    world = World(database, FileStore(tmp_path / "blobs"), clock)
    yield world
    await world.close()


def disk_in(data: bytes, disk_format: str) -> bytes:
    def read_at(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    disk = open_disk(READERS[disk_format], read_at, len(data))
    return DiskReader(disk, read_at).read(0, disk.size)


async def test_every_output_has_the_disk_of_every_input(world: World) -> None:
    image = await world.imported()
    for name in (*FORMATS, "raw"):  # each is made of the one before, which is removed
        told: list[float] = []
        image = await world.convert(image, wanted_of(name, None), told)
        (file,) = world.files()
        data = file.read_bytes()
        assert disk_in(data, name)[: len(DISK)] == DISK
        assert (image.status, image.disk_format, image.size) == (Status.IMPORTING, name, len(data))
        assert image.checksum == hashlib.md5(data).hexdigest()
        assert image.os_hash_value == hashlib.sha512(data).hexdigest()
        assert told == sorted(told)
        assert told[-1] == 1.0
        assert await world.used() == len(data)


async def test_what_is_compressed_while_it_is_made_is_converted_as_well(world: World) -> None:
    image = await world.convert(await world.imported(), wanted_of("vmdk", "streamOptimized"))
    back = await world.convert(image, wanted_of("raw", None))
    assert back.size == len(DISK)
    assert world.files()[0].read_bytes() == DISK


async def test_a_converted_image_becomes_active_as_any_other(world: World) -> None:
    image = await world.convert(await world.imported(), wanted_of("qcow2", None))
    assert await world.database.write(imports.activate, image.id, TASK, world.clock())
    now = await world.database.read(db.get, image.id)
    assert (now.status, now.disk_format, now.stores) == (Status.ACTIVE, "qcow2", (FILES,))


@pytest.mark.parametrize(("data", "wanted", "error"), [(b"", "qcow2", NotConvertible), (DISK, "vhd", DiskDoesNotFit)])
async def test_what_cannot_be_converted_keeps_its_bytes(
    world: World,
    data: bytes,
    wanted: str,
    error: type[StillageError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stillage.formats.views.vhd.LARGEST", MIB)
    image = await world.imported(data)
    with pytest.raises(error):
        await world.convert(image, wanted_of(wanted, None))
    assert [file.read_bytes() for file in world.files()] == [data]
    assert (await world.database.read(db.get, image.id)).checksum == image.checksum


async def test_an_image_that_is_deleted_meanwhile_leaves_nothing(world: World) -> None:
    image = await world.imported()

    async def delete(_fraction: float) -> None:
        await world.database.write(lifecycle.mark_deleted, image.id, world.clock())

    claim, claimed = await world.claim(image)
    with pytest.raises(ImageGone):
        await world.converting(claim, claimed, wanted_of("qcow2", None), delete)
    await world.sweep()
    assert world.files() == []
    assert await world.used() == 0


@pytest.mark.parametrize("at", [1, 4, 5, 6, 7, 8])
async def test_a_process_that_dies_at_any_step_leaves_nothing_after_one_sweep(
    world: World, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dies: the event loop never runs any of its code again, clean-ups included."""
    image = await world.imported()
    steps, died = 0, asyncio.Event()
    write, read = world.database.write, world.database.read

    async def step() -> None:
        nonlocal steps
        steps += 1
        if steps == at:
            died.set()
            await asyncio.Event().wait()

    async def stepping(what: Any, *arguments: Any) -> Any:
        await step()
        done = await what(*arguments)
        await step()
        return done

    claim, claimed = await world.claim(image)
    with monkeypatch.context() as patch:
        patch.setattr(world.database, "write", lambda *args: stepping(write, *args))
        patch.setattr(world.database, "read", lambda *args: stepping(read, *args))
        running = asyncio.create_task(world.converting(claim, claimed, wanted_of("qcow2", None), _ignored))
        await asyncio.wait([running, asyncio.create_task(died.wait())], return_when=asyncio.FIRST_COMPLETED)
        patch.setattr(world.reception, "give_up", _ignored_twice)
        running.cancel()
        await asyncio.wait([running])
    world.clock.advance(10 * RULES.lease_s)
    await world.sweep()
    now = await world.database.read(db.get, image.id)
    (file,) = world.files()
    assert hashlib.md5(file.read_bytes()).hexdigest() == now.checksum
    assert now.disk_format in ("raw", "qcow2")
    await world.database.write(imports.fail, image.id, TASK, Undoing("it died"), world.clock())
    await world.sweep()
    assert world.files() == []
    assert await world.used() == 0


@pytest.mark.thorough
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_process_that_is_killed_leaves_one_blob_after_one_sweep(world: World, database_url: str) -> None:
    image, moments = await world.imported(), random.Random(18)
    command = [sys.executable, "-m", "converting_world", database_url, str(world.store.root), image.id]
    formats = set()
    for number in range(KILLS):
        await asyncio.to_thread(run_and_kill, command, number % 3, moments.uniform(0.0, 0.3))
        world.clock.advance(10 * RULES.lease_s)
        await world.sweep()
        now = await world.database.read(db.get, image.id)
        (file,) = world.files()
        assert hashlib.md5(file.read_bytes()).hexdigest() == now.checksum
        assert await world.used() == now.size
        formats.add(now.disk_format)
    assert formats == {"raw", "qcow2"}


def run_and_kill(command: list[str], conversions: int, after_s: float) -> None:
    """Kill *command* after so many *conversions*, in the middle of the next. The moment is what is tried."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        for _ in range(1 + conversions):
            assert process.stdout.readline().strip() == READY
        time.sleep(after_s)
        process.kill()


async def _ignored(_fraction: float) -> None:
    pass


async def _ignored_twice(*_: object) -> None:
    pass


def test_an_image_becomes_what_its_property_says_or_else_what_the_deployment_does() -> None:
    image = replace(builders.image(), disk_format="vmdk", container_format="bare")
    assert target_of(image, None) is None
    assert target_of(image, "raw") == ("raw", "")
    assert target_of(replace(image, properties={"os_stillage_convert_to": "qcow2"}), "raw") == ("qcow2", "")
    assert target_of(replace(image, disk_format="raw"), "raw") is None
    assert target_of(replace(image, disk_format="iso"), "raw") is None
    assert target_of(replace(image, container_format="ova"), "raw") is None
    with pytest.raises(InvalidInput):
        target_of(replace(image, properties={"os_stillage_convert_to": "floppy"}), None)
