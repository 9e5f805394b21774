"""Resumable uploads whose process died, or whose database was away, at the worst moment."""

import asyncio
from typing import Any

import pytest

from stillage.db import lifecycle, pieces, usage
from stillage.db import uploads as db_uploads
from stillage.db.leases import LeaseOwner
from stillage.errors import (
    PieceHeld,
    StoreFailed,
    Unavailable,
    UploadGone,
)
from stillage.images.status import Status
from stillage.images.upload import Expected, Piece
from stillage.operations.resumable import pieces as piece_requests
from stillage.operations.upkeep.sweep import Sweep
from stillage.spans import Span
from stillage.stores.abilities import recall_nothing
from stillage.stores.files.partial import FilePartialBlob
from stores import only
from upload_world import DATA, ME, MIB, World, sliced, uploads_of


async def test_an_upload_whose_process_died_before_it_had_a_partial_blob_gets_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_begun(_key: object) -> None:
        """The process died here."""

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "begin", never_begun)
        asked, sent = await world.open(), await world.open()
    assert (await world.uploads.settle(asked)).offset == 0
    for upload in (asked, sent):
        assert (await world.send(upload, 0, MIB)).upload.offset == MIB
        assert (await world.send(upload, MIB, len(DATA))).image is not None


async def test_an_upload_that_nobody_was_told_of_does_not_keep_its_image(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, begun = await world.image(), asyncio.Event()

    async def hang(_key: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(world.store, "begin", hang)
    opened = asyncio.create_task(world.uploads.open(ME, image.id, Expected(len(DATA))))
    await asyncio.wait_for(begun.wait(), 60)
    opened.cancel()  # it took longer than a request may, or the process died
    with pytest.raises(asyncio.CancelledError):
        await opened
    monkeypatch.undo()
    world.clock.advance(61)
    assert (await Sweep(world.database, only(world.store), clock=world.clock)()).uploads == 1
    upload = await world.uploads.open(ME, image.id, Expected(len(DATA)))
    world.clock.advance(3599)
    assert (await world.send(upload, 0, len(DATA))).image is not None


async def test_a_piece_that_ends_while_the_database_is_away_stops_counting_for_its_node_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Unavailable("the database does not answer")

    upload = await world.open()
    with monkeypatch.context() as patched:
        patched.setattr(pieces, "end", away)
        with pytest.raises(Unavailable):
            await world.send(upload, 0, MIB)
    assert (await world.database.read(usage.find, "node:node")).uploads == 1
    await world.uploads.upkeep()
    assert (await world.database.read(usage.find, "node:node")).uploads == 0


async def test_pieces_that_end_together_tell_the_database_each_of_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, write = [], world.database.write

    async def counted(work: Any, *values: Any, **more: Any) -> Any:
        if work is pieces.end:
            told.append(values)
        return await write(work, *values, **more)

    monkeypatch.setattr(world.database, "write", counted)
    uploads = [await world.open() for _ in range(8)]
    await asyncio.gather(*(world.send(upload, 0, 10) for upload in uploads))
    assert len(told) == len(set(told)) == 8


async def test_bytes_count_when_they_are_durable_and_not_before(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upload, counted, count = await world.open(), [], db_uploads.count

    async def fail(_partial: object) -> None:
        raise StoreFailed("the store failed to make an upload durable")

    def noted(*arguments: Any) -> Any:
        counted.append(arguments)
        return count(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(FilePartialBlob, "flush", fail)
        patched.setattr(db_uploads, "count", noted)
        with pytest.raises(StoreFailed):
            await world.send(upload, 0, MIB)
    assert counted == []
    assert (await world.uploads.ranges(upload, 9)).spans == ()


async def test_an_upload_that_has_lost_its_partial_blob_ends(world: World) -> None:
    upload = (await world.send(await world.open(), 0, MIB)).upload
    await world.uploads.close()
    await world.store.delete(upload.blob.key)
    with pytest.raises(StoreFailed, match="its bytes are gone from the store"):
        await world.send(upload, MIB, len(DATA))
    with pytest.raises(UploadGone, match="its bytes are gone from the store"):
        await asyncio.wait_for(world.uploads.verifier.verdict(upload), 60)
    assert (await world.record(upload)).status is Status.QUEUED


async def test_who_verified_a_whole_upload_of_no_bytes_may_have_died(world: World) -> None:
    upload = await world.open(size=0)
    assert await world.uploads.verifier.adopt() == 1
    assert (await world.uploads.verifier.verdict(upload)).size == 0


async def test_another_node_verifies_ten_seconds_after_the_one_that_did_has_died(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, taken = await world.open(size=0), asyncio.Event()
    dead = uploads_of(world.database, world.store, world.clock, LeaseOwner.parse("dead/1"))

    async def hang(_upload_id: object) -> None:
        taken.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(dead.verifier, "_verify_ours", hang)
        patched.setattr(db_uploads, "drop_verification", lambda *_: None)  # the dead drop nothing
        dead.verifier.follow(upload)
        await asyncio.wait_for(taken.wait(), 60)
        await dead.close()
    world.clock.advance(9)
    assert await world.uploads.verifier.adopt() == 0
    world.clock.advance(2)
    assert await world.uploads.verifier.adopt() == 1
    assert (await world.uploads.verifier.verdict(upload)).size == 0


async def test_who_finds_the_lock_of_a_dead_machine_is_told_to_come_back_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(piece_requests, "HOLD_WITHIN_S", 0.05)
    upload = (await world.send(await world.open(), 0, MIB)).upload
    begun = await world.open()
    for locked in (upload, begun):
        async with world.store.partial(locked.blob.key, recall_nothing) as left_behind:
            assert await left_behind.hold(Span(0, len(DATA)))
            with pytest.raises(PieceHeld, match="has just died") as told:
                await world.uploads.receive_first(locked, Piece(MIB, MIB), sliced(DATA[MIB : 2 * MIB]))
            assert told.value.retry_after_s > 0
        assert (await world.send(locked, 0, len(DATA))).image is not None


async def test_a_sweep_that_was_slow_leaves_an_upload_of_which_something_came_meanwhile(world: World) -> None:
    upload = await world.open()
    world.clock.advance(3601)
    (claim,) = await world.database.read(lifecycle.expired, world.clock(), None, 10)
    await world.send(upload, 0, MIB)
    assert not await world.database.write(lifecycle.release_dead, claim, "too late", world.clock())
    assert (await world.now(upload)).offset == MIB
    world.clock.advance(3601)
    assert await world.database.write(lifecycle.release_dead, claim, "nothing came", world.clock())
    assert (await world.record(upload)).reason == "nothing came"


async def test_an_image_deleted_while_an_upload_is_opened_leaves_no_partial_blob(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, begin = await world.image(), world.store.begin

    async def deleted_before(key: Any) -> None:
        await world.database.write(lifecycle.mark_deleted, image.id, world.clock())
        await Sweep(world.database, only(world.store), clock=world.clock)()
        await begin(key)

    monkeypatch.setattr(world.store, "begin", deleted_before)
    with pytest.raises(UploadGone, match="the image was deleted"):
        await world.uploads.open(ME, image.id, Expected(len(DATA)))
    assert world.files() == []
