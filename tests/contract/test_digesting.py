"""Digests of pieces are made after uploads: once, the newest first, whatever happens to the image meanwhile."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from piece_lists import listed, proven
from stillage.db import lifecycle, piece_digests
from stillage.errors import Unavailable
from stillage.formats.piece_digests import LENGTH, PIECE
from stillage.ids import BlobKey, BlobRef
from stillage.images.image import Image
from stillage.operations.upkeep import digesting
from stillage.operations.upkeep.digesting import Digesting
from stillage.operations.upkeep.sweep import Sweep
from stillage.operations.upload import verification
from stillage.spans import Span
from stillage.stores.base import BlobReader
from stillage.stores.catalog import NamedStore, Stores
from stillage.stores.files.blobs import FileStore
from stores import FILES, key_of, only
from upload_world import ME, World

DATA = random.Random(5).randbytes(2 * PIECE + 77)
OTHER = random.Random(6).randbytes(PIECE + 1)


@pytest.fixture(autouse=True)
def none_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all images were larger than what is digested while they are uploaded."""
    made_at_once(monkeypatch, 0)


def made_at_once(monkeypatch: pytest.MonkeyPatch, pieces: int) -> None:
    monkeypatch.setattr(verification, "MADE_AT_ONCE", pieces)


class Noted(Stores):
    """Notes what is read of *store*. *before* is called before that."""

    def __init__(self, store: FileStore, before: Callable[[BlobKey], Awaitable[None]] | None = None) -> None:
        super().__init__([NamedStore(FILES, store, "file", "")], FILES)
        self.keys: list[BlobKey] = []
        self._before = before

    @asynccontextmanager
    async def uncached(self, blob: BlobRef) -> AsyncIterator[BlobReader]:
        self.keys.append(blob.key)
        async with super().uncached(blob) as opened:
            if self._before is not None:
                await self._before(blob.key)
            yield opened


async def stored(world: World, data: bytes = DATA) -> Image:
    world.clock.advance(1)
    image = (await world.send(await world.open(len(data)), 0, len(data), data)).image
    assert image is not None
    return image


async def read(world: World, before: Callable[[BlobKey], Awaitable[None]] | None = None) -> list[BlobKey]:
    """Make the digests that are missing; return the blobs that were opened for that, in this order."""
    stores = Noted(world.store, before)
    await Digesting(world.database, stores)()
    return stores.keys


async def digests(world: World, image: Image) -> bytes | None:
    known = await world.database.read(piece_digests.find_of_image, image.id)
    return known.pieces.packed if known is not None and known.are_whole else None


async def left(world: World) -> object:
    return await world.database.read(piece_digests.newest_due, [FILES])


async def test_nothing_is_found_before_all_digests_of_an_image_are_made(world: World) -> None:
    image = await stored(world)
    key = await key_of(world.database, image)
    pieces = listed(DATA)
    await world.database.write(piece_digests.note, key, 0, pieces.packed[:LENGTH])
    upload = await world.open(len(DATA))
    assert (await world.uploads.having.find(upload, pieces, ME)).proof is None
    assert await digests(world, image) is None
    assert await read(world) == [key]
    assert (await world.uploads.having.find(upload, pieces, ME)).missing == ()
    assert (await digests(world, image), await left(world)) == (pieces.packed, None)
    assert await read(world) == []


