"""Resumable uploads, on every engine: what is counted, judged and published, and who may."""

import asyncio
import errno
import hashlib
import os
import random
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

import builders
from fakes import Clock
from stillage.db import images as db
from stillage.db import pieces, usage
from stillage.db import uploads as db_uploads
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
    PieceTakenOver,
    QuotaExceeded,
    SizeChanged,
    StorageFull,
    StoreFailed,
    StoreReadOnly,
    Unauthenticated,
    Unavailable,
    UploadGone,
    UploadNotFound,
)
from stillage.formats.safety import Policy
from stillage.images.access import Access, Caller
from stillage.images.image import BlobKey, Image, Status
from stillage.images.quota import Limits, Quotas, Usage
from stillage.images.upload import Digests, Opening, Piece, Progress, Span, Upload
from stillage.operations.acceptance import UploadRules
from stillage.operations.scrub import Scrub
from stillage.operations.sweep import Sweep
from stillage.operations.uploads import judging, sending
from stillage.operations.uploads.instant import Proof
from stillage.operations.uploads.uploads import Uploads
from stillage.stores.files import FileStore

MIB = 1 << 20
ME = builders.caller("lab", "member")
DATA = random.Random(1).randbytes(3 * MIB + 77)
RULES = UploadRules(
    max_image_bytes=64 * MIB,
    hash_algorithm="sha512",
    may_be_empty=frozenset({"raw"}),
    recordable_formats=frozenset(),
    format_property=None,
    lease_s=60,
    policy=Policy(),
    quotas=Quotas(),
    spare_bytes=0,
)


@dataclass
class World:
    database: Database
    store: FileStore
    clock: Clock
    uploads: Uploads

    async def image(self, **changes: Any) -> Image:
        image = builders.image(id=str(uuid4()), owner="lab", disk_format="raw", container_format="bare", **changes)
        await self.database.write(db.add, image)
        return image

    async def open(self, size: int | None = len(DATA), digests: Digests = (), **changes: Any) -> Upload:
        return await self.uploads.open(ME, (await self.image(**changes)).id, Opening(size, digests))

    async def send(self, upload: Upload, first: int, end: int, data: bytes = DATA, **more: Any) -> Progress:
        return await self.uploads.receive(upload, Piece(first, end - first, **more), sliced(data[first:end]))

    async def now(self, upload: Upload) -> Upload:
        return await self.uploads.find(ME, upload.image_id, upload.id)

    async def record(self, upload: Upload) -> Image:
        return await self.database.read(db.get, upload.image_id)

    async def stored(self, image: Image) -> bytes:
        assert image.blob_key is not None
        async with self.store.reader(image.blob_key) as reader:
            return bytes(await reader.read(0, 64 * MIB))

    def path_of(self, key: BlobKey) -> Path:
        return self.store.root / key[:2] / key

    def files(self) -> list[Path]:
        return [path for path in self.store.root.rglob("*") if path.is_file()]


