"""Who verifies a resumable upload, on every engine: a request that takes over, another process, the upkeep."""

import asyncio
import errno
import hashlib
import os
import random
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fakes import Clock
from stillage.db import lifecycle, pieces
from stillage.db import uploads as db_uploads
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.errors import Conflict, PieceTakenOver, StorageFull, StoreReadOnly
from stillage.images.status import Status
from stillage.images.upload import Piece
from stillage.operations.resumable import verifying
from stillage.operations.upload.verification import Verification
from stillage.spans import Span
from stillage.stores.abilities import FlushInterval
from stillage.stores.files.partial import FilePartialBlob
from upload_world import DATA, MIB, World, a_world, sliced, uploads_of


async def test_a_verifier_that_begins_as_its_image_is_deleted_has_nothing_to_do(world: World) -> None:
    upload = await world.open()
    await world.database.write(lifecycle.mark_deleted, upload.image_id, world.clock())
    await world.uploads.verifier._follow_to_its_end(upload)


async def test_a_newer_request_takes_over_from_one_whose_client_may_be_gone(world: World) -> None:
    upload = await world.open()
    came = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield DATA[:MIB]
        came.set()
        await asyncio.Event().wait()

    old = asyncio.create_task(world.uploads.receive(upload, Piece(0, len(DATA)), stalled()))
    await came.wait()
    image = (await world.send(upload, 0, len(DATA))).image
    assert image is not None
    assert await world.stored(image) == DATA
    with pytest.raises((PieceTakenOver, Conflict)):
        await old


async def test_a_newer_request_to_another_process_takes_over_as_well(world: World) -> None:
    upload = await world.open()
    other = uploads_of(world.database, world.store, world.clock, LeaseOwner.parse("node/2"))

    async def stalled() -> AsyncIterator[bytes]:
        yield DATA[: MIB + 9]
        await asyncio.Event().wait()

    old = asyncio.create_task(world.uploads.receive(upload, Piece(0, len(DATA), in_order=True), stalled()))
    async with asyncio.timeout(60):
        while (await world.now(upload)).offset != MIB + 9:  # noqa: ASYNC110 - the database has no event for it
            await asyncio.sleep(0.01)
    settled = await other.settle(upload)
    assert settled.offset == MIB + 9
    with pytest.raises(PieceTakenOver):
        await old
    rest = Piece(MIB + 9, len(DATA) - MIB - 9, in_order=True)
    assert (await other.receive(settled, rest, sliced(DATA[MIB + 9 :]))).image is not None
    await other.close()


async def test_who_verified_may_die_and_another_process_verifies_from_the_first_byte(world: World) -> None:
    upload = await world.open()
    await world.send(upload, 0, 2 * MIB)
    for task in world.uploads.verifier._tasks.values():
        task.cancel()  # what a killed process leaves: its lease
    await world.uploads.close()
    await world.database.write(pieces.end_of_dead, LeaseOwner.parse("node/1"))
    other = uploads_of(world.database, world.store, world.clock, LeaseOwner.parse("node/2"))
    rest = Piece(2 * MIB, len(DATA) - 2 * MIB)
    world.clock.advance(61)
    image = (await other.receive(upload, rest, sliced(DATA[2 * MIB :]))).image
    assert image is not None
    assert image.checksum == hashlib.md5(DATA).hexdigest()
    await other.close()


async def test_little_of_an_upload_is_left_to_verify_after_its_last_byte_however_fast_it_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "KEEP_UP_S", 60)
    interval = FlushInterval(every_s=0.5, most=MIB, ahead=2 * MIB)
    monkeypatch.setattr(FilePartialBlob, "flush_interval", interval)
    data, taken, goes_on = random.Random(2).randbytes(9 * MIB), MIB, asyncio.Event()
    upload = await world.open(len(data))
    await world.send(upload, 0, MIB, data)
    async with asyncio.timeout(60):
        while world.uploads.verifier._verified.get(upload.id) != MIB:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    feed = Verification.feed

    async def slow(verification: Verification, block: bytes) -> None:
        await goes_on.wait()
        await feed(verification, block)

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        async for block in sliced(data[MIB:], MIB):
            taken += len(block)
            yield block

    monkeypatch.setattr(Verification, "feed", slow)
    sending = asyncio.create_task(world.uploads.receive(upload, Piece(MIB, len(data) - MIB), body()))
    async with asyncio.timeout(60):
        while taken < 5 * MIB:  # noqa: ASYNC110 - the last of these MiB waits
            await asyncio.sleep(0.01)
    assert not (await asyncio.wait([sending], timeout=0.2))[0]
    assert taken == 5 * MIB
    goes_on.set()
    image = (await sending).image
    assert image is not None
    assert image.checksum == hashlib.md5(data).hexdigest()


