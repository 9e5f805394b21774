"""Sweep's search for orphans, and Upkeep, which runs it: on every engine."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from fakes import Clock
from plans import plans_of
from stillage.db import blobs, lifecycle, usage
from stillage.db import images as db
from stillage.db.leases import Dead, LeaseOwner, NodeId
from stillage.db.lifecycle import Claim
from stillage.db.session import Database
from stillage.errors import BlobNotFound, StoreFailed, Unavailable
from stillage.ids import BlobKey, ImageId, ProjectId, UploadId
from stillage.images.image import Content, Image
from stillage.images.status import Status
from stillage.jobs.upkeep import Schedule, Upkeep
from stillage.operations.upkeep.exclusive import Exclusive
from stillage.operations.upkeep.look import Look
from stillage.operations.upkeep.scrub import Scrub
from stillage.operations.upkeep.sweep import MOST_FAILURES, Sweep, Swept, remove_blob
from stillage.stores.abilities import SHARDS
from stillage.stores.base import Store
from stillage.stores.files.blobs import FileStore
from stillage.stores.memory import MemoryStore
from stores import FILES, in_files, only

TIMEOUT_S = 60.0
SHARD = 0xAB


@pytest.fixture(params=[MemoryStore, FileStore])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param is MemoryStore else FileStore(tmp_path / "blobs")


def a_key(shard: int = SHARD) -> BlobKey:
    return BlobKey(f"{shard:02x}{uuid4().hex[2:]}")


async def put(store: Store, key: BlobKey) -> BlobKey:
    async with store.writer(key) as writer:
        await writer.write(b"data")
        await writer.commit()
    return key


async def claimed(database: Database, clock: Clock, key: BlobKey) -> Claim:
    image = Image(id=ImageId(str(uuid4())), owner=ProjectId("lab"), created_at=clock(), updated_at=clock())
    claim = Claim(UploadId(str(uuid4())), image.id, in_files(key), LeaseOwner.parse("node/1"), 4)
    await database.write(db.add, image)
    await database.write(lifecycle.claim, claim, clock(), clock() + timedelta(minutes=1))
    return claim


async def is_there(store: Store, key: BlobKey) -> bool:
    try:
        async with store.reader(key):
            return True
    except BlobNotFound:
        return False


async def test_an_orphan_goes_and_what_a_row_names_stays(database: Database, store: Store, clock: Clock) -> None:
    orphan = await put(store, a_key())
    elsewhere = await put(store, a_key(SHARD + 1))
    writing, published, pending = [await put(store, a_key()) for _ in range(3)]
    await claimed(database, clock, writing)
    content = Content(4, None, "raw", "c" * 32, "sha512", "d" * 128)
    await database.write(lifecycle.publish, await claimed(database, clock, published), content, clock())
    await database.write(lifecycle.release, await claimed(database, clock, pending), "left", clock())

    sweep = Sweep(database, only(store), clock=clock)
    assert await sweep.remove_orphans(SHARD, older_than_s=0) == 1
    assert not await is_there(store, orphan)
    assert all([await is_there(store, key) for key in (writing, published, pending, elsewhere)])
    assert await sweep.remove_orphans(SHARD, older_than_s=0) == 0
    assert await sweep.remove_orphans(SHARD + 1, older_than_s=0) == 1


async def test_a_young_orphan_stays(database: Database, store: Store, clock: Clock) -> None:
    key = await put(store, a_key())
    sweep = Sweep(database, only(store), clock=clock)
    assert await sweep.remove_orphans(SHARD, older_than_s=60) == 0
    assert await is_there(store, key)


async def test_two_sweeps_at_once_find_more_orphans_than_one_statement_names(database: Database, clock: Clock) -> None:
    store = MemoryStore()
    for _ in range(1100):
        await put(store, a_key())
    kept = await put(store, a_key())
    await claimed(database, clock, kept)
    sweep = Sweep(database, only(store), clock=clock)
    await asyncio.gather(*(sweep.remove_orphans(SHARD, older_than_s=0) for _ in range(2)))
    assert set(store.blobs) == {kept}


async def test_a_swept_upload_gives_back_what_it_used(database: Database, store: Store, clock: Clock) -> None:
    claim = await claimed(database, clock, await put(store, a_key()))
    clock.advance(61)
    sweep = Sweep(database, only(store), clock=clock)
    swept = await asyncio.gather(sweep(), sweep())
    assert sum(one.blobs for one in swept) >= 1
    assert not await is_there(store, claim.blob.key)
    image = await database.read(db.get, claim.image_id)
    assert image.status is Status.QUEUED
    found = await database.read(lambda c: (usage.find(c, "project:lab"), usage.find(c, "node:node")))
    assert [(one.bytes, one.uploads) for one in found] == [(0, 0), (0, 0)]


async def test_published_bytes_stay_whoever_wants_to_remove_them(
    database: Database, store: Store, clock: Clock
) -> None:
    """As after a `publish` whose answer got lost: its uploader releases the image, and removes what it stored."""
    claim = await claimed(database, clock, await put(store, a_key()))
    content = Content(4, None, "raw", "c" * 32, "sha512", "d" * 128)
    await database.write(lifecycle.publish, claim, content, clock())
    await remove_blob(database, only(store), claim.blob, clock())
    assert await is_there(store, claim.blob.key)
    assert not await database.write(lifecycle.release, claim, "no answer", clock())
    assert await database.read(blobs.pending_delete, FILES, clock(), 9) == []
    await database.write(blobs.forget_blob, claim.blob.key)
    clock.advance(3600)
    sweep = Sweep(database, only(store), clock=clock)
    assert await sweep(dead=NodeId("node")) == Swept(0, 0)
    assert await sweep.remove_orphans(SHARD, older_than_s=0) == 0
    assert await is_there(store, claim.blob.key)
    assert await database.read(blobs.states_of_blobs, [claim.blob.key]) == {claim.blob.key: "published"}


async def test_bytes_go_before_their_row(database: Database, clock: Clock) -> None:
    store = Stubborn()
    (key,) = store.kept = set(await blobs_pending_delete(database, store, clock, 1))
    with pytest.raises(StoreFailed):
        await remove_blob(database, only(store), in_files(key), clock())
    assert await database.read(blobs.states_of_blobs, [key]) == {key: "pending_delete"}


class Stubborn(MemoryStore):
    """Does not let go of some blobs."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: set[BlobKey] = set()
        self.asked: asyncio.Event | None = None

    async def delete(self, key: BlobKey) -> None:
        if key in self.kept:
            if self.asked is not None:
                self.asked.set()
                await asyncio.Event().wait()
            raise StoreFailed("the store failed to delete a blob")
        await super().delete(key)