async def sliced(data: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def cut(data: bytes) -> AsyncIterator[bytes]:
    yield data
    raise BodyIncomplete("the connection broke")


def uploads_of(database: Database, store: FileStore, clock: Clock, owner: str, rules: UploadRules = RULES) -> Uploads:
    access = Access({})
    return Uploads(
        database, store, access=access, rules=rules, secret=b"secret", owner=owner, max_age_s=3600, clock=clock
    )


@asynccontextmanager
async def a_world(database: Database, folder: Path, clock: Clock, rules: UploadRules = RULES) -> AsyncIterator[World]:
    store = FileStore(folder / "blobs")
    uploads = uploads_of(database, store, clock, "node/1.", rules)
    yield World(database, store, clock, uploads)
    await uploads.close()
    store.close()


@pytest.fixture
async def world(database: Database, tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    async with a_world(database, tmp_path, clock) as made:
        yield made


async def test_pieces_in_any_order_become_the_image(world: World) -> None:
    upload = await world.open()
    assert (await world.record(upload)).status is Status.SAVING
    assert (await world.send(upload, 2 * MIB, len(DATA))).image is None
    progress = await world.send(upload, 0, MIB)
    assert progress.upload.spans == (Span(0, MIB), Span(2 * MIB, len(DATA)))
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
    assert (await world.now(upload)).received == 0
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
        await world.uploads.find(builders.caller("theirs", "member"), upload.image_id, upload.id)


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


async def test_an_upload_of_which_nothing_comes_expires_and_one_that_goes_on_does_not(world: World) -> None:
    upload = await world.open()
    sweep = Sweep(world.database, world.store, clock=world.clock)
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
        await world.database.write(db.mark_deleted, upload.image_id, world.clock())
        await asyncio.Event().wait()

    with pytest.raises(UploadGone, match="deleted"):
        await world.uploads.receive(upload, Piece(0, len(DATA)), body())
    assert await world.database.read(usage.find, "project:lab") == Usage(bytes=len(DATA))
    await Sweep(world.database, world.store, clock=world.clock)()
    assert world.files() == []
    assert await world.database.read(usage.find, "project:lab") == Usage()


async def test_a_judge_that_begins_as_its_image_is_deleted_has_nothing_to_do(world: World) -> None:
    upload = await world.open()
    await world.database.write(db.mark_deleted, upload.image_id, world.clock())
    await world.uploads.judges._follow_to_its_end(upload)


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
    other = uploads_of(world.database, world.store, world.clock, "node/2.")

    async def stalled() -> AsyncIterator[bytes]:
        yield DATA[: MIB + 9]
        await asyncio.Event().wait()

    old = asyncio.create_task(world.uploads.receive(upload, Piece(0, len(DATA), in_order=True), stalled()))
    while (await world.now(upload)).offset != MIB + 9:  # noqa: ASYNC110 - the database has no event for it
        await asyncio.sleep(0.01)
    settled = await other.settle(upload)
    assert settled.offset == MIB + 9
    with pytest.raises(PieceTakenOver):
        await old
    rest = Piece(MIB + 9, len(DATA) - MIB - 9, in_order=True)
    assert (await other.receive(settled, rest, sliced(DATA[MIB + 9 :]))).image is not None
    await other.close()


async def test_who_judged_may_die_and_another_process_judges_from_the_first_byte(world: World) -> None:
    upload = await world.open()
    await world.send(upload, 0, 2 * MIB)
    for task in world.uploads.judges._tasks.values():
        task.cancel()  # what a killed process leaves: its lease
    await world.uploads.close()
    await world.database.write(pieces.end_of_owners, "node/1.")
    other = uploads_of(world.database, world.store, world.clock, "node/2.")
    rest = Piece(2 * MIB, len(DATA) - 2 * MIB)
    world.clock.advance(61)
    image = (await other.receive(upload, rest, sliced(DATA[2 * MIB :]))).image
    assert image is not None
    assert image.checksum == hashlib.md5(DATA).hexdigest()
    await other.close()


async def test_a_crowd_of_begun_uploads_takes_few_threads_and_holds_nobody_up(
    database: Database, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "AT_ONCE", 2)
    async with a_world(database, tmp_path, clock) as world:
        for _ in range(8):
            await world.send(await world.open(), 0, 1)
            assert sum(thread.name == "hash-md5" for thread in threading.enumerate()) <= 2
        image = (await world.send(await world.open(), 0, len(DATA))).image
        assert image is not None
        assert image.status is Status.ACTIVE


async def test_a_whole_upload_that_nobody_waits_for_is_judged_by_the_upkeep(world: World) -> None:
    upload = await world.open()
    held = await world.uploads._sending(upload, Piece(0, len(DATA)), Span(0, len(DATA)), sliced(DATA))
    await world.uploads.close()
    assert held.is_whole
    other = uploads_of(world.database, world.store, world.clock, "node/2.")
    while (await world.record(upload)).status is Status.SAVING:
        await other.upkeep()
        await asyncio.sleep(0.01)
    assert (await world.now(upload)).complete
    await other.close()


async def test_a_judge_that_is_stopped_as_it_takes_an_upload_leaves_it_to_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking, go_on = threading.Event(), threading.Event()
    take = db_uploads.take_judge

    def slow(*args: Any) -> bool:
        taking.set()
        go_on.wait(20)
        return take(*args)

    upload = await world.open()
    with monkeypatch.context() as patched:
        patched.setattr(db_uploads, "take_judge", slow)
        await world.uploads._sending(upload, Piece(0, len(DATA)), Span(0, len(DATA)), sliced(DATA))
        assert await asyncio.to_thread(taking.wait, 20)
        closing = asyncio.create_task(world.uploads.close())
        await asyncio.sleep(0)
        go_on.set()
        await closing
    other = uploads_of(world.database, world.store, world.clock, "node/2.")
    assert (await asyncio.wait_for(other.judges.verdict(upload), 20)).status is Status.ACTIVE
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
        async with asyncio.timeout(10):
            with pytest.raises((StorageFull, StoreReadOnly), match="ask the operator"):
                await world.send(upload, 0, len(DATA))
    assert (await world.now(upload)).is_whole
    while (await world.record(upload)).status is Status.SAVING:
        await world.uploads.upkeep()
        await asyncio.sleep(0.01)
    assert await world.stored(await world.record(upload)) == DATA


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
    with pytest.raises(StorageFull, match=f"room for {MIB} bytes, and this piece has {MIB + 77}"):
        await world.uploads.receive(upload, Piece(MIB, len(DATA) - MIB), unread())
    assert (await world.send(upload, MIB, 3 * MIB)).upload.offset == 3 * MIB
    leave_room(world, monkeypatch, 0)
    await world.send(upload, MIB, 2 * MIB)
    zeros = Piece(len(DATA), MIB, zeros=True)
    assert (await world.uploads.receive(upload, zeros, sliced(b""))).upload.received == 4 * MIB


async def test_a_piece_leaves_the_spare_room_and_what_came_of_it_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LOOK_AFTER", MIB)
    upload = await world.open()

    async def body() -> AsyncIterator[bytes]:
        yield DATA[:MIB]
        leave_room(world, monkeypatch, -1)
        yield DATA[MIB:]

    with pytest.raises(StorageFull, match="room for 0 bytes; ask the operator"):
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
    (draft,) = world.files()
    assert draft.read_bytes().rstrip(b"\0") == DATA[:MIB].rstrip(b"\0")
    assert draft.stat().st_blocks * 512 < 2 * MIB
    assert (await world.uploads.receive(await world.now(upload), piece, sliced(DATA))).image is not None


async def test_sizes_and_places_are_agreed_upon(world: World) -> None:
    upload = await world.open()
    with pytest.raises(SizeChanged):
        await world.send(upload, 0, 10, size=len(DATA) + 1)
    with pytest.raises(InvalidInput, match="not within"):
        await world.send(upload, len(DATA) - 5, len(DATA) + 5)
    with pytest.raises(InvalidInput, match="before its announced end"):
        await world.uploads.receive(upload, Piece(0, 100), sliced(DATA[:60]))
    assert (await world.now(upload)).offset == 60
    with pytest.raises(InvalidInput, match="more bytes came"):
        await world.uploads.receive(upload, Piece(60, 10), sliced(DATA[60:100]))
    with pytest.raises(Conflict):
        await world.uploads.open(ME, upload.image_id, Opening(5))
    assert (await world.uploads.join(ME, upload.image_id, Opening(len(DATA)))).id == upload.id
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
            spans = (await world.now(upload)).spans
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


# Bytes that are here already


def answer(proof: Proof, data: bytes) -> list[str]:
    nonce = proof.nonce.encode()
    return [hashlib.sha256(nonce + data[span.first : span.end]).hexdigest() for span in proof.ranges]


async def offered(world: World, caller: Caller = ME, **changes: Any) -> tuple[Upload, Proof | None]:
    upload = await world.open(digests=(("sha256", hashlib.sha256(DATA).hexdigest()),), **changes)
    return upload, await world.uploads.instant.offer(caller, upload)


async def an_original(world: World, **changes: Any) -> Image:
    first = await world.open(digests=(("sha256", hashlib.sha256(DATA).hexdigest()),), **changes)
    image = (await world.send(first, 0, len(DATA))).image
    assert image is not None
    return image


async def test_who_has_bytes_that_are_here_need_not_send_them(world: World) -> None:
    original = await an_original(world)
    upload, proof = await offered(world)
    assert proof is not None
    image = await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA))
    assert (image.status, image.checksum) == (Status.ACTIVE, original.checksum)
    await world.database.write(db.mark_deleted, original.id, world.clock())
    await Sweep(world.database, world.store, clock=world.clock)()
    assert await world.stored(image) == DATA
    assert len(world.files()) == 1
    assert (await world.now(upload)).complete
    assert await world.database.read(usage.find, "project:lab") == Usage(len(DATA), 1, 0)