async def test_a_small_image_has_all_its_digests_when_it_is_active(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_at_once(monkeypatch, 3)
    image = await stored(world)
    assert (await digests(world, image), await left(world)) == (listed(DATA).packed, None)


@pytest.mark.parametrize(("wait_s", "missing"), [(60.0, ()), (0.0, (Span(PIECE, len(DATA)),))])
async def test_who_has_the_beginning_of_an_image_waits_for_its_other_digests(
    world: World, monkeypatch: pytest.MonkeyPatch, wait_s: float, missing: tuple[Span, ...]
) -> None:
    made_at_once(monkeypatch, 1)
    monkeypatch.setattr(digesting, "WAIT_S", wait_s)
    image = await stored(world)
    upload = await world.open(len(DATA))
    assert (await world.uploads.having.find(upload, listed(DATA), ME)).missing == missing
    assert (await digests(world, image) is None) == bool(missing)
    await read(world)
    assert (await world.uploads.having.find(upload, listed(DATA), ME)).missing == ()


async def test_digests_that_cannot_be_made_now_leave_what_is_known(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_at_once(monkeypatch, 1)
    image = await stored(world)
    world.path_of(await key_of(world.database, image)).unlink()
    upload = await world.open(len(DATA))
    assert (await world.uploads.having.find(upload, listed(DATA), ME)).missing == (Span(PIECE, len(DATA)),)
    assert await left(world) is not None


async def test_what_another_process_has_made_is_not_made_again(world: World) -> None:
    image = await stored(world)
    key = await key_of(world.database, image)
    await world.database.write(piece_digests.note, key, 1, listed(DATA).packed[LENGTH : 2 * LENGTH])
    with world.path_of(key).open("r+b") as file:
        file.seek(PIECE)
        file.write(bytes(PIECE))
    assert len(await read(world)) == 2, "before it, and after it"
    assert await digests(world, image) == listed(DATA).packed


async def test_the_newest_image_goes_first_even_in_the_middle_of_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digesting, "AT_ONCE", 2)
    old, new = await stored(world), await stored(world, OTHER)
    newest: list[Image] = []

    async def another(key: BlobKey) -> None:
        if not newest and key == await key_of(world.database, old):
            newest.append(await stored(world, b"newest"))

    keys = await read(world, another)
    expected = [new, old, *newest, old]
    assert keys == [await key_of(world.database, image) for image in expected]
    assert await digests(world, old) == listed(DATA).packed


async def test_an_image_that_is_deleted_meanwhile_leaves_nothing(world: World) -> None:
    image, other = await stored(world, OTHER), await stored(world)

    async def delete(_key: BlobKey) -> None:
        if await world.database.write(lifecycle.mark_deleted, other.id, world.clock()) is not None:
            await Sweep(world.database, only(world.store), clock=world.clock)()

    await read(world, delete)
    assert (await digests(world, other), await digests(world, image)) == (None, listed(OTHER).packed)
    assert await left(world) is None


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(DATA[:PIECE])])
async def test_an_image_that_cannot_be_read_has_none_and_holds_up_no_other(
    world: World, damage: Callable[[Path], object]
) -> None:
    good, bad = await stored(world, OTHER), await stored(world)
    damage(world.path_of(await key_of(world.database, bad)))
    await read(world)
    upload = await world.open(len(DATA))
    assert (await world.uploads.having.find(upload, listed(DATA), ME)).proof is None
    assert await digests(world, good) == listed(OTHER).packed
    assert await left(world) is None


async def test_a_store_that_does_not_answer_is_read_the_next_time(world: World) -> None:
    image = await stored(world)

    async def hang(_key: BlobKey) -> None:
        raise Unavailable("the store does not answer")

    assert len(await read(world, hang)) == 1
    assert await left(world) is not None
    await read(world)
    assert await digests(world, image) == listed(DATA).packed


async def test_the_same_bytes_are_read_once(world: World) -> None:
    one, same = await stored(world), await stored(world)
    assert len(await read(world)) == 1
    assert await digests(world, one) == await digests(world, same) == listed(DATA).packed
    empty = await stored(world, b"")
    assert (await left(world), await digests(world, empty)) == (None, None)


async def test_pieces_that_were_taken_from_another_image_are_not_read_again(world: World) -> None:
    await stored(world)
    await world.digested()
    changed = bytes(PIECE) + DATA[PIECE:] + b"and more"
    pieces = listed(changed)
    upload = await world.open(len(changed))
    found = await world.uploads.having.find(upload, pieces, ME)
    assert found.proof is not None
    await world.uploads.having.take(upload, pieces, found.proof.nonce, proven(found.proof, changed), ME)
    image = (await world.send(upload, 0, len(changed), changed)).image
    assert image is not None
    with world.path_of(await key_of(world.database, image)).open("r+b") as file:
        file.seek(PIECE)
        file.write(bytes(PIECE))
    assert len(await read(world)) == 2, "before them, and after them"
    assert await digests(world, image) == pieces.packed