async def blobs_pending_delete(database: Database, store: Store, clock: Clock, count: int) -> list[BlobKey]:
    keys = [await put(store, a_key()) for _ in range(count)]
    for key in keys:
        await database.write(lifecycle.release, await claimed(database, clock, key), "left", clock())
    return keys


async def test_a_blob_that_cannot_be_removed_does_not_keep_the_others(database: Database, clock: Clock) -> None:
    store = Stubborn()
    keys = await blobs_pending_delete(database, store, clock, 5)
    store.kept = set(keys[:3])
    sweep = Sweep(database, only(store), clock=clock)
    assert (await sweep()).blobs == 2
    assert set(store.blobs) == store.kept
    store.kept = set()
    assert (await sweep()).blobs == 3
    assert not store.blobs


async def test_a_store_that_removes_nothing_is_not_asked_for_everything(database: Database, clock: Clock) -> None:
    store = Stubborn()
    store.kept = set(await blobs_pending_delete(database, store, clock, MOST_FAILURES + 5))
    assert (await Sweep(database, only(store), clock=clock)()).blobs == 0


@pytest.mark.parametrize(
    "query",
    [lifecycle.expired, blobs.pending_delete, blobs.with_late_pieces, blobs.take_for_scrub],
    ids=lambda query: query.__name__,
)
async def test_a_sweep_looks_at_nothing_but_what_it_wants(
    database: Database, clock: Clock, query: Callable[..., object]
) -> None:
    known = {
        "expired": (clock(), None, 9),
        "pending_delete": (FILES, clock(), 9),
        "with_late_pieces": (FILES, clock(), 9),
        "take_for_scrub": ([FILES], clock(), clock()),
    }
    arguments = known[query.__name__]
    plan = (await database.write(plans_of, lambda connection: query(connection, *arguments)))[-1]
    assert "ix_" in plan, plan
    assert "SCAN " not in plan, plan
    assert "Seq Scan" not in plan, plan


