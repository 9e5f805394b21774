"""Pieces of an upload that are here already: which are found, for whom, and that only the client's bytes count."""

import random
from dataclasses import replace

import pytest

import builders
from piece_lists import listed, proven
from stillage.db import images as db
from stillage.db import lifecycle, members
from stillage.db import uploads as db_uploads
from stillage.errors import Conflict, InvalidInput, UploadComplete, UploadSuspended
from stillage.formats.piece_digests import PIECE, PieceList
from stillage.ids import ProjectId
from stillage.images.image import Image, Visibility
from stillage.images.status import Status
from stillage.images.upload import Progress, Upload
from stillage.operations.resumable.having import Found
from stillage.operations.upkeep.sweep import Sweep
from stillage.spans import Span
from stores import key_of, only
from upload_world import ME, World

DATA = random.Random(3).randbytes(2 * PIECE + 77)
CHANGED = DATA[:PIECE] + bytes([DATA[PIECE] ^ 1]) + DATA[PIECE + 1 :]
"""Its second piece is another one."""
NOTHING = Found((Span(0, len(DATA)),))


async def an_original(world: World, data: bytes = DATA) -> Image:
    upload = await world.open(len(data))
    image = (await world.send(upload, 0, len(data), data)).image
    assert image is not None
    return image


async def taken(world: World, upload: Upload, data: bytes = DATA) -> Progress:
    found = await world.uploads.having.find(upload, listed(data), ME)
    assert found.proof is not None
    return await world.uploads.having.take(upload, listed(data), found.proof.nonce, proven(found.proof, data), ME)


async def change(world: World, image: Image, **changes: object) -> Image:
    saved = await world.database.write(db.save, image, replace(image, **changes))  # type: ignore[arg-type]
    assert saved is not None
    return saved


async def test_of_a_file_that_is_here_nothing_is_missing(world: World) -> None:
    original = await an_original(world)
    upload = await world.open(len(DATA))
    found = await world.uploads.having.find(upload, listed(DATA), ME)
    assert (found.missing, found.proof is None) == ((), False)
    image = (await taken(world, upload)).image
    assert image is not None
    assert (image.status, image.os_hash_value) == (Status.ACTIVE, original.os_hash_value)
    assert await world.stored(image) == DATA
    assert await key_of(world.database, image) != await key_of(world.database, original)


async def test_only_the_piece_that_changed_is_missing(world: World) -> None:
    original = await an_original(world)
    upload = await world.open(len(CHANGED))
    found = await world.uploads.having.find(upload, listed(CHANGED))
    assert found.missing == (Span(PIECE, 2 * PIECE),)
    assert (await taken(world, upload, CHANGED)).image is None
    assert (await world.uploads.ranges(upload, 9)).spans == (Span(0, PIECE), Span(2 * PIECE, len(CHANGED)))
    again = await world.uploads.having.find(await world.now(upload), listed(CHANGED))
    assert again == Found(found.missing)
    image = (await world.send(upload, PIECE, 2 * PIECE, CHANGED)).image
    assert image is not None
    assert (await world.stored(image), await world.stored(original)) == (CHANGED, DATA)


async def test_a_piece_is_found_at_another_place_and_one_image_after_the_other(world: World) -> None:
    one, other = DATA[:PIECE], DATA[PIECE : 2 * PIECE]
    await an_original(world, one)
    await an_original(world, bytes(PIECE) + other)
    upload = await world.open(2 * PIECE)
    turned = other + one
    assert (await taken(world, upload, turned)).image is None
    image = (await taken(world, await world.now(upload), turned)).image
    assert image is not None
    assert await world.stored(image) == turned


async def test_an_image_that_the_client_may_not_read_is_as_if_it_were_not_there(world: World) -> None:
    upload = await world.open(len(DATA))
    assert await world.uploads.having.find(upload, listed(DATA), ME) == NOTHING
    theirs = await change(world, await an_original(world), owner=ProjectId("theirs"), visibility=Visibility.SHARED)
    assert await world.uploads.having.find(upload, listed(DATA), ME) == NOTHING
    await world.database.write(members.add, theirs, ProjectId("lab"), world.clock())
    assert (await world.uploads.having.find(upload, listed(DATA), ME)).proof is not None
    deactivated = await world.database.write(
        lifecycle.move, theirs.id, Status.ACTIVE, Status.DEACTIVATED, world.clock()
    )
    assert deactivated
    assert await world.uploads.having.find(upload, listed(DATA), ME) == NOTHING


