"""A plain upload holds its image while it runs, asks for the verdict, and notices when it has lost."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import builders
from fakes import Clock
from stillage.db import blobs as db_blobs
from stillage.db import images as db
from stillage.db import lifecycle
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.errors import ContentRejected, DigestMismatch, ImageGone, StoreFailed, Unavailable
from stillage.formats.block_map import BLOCK
from stillage.formats.noted_map import noted_data
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.status import Status
from stillage.images.upload import Expected
from stillage.operations.upkeep.sweep import Sweep
from stillage.operations.upload.ingest import Ingest
from stillage.stores.files import blobs
from stillage.stores.files.blobs import FileStore
from stores import only
from upload_world import ME, MIB, RULES, sliced

DATA = b"the bytes of an image"
UNKNOWN = Expected()
TIMEOUT_S = 60.0


@dataclass
class World:
    database: Database
    store: FileStore
    clock: Clock

    def __post_init__(self) -> None:
        self.ingest = Ingest(
            self.database,
            only(self.store),
            access=Access({}),
            rules=RULES,
            owner=LeaseOwner.parse("node/1"),
            clock=self.clock,
        )

    async def queued(self, **changes: Any) -> Image:
        image = builders.image(id=str(uuid4()), **({"disk_format": "raw", "container_format": "bare"} | changes))
        await self.database.write(db.add, image)
        return image

    async def now(self, image: Image) -> Image:
        return await self.database.read(db.get, image.id)

    async def leaves_nothing(self, image: Image) -> None:
        now = await self.now(image)
        assert (now.status, now.size, now.checksum) == (Status.QUEUED, None, None)
        assert now.reason
        assert [path for path in self.store.root.rglob("*") if path.is_file()] == []


@pytest.fixture
async def world(database: Database, tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    world = World(database, FileStore(tmp_path / "blobs"), clock)
    yield world
    await world.ingest.close()
    world.store.close()


@dataclass
class Sleeping:
    """In the place of `asyncio.sleep`: time passes when the test lets it, and then all at once."""

    clock: Clock
    wakes: Callable[[], Awaitable[None]]
    passes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def __call__(self, seconds: float) -> None:
        await self.passes.acquire()
        self.clock.advance(seconds)
        await self.wakes()


async def test_a_lease_outlives_a_renewal_that_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that jumps: at each renewal the lease that was there must not have run out."""
    expired, asked, renewed, renew = [], [], asyncio.Event(), lifecycle.renew
    loop = asyncio.get_running_loop()

    async def look() -> None:
        expired.extend(await world.database.read(lifecycle.expired, world.clock(), None, 10))

    def renew_but_once(*arguments: Any) -> bool:
        asked.append(world.clock())
        if len(asked) == 1:
            raise Unavailable("the database does not answer")
        loop.call_soon_threadsafe(renewed.set)
        return renew(*arguments)

    async def body() -> AsyncIterator[bytes]:
        yield DATA
        for _ in range(2):
            sleeping.passes.release()
        async with asyncio.timeout(TIMEOUT_S):
            await renewed.wait()

    sleeping = Sleeping(world.clock, look)
    monkeypatch.setattr(lifecycle, "renew", renew_but_once)
    monkeypatch.setattr(asyncio, "sleep", sleeping)
    image = await world.ingest(ME, (await world.queued()).id, body(), UNKNOWN)
    assert image.status is Status.ACTIVE
    assert len(asked) >= 2
    assert expired == []


async def test_an_upload_that_has_lost_its_lease_ends_before_its_body(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_sleep, came_to_its_end = asyncio.sleep, False

    async def lose_it() -> None:
        world.clock.advance(RULES.lease_s + 1)  # this process was stopped for so long
        assert await Sweep(world.database, only(world.store), clock=world.clock).end_dead_uploads() == 1

    async def body() -> AsyncIterator[bytes]:
        nonlocal came_to_its_end
        yield DATA
        sleeping.passes.release()
        for _ in range(2000):
            await real_sleep(0.001)
            yield b"more"
        came_to_its_end = True

    sleeping = Sleeping(world.clock, lose_it)
    monkeypatch.setattr(asyncio, "sleep", sleeping)
    image = await world.queued()
    with pytest.raises(ImageGone):
        await world.ingest(ME, image.id, body(), UNKNOWN)
    assert not came_to_its_end
    await world.leaves_nothing(image)


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
async def test_digests_that_were_declared_are_compared(world: World, algorithm: str) -> None:
    image, digest = await world.queued(), hashlib.new(algorithm, DATA).hexdigest()
    with pytest.raises(DigestMismatch):
        await world.ingest(ME, image.id, sliced(DATA + b"!"), Expected(digests=((algorithm, digest),)))
    await world.leaves_nothing(image)
    now = await world.ingest(ME, image.id, sliced(DATA), Expected(digests=((algorithm, digest),)))
    assert now.status is Status.ACTIVE


async def test_the_verdict_is_asked_for_after_the_last_byte(world: World) -> None:
    """The end of a fixed VHD is what tells that it is one."""
    image = await world.queued(disk_format="vhd")
    with pytest.raises(ContentRejected):
        await world.ingest(ME, image.id, sliced(bytes(4 * MIB)), UNKNOWN)
    await world.leaves_nothing(image)


async def test_an_upload_whose_name_cannot_be_made_durable_has_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_folder: Path) -> None:
        raise OSError(5, "Input/output error")

    image = await world.queued()
    with monkeypatch.context() as patched:
        patched.setattr(blobs, "sync_directory", fail)
        with pytest.raises(StoreFailed):
            await world.ingest(ME, image.id, sliced(DATA), UNKNOWN)
    assert (await world.now(image)).status is Status.QUEUED
    await Sweep(world.database, only(world.store), clock=world.clock)()
    await world.leaves_nothing(image)


async def test_where_a_raw_disk_holds_data_is_noted(world: World) -> None:
    image = await world.queued()
    data = bytes(MIB) + b"data" + bytes(3 * MIB)
    done = await world.ingest(ME, image.id, sliced(data), UNKNOWN)
    inside = await world.database.read(db_blobs.inside, done.id)
    assert inside.found == "raw"
    assert list(noted_data(inside.data_map or b"")) == [(MIB, BLOCK)]