async def test_a_digest_alone_opens_nothing(world: World) -> None:
    await an_original(world)
    upload, proof = await offered(world)
    assert proof is not None
    guess = hashlib.sha256(b"guess").hexdigest()
    for nonce, digests in [
        (proof.nonce, [guess] * len(proof.ranges)),
        (proof.nonce, []),
        (proof.nonce[:-1], answer(proof, DATA)),
        ("", answer(proof, DATA)),
    ]:
        with pytest.raises(Conflict, match="send the bytes"):
            await world.uploads.instant.prove(upload, nonce, digests)
    other, _ = await offered(world)
    with pytest.raises(Conflict, match="not of this upload"):
        await world.uploads.instant.prove(other, proof.nonce, answer(proof, DATA))
    world.clock.advance(601)
    with pytest.raises(Conflict, match="too old"):
        await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA))
    assert (await world.send(upload, 0, len(DATA))).image is not None


async def test_only_what_the_caller_may_read_is_offered(world: World) -> None:
    await an_original(world)
    assert (await offered(world, builders.caller("theirs", "member")))[1] is None
    assert (await offered(world, builders.caller("lab", "reader")))[1] is None


async def test_what_was_judged_as_something_else_is_not_offered(world: World) -> None:
    await an_original(world)
    image = builders.image(id=str(uuid4()), owner="lab", disk_format="vhd", container_format="bare")
    await world.database.write(db.add, image)
    digests = (("sha256", hashlib.sha256(DATA).hexdigest()),)
    upload = await world.uploads.open(ME, image.id, Opening(len(DATA), digests))
    assert await world.uploads.instant.offer(ME, upload) is None