async def test_digests_alone_give_nothing(world: World) -> None:
    having = world.uploads.having
    await an_original(world)
    upload, other = await world.open(len(DATA)), await world.open(len(DATA))
    found = await having.find(upload, listed(DATA), ME)
    assert found.proof is not None
    nonce, right = found.proof.nonce, proven(found.proof, DATA)
    for of, pieces, said, digests in (
        (upload, listed(DATA), nonce, ["00" * 32] * len(right)),
        (upload, listed(DATA), nonce, []),
        (upload, listed(DATA), nonce[:-1], right),
        (upload, listed(DATA, most=1), nonce, right),
        (other, listed(DATA), nonce, right),
    ):
        with pytest.raises(Conflict, match="send the bytes"):
            await having.take(of, pieces, said, digests, ME)
    with pytest.raises(Conflict, match="send the bytes"):
        await world.uploads.instant.prove(upload, nonce, right, ME)
    changed = await having.find(upload, listed(CHANGED), ME)
    assert changed.proof is not None
    packed = listed(CHANGED).packed
    with_the_same_runs = PieceList(0, packed[:32] + bytes(32) + packed[64:], len(CHANGED))
    with pytest.raises(Conflict, match="another upload"):
        await having.take(upload, with_the_same_runs, changed.proof.nonce, proven(changed.proof, CHANGED), ME)
    world.clock.advance(601)
    with pytest.raises(Conflict, match="has expired"):
        await having.take(upload, listed(DATA), nonce, right, ME)
    assert not (await world.now(upload)).has_bytes


async def test_an_image_that_was_unshared_or_deleted_meanwhile_gives_nothing(world: World) -> None:
    having = world.uploads.having
    original = await an_original(world)
    upload = await world.open(len(DATA))
    found = await having.find(upload, listed(DATA), ME)
    assert found.proof is not None
    answer = (upload, listed(DATA), found.proof.nonce, proven(found.proof, DATA), ME)
    hidden = await change(world, original, owner=ProjectId("theirs"))
    with pytest.raises(Conflict, match="no longer has these bytes"):
        await having.take(*answer)
    await change(world, hidden, owner=ProjectId("lab"))
    await world.database.write(lifecycle.mark_deleted, original.id, world.clock())
    await Sweep(world.database, only(world.store), clock=world.clock)()
    with pytest.raises(Conflict, match="no longer has these bytes"):
        await having.take(*answer)
    assert await having.find(upload, listed(DATA), ME) == NOTHING
    assert not (await world.now(upload)).has_bytes


async def test_bytes_that_have_changed_on_disk_are_not_taken(world: World) -> None:
    original = await an_original(world)
    upload = await world.open(len(DATA))
    path = world.path_of(await key_of(world.database, original))
    with path.open("r+b") as file:
        file.seek(2 * PIECE - 1)
        file.write(b"!" if DATA[2 * PIECE - 1] != ord("!") else b"?")
    pieces = listed(DATA)
    found = await world.uploads.having.find(upload, pieces, ME)
    assert found.proof is not None
    with pytest.raises(Conflict, match="send"):
        await world.uploads.having.take(upload, pieces, found.proof.nonce, proven(found.proof, DATA), ME)
    assert (await world.now(upload)).offset in (0, PIECE)
    image = (await world.send(upload, 0, len(DATA), DATA)).image
    assert image is not None
    assert await world.stored(image) == DATA


async def test_a_list_must_be_of_pieces_of_this_upload(world: World) -> None:
    upload = await world.open(len(DATA))
    for pieces in (
        listed(DATA + b"more"),
        PieceList(0, b"", len(DATA)),
        PieceList(1, listed(DATA).packed, len(DATA)),
        PieceList(2**60, bytes(32), len(DATA)),
    ):
        with pytest.raises(InvalidInput, match="pieces of"):
            await world.uploads.having.find(upload, pieces, ME)
    unknown = await world.open(None)
    with pytest.raises(InvalidInput, match="pieces of"):
        await world.uploads.having.find(unknown, listed(DATA), ME)
    await world.send(upload, 0, len(DATA), DATA)
    with pytest.raises(UploadComplete):
        await world.uploads.having.find(await world.now(upload), listed(DATA), ME)


async def test_who_may_not_upload_is_told_nothing(world: World) -> None:
    await an_original(world)
    upload = await world.open(len(DATA))
    with pytest.raises(UploadSuspended):
        await world.uploads.having.find(upload, listed(DATA), builders.principal("lab", "reader"))
    assert await world.database.read(db_uploads.find, upload.id) is not None