class Late(MemoryStore):
    """Does for half a minute what processes have asked for that are dead."""

    def late_by_s(self) -> float:
        return 30


async def test_what_a_store_did_late_is_removed_once_more(database: Database, clock: Clock) -> None:
    store = Late()
    sweep = Sweep(database, only(store), clock=clock)
    (key,) = await blobs_pending_delete(database, store, clock, 1)
    assert (await sweep()).blobs == 1
    assert (await database.read(usage.find, "project:lab")).bytes == 0, "the project has its room at once"
    await put(store, key)
    await remove_blob(database, only(store), in_files(key), clock())  # whoever else wanted to does not end it
    await put(store, key)
    assert (await sweep()).blobs == 0
    clock.advance(31)
    assert (await sweep()).blobs == 1
    assert not store.blobs
    assert await database.read(blobs.states_of_blobs, [key]) == {}


async def test_pieces_that_the_death_of_a_process_has_left_beside_an_image_go(database: Database, clock: Clock) -> None:
    store = Late()
    stores = only(store)
    claim = await claimed(database, clock, await put(store, a_key()))
    content = Content(4, None, "raw", "c" * 32, "sha512", "d" * 128)
    until = stores.look_again_at(claim.blob, clock())
    await database.write(lifecycle.publish, claim, content, clock(), pieces_until=until)
    await store.begin(claim.blob.key)
    sweep = Sweep(database, stores, clock=clock)
    await sweep()
    assert (await store.find_old(SHARD, 0)).partial == {claim.blob.key}, "a request may be under way"
    clock.advance(31)
    await sweep()
    assert not (await store.find_old(SHARD, 0)).partial
    assert set(store.blobs) == {claim.blob.key}
    assert await database.read(blobs.with_late_pieces, FILES, clock(), 9) == []


# Upkeep