async def test_a_scrub_learns_the_digest_that_nobody_declared(world: World) -> None:
    plain = await world.open()
    await world.send(plain, 0, len(DATA))
    assert (await offered(world))[1] is None
    world.clock.advance(1)
    scrub = Scrub(world.database, world.store, clock=world.clock)
    assert [found.damage async for found in scrub(older_than_s=0)] == [None]
    assert (await offered(world))[1] is not None


class PublishFails(Exception):
    """In the place of a database that does not answer."""


async def shown_in_vain(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Image, Upload, Proof]:
    """An original, and an upload that was shown to have its bytes, but whose row could not be written."""
    original = await an_original(world)
    upload, proof = await offered(world)
    return original, upload, await show_in_vain(world, monkeypatch, upload, proof)


async def show_in_vain(world: World, monkeypatch: pytest.MonkeyPatch, upload: Upload, proof: Proof | None) -> Proof:
    def fail(*_: object) -> None:
        raise PublishFails

    assert proof is not None
    with monkeypatch.context() as patched:
        patched.setattr(db, "publish", fail)
        with pytest.raises(PublishFails):
            await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA))
    return proof


async def test_pieces_that_come_after_a_proof_in_vain_leave_the_original_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, upload, _ = await shown_in_vain(world, monkeypatch)
    with pytest.raises(InvalidInput, match="sha256 mismatch"):
        await world.send(upload, 0, len(DATA), bytes(len(DATA)))
    assert await world.stored(original) == DATA
    assert (await world.record(upload)).status is Status.QUEUED
    assert len(world.files()) == 1


async def test_nothing_is_written_to_a_copy_where_the_upload_never_had_a_draft(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_begun(_key: object) -> None:
        """The process died here."""

    original = await an_original(world)
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "begin", never_begun)
        upload, proof = await offered(world)
    await show_in_vain(world, monkeypatch, upload, proof)
    with pytest.raises(InvalidInput, match="sha256 mismatch"):
        await world.send(upload, 0, len(DATA), bytes(len(DATA)))
    assert await world.stored(original) == DATA


async def test_what_is_sent_after_a_proof_in_vain_becomes_the_image(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, upload, _ = await shown_in_vain(world, monkeypatch)
    image = (await world.send(upload, 0, len(DATA))).image
    assert image is not None
    assert await world.stored(image) == await world.stored(original) == DATA
    assert len(world.files()) == 2


async def test_a_proof_can_be_shown_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, upload, proof = await shown_in_vain(world, monkeypatch)
    image = await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA))
    assert await world.stored(image) == DATA
    assert len(world.files()) == 2


