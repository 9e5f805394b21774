"""Copies of an image in several stores of one kind: who shares bytes, what counts, and which copy is read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import builders
from fakes import Clock
from stillage.db import blobs, copies, lifecycle, placements, usage
from stillage.db import images as db
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.errors import Conflict, StoreStalled, Unavailable
from stillage.ids import BlobKey, BlobRef, StoreId
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.quota import Usage
from stillage.images.upload import Expected, Piece
from stillage.operations.download import Download
from stillage.operations.resumable.uploads import Uploads
from stillage.operations.upkeep.scrub import Scrub
from stillage.operations.upkeep.sweep import Sweep
from stillage.stores.base import BlobReader, Store
from stillage.stores.catalog import NamedStore, Stores
from stillage.stores.files.blobs import FileStore
from stillage.stores.memory import MemoryStore
from stores import copied
from upload_world import DATA, ME, sliced, uploads_of

NEAR, FAR = StoreId("near"), StoreId("far")
SHA256 = (("sha256", sha256(DATA).hexdigest()),)


class World:
    def __init__(self, database: Database, stores: Stores, clock: Clock) -> None:
        self.database, self.stores, self.clock = database, stores, clock
        self.uploads: Uploads = uploads_of(database, stores, clock, LeaseOwner.parse("node/1"))
        self.download = Download(database, stores, access=Access({}), deleted_s=60)
        self.sweep = Sweep(database, stores, clock=clock)
        self.scrub = Scrub(database, stores, clock=clock)

    async def queued(self) -> Image:
        image = builders.image(id=str(uuid4()), owner="lab", disk_format="raw", container_format="bare")
        await self.database.write(db.add, image)
        return image

    async def stored(self, store: StoreId | None = None) -> Image:
        expected = Expected(len(DATA), SHA256, store=store)
        upload = await self.uploads.open(ME, (await self.queued()).id, expected)
        image = (await self.uploads.receive(upload, Piece(0, len(DATA)), sliced(DATA))).image
        assert image is not None
        return image

    async def read(self, image: Image) -> bytes:
        async with self.download.open(image) as reader:
            return bytes(await reader.read(0, len(DATA)))


@pytest.fixture(params=[MemoryStore, FileStore])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Store, Store]:
    if request.param is MemoryStore:
        return MemoryStore(), MemoryStore()
    return FileStore(tmp_path / "near"), FileStore(tmp_path / "far")


@pytest.fixture
async def world(database: Database, two: tuple[Store, Store], clock: Clock) -> AsyncIterator[World]:
    near, far = (NamedStore(name, store, "file", "") for name, store in zip((NEAR, FAR), two, strict=True))
    world = World(database, Stores([near, replace(far, weight=5)], default=NEAR), clock)
    yield world
    await world.uploads.close()
    world.stores.close()


async def test_bytes_are_shared_within_a_store_and_not_between_two(world: World) -> None:
    await world.stored()
    for store, is_offered in ((FAR, False), (NEAR, True), (None, True)):
        upload = await world.uploads.open(ME, (await world.queued()).id, Expected(len(DATA), SHA256, store=store))
        assert (await world.uploads.instant.offer(ME, upload) is not None) == is_offered


async def test_a_copy_counts_until_its_bytes_are_gone(world: World) -> None:
    image = await world.stored()
    await copied(world.database, world.stores, image.id, FAR)
    assert await world.database.read(usage.find, "project:lab") == Usage(2 * len(DATA), 1, 0)
    (blob,) = await world.database.write(copies.remove, image.id, NEAR, world.clock())
    assert await world.database.read(usage.find, "project:lab") == Usage(2 * len(DATA), 1, 0)
    assert (await world.sweep()).blobs == 1
    assert await world.database.read(usage.find, "project:lab") == Usage(len(DATA), 1, 0)
    now = await world.database.read(db.get, image.id)
    assert (now.stores, await world.read(now)) == ((FAR,), DATA)
    assert blob.store == NEAR
    assert await world.database.write(lifecycle.mark_deleted, image.id, world.clock()) is not None
    assert (await world.sweep()).blobs == 1
    assert await world.database.read(usage.find, "project:lab") == Usage()


async def test_the_copy_with_the_higher_weight_is_read_and_then_the_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = await world.stored()
    far = await copied(world.database, world.stores, image.id, FAR)
    asked: list[BlobKey] = []
    for named in world.stores:
        monkeypatch.setattr(named.store, "reader", noting(named.store, asked))
    assert await world.read(image) == DATA
    assert asked == [far.key]
    await world.stores.delete(far)
    assert await world.read(image) == DATA
    placed = await world.database.read(placements.of_image, image.id)
    assert asked == [far.key, far.key, placed[0].blob.key]


def noting(store: Store, asked: list[BlobKey]) -> Any:
    read = store.reader

    @asynccontextmanager
    async def reader(key: BlobKey) -> AsyncIterator[BlobReader]:
        asked.append(key)
        async with read(key) as reader:
            yield reader

    return reader


@pytest.mark.parametrize("is_down", [NEAR, FAR])
async def test_a_store_that_is_down_keeps_no_other_from_being_scrubbed(
    world: World, monkeypatch: pytest.MonkeyPatch, is_down: StoreId
) -> None:
    image = await world.stored()
    await copied(world.database, world.stores, image.id, FAR)
    world.clock.advance(1)

    def down(_key: BlobKey) -> Any:
        raise StoreStalled(10)

    monkeypatch.setattr(world.stores.get(is_down).store, "reader", down)
    found: list[StoreId] = []

    async def scrub_all() -> None:
        async for scrubbed in world.scrub(older_than_s=0):
            found.append(scrubbed.stored.blob.store)  # noqa: PERF401 - it ends with an error

    with pytest.raises(Unavailable):
        await scrub_all()
    assert {*found, is_down} == {NEAR, FAR}
    assert len(found) == 1
    assert await world.read(image) == DATA
    due = await world.database.write(blobs.take_for_scrub, [NEAR, FAR], world.clock(), world.clock())
    assert due is not None
    assert due.blob.store == is_down


async def test_a_copy_found_damaged_at_the_last_moment_is_shared_with_nobody_though_another_is_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = await world.stored()
    await copied(world.database, world.stores, image.id, FAR)
    upload = await world.uploads.open(ME, (await world.queued()).id, Expected(len(DATA), SHA256))
    proof = await world.uploads.instant.offer(ME, upload)
    assert proof is not None
    near, nonce = world.stores.get(NEAR).store, proof.nonce.encode()
    read = near.reader

    @asynccontextmanager
    async def marked_after(key: BlobKey) -> AsyncIterator[BlobReader]:
        async with read(key) as reader:
            yield reader
        assert await world.database.write(blobs.set_damage, BlobRef(NEAR, key), "a bit has turned") == [image.id]

    monkeypatch.setattr(near, "reader", marked_after)
    digests = [sha256(nonce + DATA[span.first : span.end]).hexdigest() for span in proof.ranges]
    with pytest.raises(Conflict, match="no longer has these bytes; send them"):
        await world.uploads.instant.prove(upload, proof.nonce, digests)
    assert (await world.database.read(db.get, image.id)).damage is None
    assert await world.uploads.instant.offer(ME, upload) is None