async def eventually(ask: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not await ask():  # noqa: ASYNC110 - the database has no event for it
            await asyncio.sleep(0.05)


def upkeep(
    database: Database, store: Store, clock: Clock, also: Callable[[], Awaitable[object]], **changes: float
) -> Upkeep:
    schedule = Schedule(
        sweep_s=0.001, orphan_age_s=0, scrub_every_s=changes.get("scrub_every_s"), scrub_bytes_per_s=1e9
    )
    sweep, scrub = Sweep(database, only(store), clock=clock), Scrub(database, only(store), clock=clock)
    look = Look(database, only(store), clock=clock)
    return Upkeep(sweep, scrub, look, exclusive_of(database, clock), schedule=schedule, also=[also])


def exclusive_of(database: Database, clock: Clock) -> Exclusive:
    return Exclusive(database, owner=LeaseOwner.parse("node/1"), clock=clock)


async def nothing() -> None:
    """Beside the sweep."""


async def test_upkeep_sweeps_looks_into_every_shard_and_scrubs(database: Database, clock: Clock) -> None:
    store = MemoryStore()
    orphans = [await put(store, a_key(shard)) for shard in (0, 100, SHARDS - 1)]
    content = Content(4, None, "raw", "c" * 32, "sha512", "d" * 128)
    damaged = await claimed(database, clock, await put(store, a_key()))
    await database.write(lifecycle.publish, damaged, content, clock())
    dead = await claimed(database, clock, await put(store, a_key()))
    clock.advance(61)

    async def all_done() -> bool:
        image = await database.read(db.get, damaged.image_id)
        queued = (await database.read(db.get, dead.image_id)).status is Status.QUEUED
        return queued and image.damage is not None and not {*orphans, dead.blob.key} & set(store.blobs)

    async with upkeep(database, store, clock, nothing, scrub_every_s=60).running():
        await eventually(all_done)
    assert set(store.blobs) == {damaged.blob.key}
    assert asyncio.all_tasks() == {asyncio.current_task()}, "nothing runs on"


async def test_uploads_of_dead_servers_end_while_the_store_hangs(database: Database, clock: Clock) -> None:
    store = Stubborn()
    store.asked = asyncio.Event()
    store.kept = set(await blobs_pending_delete(database, store, clock, 1))
    async with upkeep(database, store, clock, nothing).running():
        await asyncio.wait_for(store.asked.wait(), TIMEOUT_S)
        dead = await claimed(database, clock, await put(store, a_key()))
        clock.advance(61)

        async def is_queued() -> bool:
            return (await database.read(db.get, dead.image_id)).status is Status.QUEUED

        await eventually(is_queued)


async def test_no_upload_ends_before_the_clock_is_set(database: Database, clock: Clock) -> None:
    done: list[str] = []

    async def set_clock() -> None:
        done.append("clock")
        raise Unavailable("the database does not answer")

    class NoSweep(Sweep):
        async def end_dead_uploads(self, *, dead: Dead | None = None) -> int:  # noqa: ARG002 - what it overrides
            done.append("sweep")
            return 0

    store = MemoryStore()
    schedule = Schedule(sweep_s=0.001, orphan_age_s=0, scrub_every_s=None, scrub_bytes_per_s=1)
    scrub, sweep = Scrub(database, only(store), clock=clock), NoSweep(database, only(store), clock=clock)
    look, exclusive = Look(database, only(store), clock=clock), exclusive_of(database, clock)
    async with Upkeep(sweep, scrub, look, exclusive, schedule=schedule, first=set_clock).running():

        async def three_times() -> bool:
            return len(done) > 3

        await eventually(three_times)
    assert set(done) == {"clock"}


@pytest.mark.parametrize("error", [Unavailable("the database does not answer"), ZeroDivisionError()], ids=repr)
async def test_upkeep_survives_an_error(database: Database, clock: Clock, error: Exception) -> None:
    times = 0

    async def fail_at_first() -> None:
        nonlocal times
        times += 1
        if times < 3:
            raise error

    async def is_past_it() -> bool:
        return times >= 5

    async with upkeep(database, MemoryStore(), clock, fail_at_first).running():
        await eventually(is_past_it)


async def test_a_scrub_that_is_off_reads_nothing(database: Database, clock: Clock) -> None:
    swept = 0

    async def count() -> None:
        nonlocal swept
        swept += 1

    async def is_swept() -> bool:
        return swept >= 3

    store = MemoryStore()
    content = Content(4, None, "raw", "c" * 32, "sha512", "d" * 128)
    damaged = await claimed(database, clock, await put(store, a_key()))
    await database.write(lifecycle.publish, damaged, content, clock())
    clock.advance(61)
    async with upkeep(database, store, clock, count).running():
        await eventually(is_swept)
    assert (await database.read(db.get, damaged.image_id)).damage is None


async def test_a_file_that_is_no_blob_of_ours_does_not_stop_the_search(
    database: Database, clock: Clock, tmp_path: Path
) -> None:
    store = FileStore(tmp_path / "blobs")
    key = await put(store, a_key())
    part = store.root / key[:2] / f"{a_key()}.part"
    part.write_bytes(b"left over")
    for path in store.root.rglob("*"):
        os.utime(path, (0, 0))
    assert await Sweep(database, only(store), clock=clock).remove_orphans(SHARD, older_than_s=60) == 2
    assert not [path for path in store.root.rglob("*") if path.is_file()]