async def test_a_piece_that_comes_while_its_bytes_are_shown_does_not_change_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = await an_original(world)
    upload, proof = await offered(world)
    assert proof is not None
    copied, go_on = asyncio.Event(), asyncio.Event()
    copy = world.store.copy

    async def slow_copy(*keys: Any) -> None:
        await copy(*keys)
        copied.set()
        await go_on.wait()

    monkeypatch.setattr(world.store, "copy", slow_copy)
    proving = asyncio.create_task(world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA)))
    await asyncio.wait_for(copied.wait(), 10)
    await world.send(upload, 5, MIB, bytes(len(DATA)))
    go_on.set()
    assert await world.stored(await proving) == await world.stored(original) == DATA
    assert len(world.files()) == 2


async def test_a_draft_that_a_proof_leaves_is_removed_by_a_sweep(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never_dropped(_key: object) -> None:
        raise PublishFails  # the process died here

    await an_original(world)
    upload, proof = await offered(world)
    assert proof is not None
    await world.send(upload, 0, MIB)
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "drop_draft", never_dropped)
        with pytest.raises(PublishFails):
            await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA))
    assert len(world.files()) == 3
    sweep = Sweep(world.database, world.store, clock=world.clock)
    for shard in range(256):
        assert await sweep.remove_strays(shard, older_than_s=0) == 0
    assert len(world.files()) == 2
    assert await world.stored(await world.record(upload)) == DATA


RIGHT = ("sha512", hashlib.sha512(DATA).hexdigest())


async def test_nothing_is_offered_to_who_also_declares_another_digest_than_is_known_of_the_bytes(world: World) -> None:
    await an_original(world)
    upload = await world.open(digests=(RIGHT, ("md5", hashlib.md5(b"something else").hexdigest())))
    assert await world.uploads.instant.offer(ME, upload) is None
    upload = await world.open(digests=(RIGHT, ("md5", hashlib.md5(DATA).hexdigest())))
    assert await world.uploads.instant.offer(ME, upload) is not None


async def test_a_digest_that_nobody_has_verified_is_not_recorded_with_bytes_that_need_not_be_sent(world: World) -> None:
    await world.send(await world.open(), 0, len(DATA))
    wrong = ("sha256", hashlib.sha256(b"something else").hexdigest())
    upload = await world.open(digests=(RIGHT, wrong))
    proof = await world.uploads.instant.offer(ME, upload)
    assert proof is not None
    await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA))
    upload = await world.open(digests=(wrong,))
    assert await world.uploads.instant.offer(ME, upload) is None


async def test_bytes_that_need_not_be_sent_are_scrubbed_when_the_original_is_due(world: World) -> None:
    original = await an_original(world)
    world.clock.advance(60)
    upload, proof = await offered(world)
    assert proof is not None
    image = await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA))
    world.clock.advance(30)
    scrub = Scrub(world.database, world.store, clock=world.clock)
    assert {found.blob.image_id async for found in scrub(older_than_s=60)} == {original.id, image.id}


async def test_bytes_proven_while_a_scrub_reads_their_original_are_read_if_it_finds_damage(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = await an_original(world)
    assert original.blob_key is not None
    world.path_of(original.blob_key).write_bytes(DATA[:-1] + b"!")
    world.clock.advance(61)
    scrub = Scrub(world.database, world.store, clock=world.clock)
    compare = scrub._compare
    proven: list[Image] = []

    async def prove_first(*args: Any) -> str | None:
        if not proven:
            upload, proof = await offered(world)
            assert proof is not None
            proven.append(await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA)))
        return await compare(*args)

    monkeypatch.setattr(scrub, "_compare", prove_first)
    damaged = [found.blob.image_id async for found in scrub(older_than_s=60) if found.damage]
    assert damaged == [original.id, proven[0].id]


