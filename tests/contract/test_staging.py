"""Staged bytes, on every engine: they wait for an import, and go away with whatever makes them useless."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from stillage.db import images as db_images
from stillage.db import lifecycle, usage
from stillage.errors import BodyIncomplete, Conflict, ImageTooLarge, PieceMismatch, SizeMismatch, StillageError
from stillage.images.image import Image
from stillage.images.quota import Usage
from stillage.images.status import Status
from stillage.images.upload import Expected, Piece
from stillage.operations.upkeep.sweep import Sweep
from stores import only
from upload_world import DATA, ME, MIB, RULES, World, cut, sliced

ZEROS = bytes(RULES.max_image_bytes + 1)


async def stage(world: World, data: bytes = DATA, expected: Expected | None = None) -> Image:
    image = await world.image()
    await world.uploads.stage(ME, image.id, expected or Expected(len(data)), sliced(data))
    return await world.database.read(db_images.get, image.id)


async def sweep(world: World) -> None:
    await Sweep(world.database, only(world.store), clock=world.clock)()


async def used(world: World) -> Usage:
    return await world.database.read(usage.find, "project:lab")


@pytest.mark.parametrize("size", [len(DATA), None])
async def test_staged_bytes_wait_unverified(world: World, size: int | None) -> None:
    image = await stage(world, expected=Expected(size))
    assert (image.status, image.size, image.checksum) == (Status.UPLOADING, len(DATA), None)
    assert await world.uploads.verifier.adopt() == 0
    (upload,) = await world.uploads.of_image(ME, image.id)
    assert (upload.is_whole, upload.verified) == (True, 0)
    assert (await used(world)).bytes >= len(DATA)


async def test_no_bytes_can_be_staged(world: World) -> None:
    assert (await stage(world, b"")).size == 0


@pytest.mark.parametrize(
    ("expected", "data", "error"),
    [
        (Expected(len(DATA) + 1), DATA, SizeMismatch),
        (Expected(len(DATA) - 1), DATA, SizeMismatch),
        (Expected(None, (("md5", "0" * 32),)), DATA, PieceMismatch),
        pytest.param(Expected(None), ZEROS, ImageTooLarge, marks=pytest.mark.thorough),
    ],
)
async def test_what_is_not_as_declared_is_not_kept(
    world: World, expected: Expected, data: bytes, error: type[StillageError]
) -> None:
    image = await world.image()
    with pytest.raises(error) as raised:
        await world.uploads.stage(ME, image.id, expected, sliced(data))
    now = await world.database.read(db_images.get, image.id)
    assert (now.status, now.size, now.reason) == (Status.QUEUED, None, str(raised.value))
    assert world.files() == []
    assert await used(world) == Usage(images=1)


async def test_a_broken_body_leaves_nothing(world: World) -> None:
    image = await world.image()
    with pytest.raises(BodyIncomplete):
        await world.uploads.stage(ME, image.id, Expected(len(DATA)), cut(DATA[:MIB]))
    assert (await world.database.read(db_images.get, image.id)).status is Status.QUEUED
    assert world.files() == []


async def test_bytes_of_a_request_whose_server_died_expire_soon(world: World) -> None:
    image = await world.image()
    arrived = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield DATA[: 2 * MIB]
        arrived.set()
        await asyncio.Event().wait()

    staging = asyncio.create_task(world.uploads.stage(ME, image.id, Expected(len(DATA)), body()))
    await arrived.wait()
    staging.cancel()  # as in a crash, nobody cleans up after it
    await asyncio.wait([staging])
    assert (await world.database.read(db_images.get, image.id)).status is Status.UPLOADING
    world.clock.advance(3 * RULES.lease_s + 1)
    await sweep(world)
    assert (await world.database.read(db_images.get, image.id)).status is Status.QUEUED
    assert world.files() == []


async def test_whole_ones_are_kept_for_days_and_then_expire(world: World) -> None:
    image = await stage(world)
    world.clock.advance(3 * RULES.lease_s + 1)
    await sweep(world)
    assert (await world.database.read(db_images.get, image.id)).status is Status.UPLOADING
    world.clock.advance(world.uploads.max_age_s)
    await sweep(world)
    now = await world.database.read(db_images.get, image.id)
    assert (now.status, now.size) == (Status.QUEUED, None)
    assert now.reason is not None
    assert world.files() == []


async def test_they_go_away_with_the_image(world: World) -> None:
    image = await stage(world)
    await world.database.write(lifecycle.mark_deleted, image.id, world.clock())
    await sweep(world)
    assert world.files() == []


async def test_an_image_is_staged_or_uploaded_and_not_both(world: World) -> None:
    image = await stage(world)
    for _ in range(2):
        with pytest.raises(Conflict, match="staged"):
            await world.uploads.join(ME, image.id, Expected(len(DATA)))
    with pytest.raises(Conflict, match="staged"):
        await world.uploads.stage(ME, image.id, Expected(len(DATA)), sliced(DATA))
    upload = await world.open()
    with pytest.raises(Conflict, match="another upload is running"):
        await world.uploads.join(ME, upload.image_id, Expected(len(DATA)), staged=True)


async def test_pieces_can_be_staged_in_any_order(world: World) -> None:
    image = await world.image()
    upload = await world.uploads.join(ME, image.id, Expected(len(DATA)), staged=True)
    await world.send(upload, MIB, len(DATA))
    world.clock.advance(3 * RULES.lease_s + 1)
    await sweep(world)
    again = await world.uploads.join(ME, image.id, Expected(len(DATA)), staged=True)
    assert again.id == upload.id
    progress = await world.uploads.receive(again, Piece(0, MIB), sliced(DATA[:MIB]))
    assert (progress.image, progress.upload.is_whole) == (None, True)
    now = await world.database.read(db_images.get, image.id)
    assert (now.status, now.size) == (Status.UPLOADING, len(DATA))
