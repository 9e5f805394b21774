"""Zeros that are not sent cost no more than bytes that are."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import Clock
from stillage.db.session import Database
from stillage.errors import ImageTooLarge, InvalidInput, QuotaExceeded, StorageFull
from stillage.images.quota import Limits, Quotas
from stillage.images.upload import Piece
from stillage.operations.upload.verification import Verification
from stillage.stores.files.blobs import FileStore
from stillage.stores.files.partial import FilePartialBlob
from upload_world import MIB, RULES, World, a_world, sliced

TIB = 1 << 40
SIZE = 8 << 30
"""More than is hashed in the moment that the test needs."""


def zeros(length: int, size: int | None = None) -> Piece:
    return Piece(0, length, size, zeros=True)


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """No partial blob is looked into, and nothing is cleared in one."""

    def work(*_: object) -> None:
        raise AssertionError("the partial blob was touched")

    monkeypatch.setattr(FilePartialBlob, "_data_from", work)
    monkeypatch.setattr(FilePartialBlob, "_clear", work)
    monkeypatch.setattr(FilePartialBlob, "_write", work)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("size", [None, 200 * MIB])
async def test_zeros_beyond_the_quota_are_refused_before_any_work(
    database: Database, tmp_path: Path, clock: Clock, size: int | None
) -> None:
    quotas = Quotas(project=Limits(bytes=100 * MIB))
    async with a_world(database, tmp_path, clock, replace(RULES, quotas=quotas, max_image_bytes=TIB)) as world:
        upload = await world.open(size=None)
        with pytest.raises(QuotaExceeded):
            await world.uploads.receive(upload, zeros(200 * MIB, size), sliced(b""))
        assert not (await world.now(upload)).has_bytes


@pytest.mark.usefixtures("untouched")
async def test_zeros_beyond_the_largest_image_are_refused_before_any_work(world: World) -> None:
    upload = await world.open(size=None)
    with pytest.raises(ImageTooLarge):
        await world.uploads.receive(upload, zeros(TIB, TIB), sliced(b""))
    with pytest.raises(InvalidInput):
        await world.uploads.receive(upload, zeros(TIB), sliced(b""))


@pytest.mark.usefixtures("untouched")
async def test_zeros_for_which_there_would_be_no_room_are_refused_when_the_size_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def free_bytes(_: object) -> int:
        return 5 * MIB

    upload = await world.open(size=None)
    monkeypatch.setattr(FileStore, "free_bytes", free_bytes)
    with pytest.raises(StorageFull):
        await world.uploads.receive(upload, zeros(6 * MIB, 6 * MIB), sliced(b""))


async def test_nobody_hashes_the_zeros_of_an_upload_that_was_abandoned(
    database: Database, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed, feed = 0, Verification.feed

    async def counted(self: Verification, block: bytes) -> None:
        nonlocal hashed
        await feed(self, block)
        hashed += len(block)

    monkeypatch.setattr(Verification, "feed", counted)
    async with a_world(database, tmp_path, clock, replace(RULES, max_image_bytes=TIB)) as world:
        upload = await world.open(size=SIZE)
        sending = asyncio.ensure_future(world.uploads.receive(upload, zeros(SIZE, SIZE), sliced(b"")))
        async with asyncio.timeout(60):
            while not hashed:  # noqa: ASYNC110 - only the verifier knows
                await asyncio.sleep(0.01)
        sending.cancel()
        await asyncio.wait([sending])
        await world.uploads.abandon(upload)
        async with asyncio.timeout(60):
            while world.uploads.verifier._tasks:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert hashed < SIZE
        assert (await world.record(upload)).status == "queued"