async def test_a_crowd_of_begun_uploads_takes_few_threads_and_holds_nobody_up(
    database: Database, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "AT_ONCE", 2)
    async with a_world(database, tmp_path, clock) as world:
        for _ in range(8):
            await world.send(await world.open(), 0, 1)
            assert sum(thread.name == "hash-md5" for thread in threading.enumerate()) <= 2
        image = (await world.send(await world.open(), 0, len(DATA))).image
        assert image is not None
        assert image.status is Status.ACTIVE


async def test_a_whole_upload_that_nobody_waits_for_is_verified_by_the_upkeep(world: World) -> None:
    upload = await world.open()
    held = await world.uploads._pieces.receive(upload, Piece(0, len(DATA)), Span(0, len(DATA)), sliced(DATA))
    await world.uploads.close()
    assert held.is_whole
    other = uploads_of(world.database, world.store, world.clock, LeaseOwner.parse("node/2"))
    async with asyncio.timeout(60):
        while (await world.record(upload)).status is Status.SAVING:
            await other.upkeep()
            await asyncio.sleep(0.01)
    assert (await world.now(upload)).complete
    await other.close()


async def test_a_verifier_that_is_stopped_as_it_takes_an_upload_leaves_it_to_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking, go_on = threading.Event(), threading.Event()
    take = db_uploads.take_verification

    def slow(*args: Any) -> bool:
        taking.set()
        go_on.wait(60)
        return take(*args)

    upload = await world.open()
    with monkeypatch.context() as patched:
        patched.setattr(db_uploads, "take_verification", slow)
        # SQLite has one writer: what sends waits behind the verifier.
        whole = Span(0, len(DATA))
        sending = asyncio.create_task(world.uploads._pieces.receive(upload, Piece(0, len(DATA)), whole, sliced(DATA)))
        assert await asyncio.to_thread(taking.wait, 60)
        closing = asyncio.create_task(world.uploads.close())
        await asyncio.sleep(0)
        go_on.set()
        await sending
        await closing
    other = uploads_of(world.database, world.store, world.clock, LeaseOwner.parse("node/2"))
    assert (await asyncio.wait_for(other.verifier.verdict(upload), 60)).status is Status.ACTIVE
    await other.close()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
async def test_a_store_that_cannot_publish_is_told_of_at_once_and_nothing_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    upload = await world.open()

    def full(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as broken:
        broken.setattr(os, "ftruncate", full)
        async with asyncio.timeout(60):
            with pytest.raises((StorageFull, StoreReadOnly), match="ask the operator"):
                await world.send(upload, 0, len(DATA))
    assert (await world.now(upload)).is_whole
    while (await world.record(upload)).status is Status.SAVING:
        await world.uploads.upkeep()
        await asyncio.sleep(0.01)
    assert await world.stored(await world.record(upload)) == DATA


async def test_who_goes_on_at_once_with_an_upload_just_opened_keeps_it(world: World) -> None:
    upload, asked = await world.open(), asyncio.Event()

    async def nothing_yet() -> AsyncIterator[bytes]:
        asked.set()
        await asyncio.Event().wait()
        yield b""

    opened = asyncio.create_task(world.uploads.receive_first(upload, Piece(0, len(DATA)), nothing_yet()))
    await asyncio.wait_for(asked.wait(), 60)
    assert (await world.uploads.settle(upload)).offset == 0
    with pytest.raises(PieceTakenOver):
        await opened
    assert (await world.send(upload, 0, len(DATA))).image is not None
