"""Resumable uploads, on every engine: what is counted, verified and published, and who may."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import builders
from fakes import Clock
from stillage.db import lifecycle, usage
from stillage.db.session import Database
from stillage.errors import (
    BodyIncomplete,
    BytesDiffer,
    Conflict,
    ContentRejected,
    DigestMismatch,
    ImageNotFound,
    InvalidInput,
    OffsetMismatch,
    PieceMismatch,
    QuotaExceeded,
    SizeChanged,
    StorageFull,
    Unauthenticated,
    UploadGone,
    UploadNotFound,
)
from stillage.images.quota import Limits, Quotas, Usage
from stillage.images.status import Status
from stillage.images.upload import Expected, Piece
from stillage.operations.resumable import receiving
from stillage.operations.upkeep.sweep import Sweep
from stillage.spans import Span
from stores import only
from upload_world import DATA, ME, MIB, RULES, World, a_world, cut, sliced


async def test_pieces_in_any_order_become_the_image(world: World) -> None:
    upload = await world.open()
    assert (await world.record(upload)).status is Status.SAVING
    assert (await world.send(upload, 2 * MIB, len(DATA))).image is None
    progress = await world.send(upload, 0, MIB)
    assert (await world.uploads.ranges(progress.upload, 9)).spans == (Span(0, MIB), Span(2 * MIB, len(DATA)))
    image = (await world.send(upload, MIB, 2 * MIB)).image
    assert image is not None
    assert (image.status, image.size) == (Status.ACTIVE, len(DATA))
    assert image.checksum == hashlib.md5(DATA).hexdigest()
    assert image.os_hash_value == hashlib.sha512(DATA).hexdigest()
    assert await world.stored(image) == DATA
    assert len(world.files()) == 1


async def test_what_came_before_the_connection_broke_counts_to_the_last_byte(world: World) -> None:
    upload = await world.open()
    with pytest.raises(BodyIncomplete):
        await world.uploads.receive(upload, Piece(0, len(DATA), in_order=True), cut(DATA[: MIB + 5]))
    upload = await world.now(upload)
    assert upload.offset == MIB + 5
    with pytest.raises(OffsetMismatch) as mismatch:
        await world.send(upload, MIB, len(DATA), in_order=True)
    assert mismatch.value.expected == MIB + 5
    assert (await world.send(upload, MIB + 5, len(DATA), in_order=True)).image is not None


async def test_pieces_of_unknown_total_end_with_the_last(world: World) -> None:
    upload = await world.open(None)
    progress = await world.uploads.receive(upload, Piece(0, in_order=True), sliced(DATA[:MIB]))
    assert (progress.upload.offset, progress.upload.size, progress.image) == (MIB, None, None)
    last = Piece(MIB, in_order=True, last=True)
    image = (await world.uploads.receive(progress.upload, last, sliced(DATA[MIB:]))).image
    assert image is not None
    assert await world.stored(image) == DATA


async def test_the_same_bytes_again_are_fine_and_others_are_not(world: World) -> None:
    upload = await world.open()
    await world.send(upload, 0, 2 * MIB)
    await world.send(upload, MIB // 2, 2 * MIB + 10)
    changed = bytearray(DATA)
    changed[MIB + 3] ^= 1
    with pytest.raises(BytesDiffer) as differ:
        await world.send(upload, MIB, len(DATA), bytes(changed))
    assert differ.value.offset == MIB + 3
    image = (await world.send(upload, MIB, len(DATA))).image
    assert image is not None
    assert await world.stored(image) == DATA


async def test_a_piece_whose_digest_lies_does_not_count_and_leaves_nothing_behind(world: World) -> None:
    zeros = bytes(len(DATA))
    upload = await world.open()
    lie = (("sha256", hashlib.sha256(b"other").hexdigest()),)
    with pytest.raises(PieceMismatch):
        await world.send(upload, 0, len(DATA), digests=lie)
    assert not (await world.now(upload)).has_bytes
    truth = (("sha256", hashlib.sha256(zeros).hexdigest()),)
    image = (await world.send(upload, 0, len(DATA), zeros, digests=truth)).image
    assert image is not None
    assert await world.stored(image) == zeros


async def test_zeros_need_not_be_sent(world: World) -> None:
    upload = await world.open(len(DATA) + 16 * MIB)
    await world.send(upload, 0, len(DATA))
    piece = Piece(len(DATA), 16 * MIB, zeros=True)
    image = (await world.uploads.receive(upload, piece, sliced(b""))).image
    assert image is not None
    assert await world.stored(image) == DATA + bytes(16 * MIB)
    assert world.files()[0].stat().st_blocks * 512 < 5 * MIB


async def test_zeros_are_zeros_where_something_was_written_before(world: World) -> None:
    upload = await world.open(size=2 * MIB)
    async with world.store.partial(upload.blob.key) as partial:  # of a process that died before it counted
        assert await partial.hold(Span(0, 2 * MIB))
        await partial.write(0, b"x" * (2 * MIB))
        await partial.flush()
    await world.send(upload, 0, MIB, b"", zeros=True)
    progress = await world.send(upload, MIB, 2 * MIB, bytes(2 * MIB))
    assert progress.image is not None
    assert await world.stored(progress.image) == bytes(2 * MIB)


async def test_a_declared_digest_of_the_whole_is_verified_before_it_is_published(world: World) -> None:
    upload = await world.open(digests=(("sha256", hashlib.sha256(b"other").hexdigest()),))
    with pytest.raises(InvalidInput, match="sha256 mismatch"):
        await world.send(upload, 0, len(DATA))
    image = await world.record(upload)
    assert image.status is Status.QUEUED
    assert "sha256 mismatch" in (image.reason or "")
    assert world.files() == []
    assert issubclass(DigestMismatch, InvalidInput)


async def test_a_hostile_image_is_refused_as_soon_as_its_beginning_shows_it(world: World) -> None:
    bad = b"QFI\xfb" + (3).to_bytes(4, "big") + (512).to_bytes(8, "big") + (9).to_bytes(4, "big") + bytes(4 * MIB)
    upload = await world.open(size=60 * MIB, name="evil")

    async def endless() -> AsyncIterator[bytes]:
        yield bad
        while True:
            await asyncio.sleep(0.01)
            yield bytes(1000)

    with pytest.raises(ContentRejected):
        await world.uploads.receive(upload, Piece(0, 60 * MIB), endless())
    assert (await world.record(upload)).status is Status.QUEUED
    with pytest.raises(ContentRejected):
        await world.now(upload)
    assert world.files() == []


async def test_a_capability_opens_its_upload_and_no_other(world: World) -> None:
    upload, other = await world.open(), await world.open()
    name = world.uploads.capability(upload)
    assert (await world.uploads.find(None, upload.image_id, name)).id == upload.id
    for image_id, wrong in [
        (other.image_id, name),
        (upload.image_id, world.uploads.capability(other)),
        (upload.image_id, name[:-1]),
        (upload.image_id, f"{upload.id}."),
        (upload.image_id, f"{upload.id}.\xff"),
    ]:
        with pytest.raises(UploadNotFound):
            await world.uploads.find(None, image_id, wrong)
    with pytest.raises(Unauthenticated):
        await world.uploads.find(None, upload.image_id, upload.id)
    with pytest.raises(ImageNotFound):
        await world.uploads.find(builders.principal("theirs", "member"), upload.image_id, upload.id)


async def test_an_abandoned_upload_leaves_a_queued_image_and_no_bytes(world: World) -> None:
    upload = await world.open()
    await world.send(upload, 0, MIB)
    await world.uploads.abandon(upload)
    assert (await world.record(upload)).status is Status.QUEUED
    assert world.files() == []
    with pytest.raises(UploadGone, match="abandoned"):
        await world.now(upload)
    with pytest.raises(UploadGone, match="abandoned"):
        await world.send(upload, MIB, len(DATA))
    assert await world.database.read(usage.find, "project:lab") == Usage(images=1)


async def test_of_uploads_that_are_opened_and_abandoned_again_and_again_the_last_are_remembered(world: World) -> None:
    image = await world.image()
    uploads = []
    for _ in range(lifecycle.RESULTS_KEPT + 3):
        uploads.append(await world.uploads.open(ME, image.id, Expected(5)))
        world.clock.advance(1)
        await world.uploads.abandon(uploads[-1])
    for upload in uploads[:3]:
        with pytest.raises(UploadNotFound):
            await world.now(upload)
    for upload in uploads[3:]:
        with pytest.raises(UploadGone, match="abandoned"):
            await world.now(upload)


async def test_an_upload_of_which_nothing_comes_expires_and_one_that_goes_on_does_not(world: World) -> None:
    upload = await world.open()
    sweep = Sweep(world.database, only(world.store), clock=world.clock)
    world.clock.advance(3000)
    await world.send(upload, 0, MIB)
    world.clock.advance(3000)
    await sweep()
    assert (await world.now(upload)).offset == MIB
    world.clock.advance(1000)
    await sweep()
    with pytest.raises(UploadGone, match="expired"):
        await world.now(upload)
    assert world.files() == []
    world.clock.advance(4000)
    await world.uploads.upkeep()
    with pytest.raises(UploadNotFound):
        await world.now(upload)


async def test_deleting_the_image_ends_its_upload_also_in_the_middle_of_a_piece(world: World) -> None:
    upload = await world.open()

    async def body() -> AsyncIterator[bytes]:
        yield DATA[:MIB]
        await world.database.write(lifecycle.mark_deleted, upload.image_id, world.clock())
        await asyncio.Event().wait()

    with pytest.raises(UploadGone, match="deleted"):
        await world.uploads.receive(upload, Piece(0, len(DATA)), body())
    assert await world.database.read(usage.find, "project:lab") == Usage(bytes=len(DATA))
    await Sweep(world.database, only(world.store), clock=world.clock)()
    assert world.files() == []
    assert await world.database.read(usage.find, "project:lab") == Usage()


def leave_room(world: World, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    async def free_bytes() -> int:
        return room

    monkeypatch.setattr(world.store, "free_bytes", free_bytes)


async def test_a_piece_that_has_no_room_is_refused_unread_and_one_that_needs_none_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await world.open(len(DATA) + MIB)
    await world.send(upload, 0, 2 * MIB)
    leave_room(world, monkeypatch, MIB)

    async def unread() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    upload = await world.now(upload)
    with pytest.raises(StorageFull, match=f"no room for this piece of {MIB + 77} bytes; ask"):
        await world.uploads.receive(upload, Piece(MIB, len(DATA) - MIB), unread())
    assert (await world.send(upload, MIB, 3 * MIB)).upload.offset == 3 * MIB
    leave_room(world, monkeypatch, 0)
    await world.send(upload, MIB, 2 * MIB)
    zeros = Piece(len(DATA), MIB, zeros=True)
    sent = (await world.uploads.receive(upload, zeros, sliced(b""))).upload
    assert (await world.uploads.ranges(sent, 9)).received == 4 * MIB


async def test_a_piece_leaves_the_spare_room_and_what_came_of_it_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "LOOK_AFTER", MIB)
    upload = await world.open()

    async def body() -> AsyncIterator[bytes]:
        yield DATA[:MIB]
        leave_room(world, monkeypatch, -1)
        yield DATA[MIB:]

    with pytest.raises(StorageFull, match="no room left; ask the operator"):
        await world.uploads.receive(upload, Piece(0, len(DATA)), body())
    assert (await world.now(upload)).offset == MIB
    monkeypatch.undo()
    assert (await world.send(upload, 0, len(DATA))).image is not None


@pytest.mark.parametrize(("body", "failure"), [(cut, BodyIncomplete), (sliced, PieceMismatch)])
async def test_what_does_not_count_of_a_piece_takes_no_room(world: World, body: Any, failure: type[Exception]) -> None:
    upload = await world.open()
    await world.send(upload, 0, MIB)
    piece = Piece(0, len(DATA), digests=(("sha256", hashlib.sha256(DATA).hexdigest()),))
    with pytest.raises(failure):
        await world.uploads.receive(await world.now(upload), piece, body(DATA[:-9] + bytes(9)))
    (partial,) = world.files()
    assert partial.read_bytes().rstrip(b"\0") == DATA[:MIB].rstrip(b"\0")
    assert partial.stat().st_blocks * 512 < 2 * MIB
    assert (await world.uploads.receive(await world.now(upload), piece, sliced(DATA))).image is not None


async def test_sizes_and_places_are_agreed_upon(world: World) -> None:
    upload = await world.open()
    with pytest.raises(SizeChanged):
        await world.send(upload, 0, 10, size=len(DATA) + 1)
    with pytest.raises(InvalidInput, match="exceed the upload's size"):
        await world.send(upload, len(DATA) - 5, len(DATA) + 5)
    with pytest.raises(InvalidInput, match="before its declared end"):
        await world.uploads.receive(upload, Piece(0, 100), sliced(DATA[:60]))
    assert (await world.now(upload)).offset == 60
    with pytest.raises(InvalidInput, match="longer than the piece"):
        await world.uploads.receive(upload, Piece(60, 10), sliced(DATA[60:100]))
    with pytest.raises(Conflict):
        await world.uploads.open(ME, upload.image_id, Expected(5))
    assert (await world.uploads.join(ME, upload.image_id, Expected(len(DATA)))).id == upload.id
    assert [found.id for found in await world.uploads.of_image(ME, upload.image_id)] == [upload.id]


async def test_an_upload_reserves_its_bytes_until_they_are_gone(
    database: Database, tmp_path: Path, clock: Clock
) -> None:
    rules = replace(RULES, quotas=Quotas(project=Limits(bytes=10 * MIB, uploads=1), node=Limits(uploads=1)))
    async with a_world(database, tmp_path, clock, rules) as world:
        with pytest.raises(QuotaExceeded):
            await world.open(size=11 * MIB)
        upload = await world.open()
        assert await database.read(usage.find, "project:lab") == Usage(len(DATA), 2, 1)
        await world.send(upload, 0, MIB)
        assert await database.read(usage.find, "node:node") == Usage()
        await world.send(upload, MIB, len(DATA))
        assert await database.read(usage.find, "project:lab") == Usage(len(DATA), 2, 0)


@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
async def test_whatever_order_overlap_and_breaks_the_image_is_the_same(world: World, seed: int) -> None:
    dice = random.Random(seed)
    data = dice.randbytes(dice.randrange(1, 5 * MIB))
    upload = await world.open(len(data))
    image = None
    for _ in range(200):
        if image is not None:
            break
        first = dice.randrange(len(data))
        end = min(len(data), first + dice.randrange(1, 2 * MIB))
        if dice.random() < 0.3:  # what is missing, so that it comes to an end
            spans = (await world.uploads.ranges(upload, 99)).spans
            first = spans[0].end if spans and spans[0].first == 0 else 0
            end = min([span.first for span in spans if span.first > first] or [len(data)])
        if dice.random() < 0.2:
            broken = cut(data[first : (first + end) // 2 + 1])
            with pytest.raises(BodyIncomplete):
                await world.uploads.receive(upload, Piece(first, end - first), broken)
        else:
            image = (await world.send(upload, first, end, data)).image
    assert image is not None
    assert await world.stored(image) == data
    assert image.os_hash_value == hashlib.sha512(data).hexdigest()