async def test_an_original_found_damaged_at_the_last_moment_gives_its_bytes_to_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await an_original(world)
    upload, proof = await offered(world)
    assert proof is not None
    link = world.store.copy

    async def scrub_first(key: BlobKey, new_key: BlobKey) -> None:
        world.path_of(key).write_bytes(DATA[:-1] + b"!")
        scrub = Scrub(world.database, world.store, clock=world.clock)
        world.clock.advance(1)
        assert [found.damage is None async for found in scrub(older_than_s=0)] == [False]
        await link(key, new_key)

    monkeypatch.setattr(world.store, "copy", scrub_first)
    with pytest.raises(Conflict, match="send"):
        await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA))
    image = (await world.send(upload, 0, len(DATA))).image
    assert image is not None
    assert await world.stored(image) == DATA


async def test_who_goes_on_at_once_with_an_upload_just_opened_keeps_it(world: World) -> None:
    upload, asked = await world.open(), asyncio.Event()

    async def nothing_yet() -> AsyncIterator[bytes]:
        asked.set()
        await asyncio.Event().wait()
        yield b""

    opening = asyncio.create_task(world.uploads.receive_first(upload, Piece(0, len(DATA)), nothing_yet()))
    await asyncio.wait_for(asked.wait(), 10)
    assert (await world.uploads.settle(upload)).offset == 0
    with pytest.raises(PieceTakenOver):
        await opening
    assert (await world.send(upload, 0, len(DATA))).image is not None


# What a crash leaves


async def test_an_upload_whose_process_died_before_it_had_a_draft_gets_one(
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
    opening = asyncio.create_task(world.uploads.open(ME, image.id, Opening(len(DATA))))
    await asyncio.wait_for(begun.wait(), 10)
    opening.cancel()  # it took longer than a request may, or the process died
    with pytest.raises(asyncio.CancelledError):
        await opening
    monkeypatch.undo()
    world.clock.advance(61)
    assert (await Sweep(world.database, world.store, clock=world.clock)()).uploads == 1
    upload = await world.uploads.open(ME, image.id, Opening(len(DATA)))
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
    told, end = [], pieces.end

    def counted(connection: Connection, piece_id: str) -> None:
        told.append(piece_id)
        end(connection, piece_id)

    monkeypatch.setattr(pieces, "end", counted)
    uploads = [await world.open() for _ in range(8)]
    await asyncio.gather(*(world.send(upload, 0, 10) for upload in uploads))
    assert len(told) == len(set(told)) == 8


async def test_an_upload_that_has_lost_its_draft_ends(world: World) -> None:
    upload = (await world.send(await world.open(), 0, MIB)).upload
    await world.uploads.close()
    await world.store.delete(upload.blob_key)
    with pytest.raises(StoreFailed, match="its bytes are gone from the store"):
        await world.send(upload, MIB, len(DATA))
    with pytest.raises(UploadGone, match="its bytes are gone from the store"):
        await asyncio.wait_for(world.uploads.judges.verdict(upload), 20)
    assert (await world.record(upload)).status is Status.QUEUED


async def test_who_judged_a_whole_upload_of_no_bytes_may_have_died(world: World) -> None:
    upload = await world.open(size=0)
    assert await world.uploads.judges.adopt() == 1
    assert (await world.uploads.judges.verdict(upload)).size == 0


async def test_a_sweep_that_was_slow_leaves_an_upload_of_which_something_came_meanwhile(world: World) -> None:
    upload = await world.open()
    world.clock.advance(3601)
    (claim,) = await world.database.read(db.expired, world.clock(), None, 10)
    await world.send(upload, 0, MIB)
    assert not await world.database.write(db.release_dead, claim, "too late", world.clock())
    assert (await world.now(upload)).offset == MIB
    world.clock.advance(3601)
    assert await world.database.write(db.release_dead, claim, "nothing came", world.clock())
    assert (await world.record(upload)).reason == "nothing came"


async def test_an_image_deleted_while_an_upload_is_opened_leaves_no_draft(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, begin = await world.image(), world.store.begin

    async def deleted_before(key: Any) -> None:
        await world.database.write(db.mark_deleted, image.id, world.clock())
        await Sweep(world.database, world.store, clock=world.clock)()
        await begin(key)

    monkeypatch.setattr(world.store, "begin", deleted_before)
    with pytest.raises(UploadGone, match="the image was deleted"):
        await world.uploads.open(ME, image.id, Opening(len(DATA)))
    assert world.files() == []
