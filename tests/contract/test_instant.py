"""Uploads of bytes that are here already: what is offered, to whom, and that nobody's bytes change by it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

import builders
from stillage.accounts.principal import Principal
from stillage.db import blobs, lifecycle, usage
from stillage.db import images as db
from stillage.errors import Conflict, InvalidInput, StoreFailed
from stillage.formats.block_map import BLOCK
from stillage.formats.noted_map import noted_data
from stillage.ids import BlobKey
from stillage.images.image import Image
from stillage.images.quota import Usage
from stillage.images.status import Status
from stillage.images.upload import Expected, Upload
from stillage.operations.resumable.possession import Proof
from stillage.operations.upkeep.scrub import Scrub
from stillage.operations.upkeep.sweep import Sweep
from stillage.stores.base import BlobReader
from stores import key_of, only
from upload_world import DATA, ME, MIB, World


def answer(proof: Proof, data: bytes) -> list[str]:
    nonce = proof.nonce.encode()
    return [hashlib.sha256(nonce + data[span.first : span.end]).hexdigest() for span in proof.ranges]


async def offered(world: World, principal: Principal = ME, **changes: Any) -> tuple[Upload, Proof | None]:
    upload = await world.open(digests=(("sha256", hashlib.sha256(DATA).hexdigest()),), **changes)
    return upload, await world.uploads.instant.offer(principal, upload)


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
    assert len(world.files()) == 1
    assert await world.database.read(usage.find, "project:lab") == Usage(2 * len(DATA), 2, 0)
    await world.database.write(lifecycle.mark_deleted, original.id, world.clock())
    await Sweep(world.database, only(world.store), clock=world.clock)()
    assert await world.stored(image) == DATA
    assert len(world.files()) == 1
    assert (await world.now(upload)).complete
    assert await world.database.read(usage.find, "project:lab") == Usage(len(DATA), 1, 0)
    inside = await world.database.read(blobs.inside, image.id)
    assert (inside.found, list(noted_data(inside.data_map or b""))) == ("raw", [(0, -(-len(DATA) // BLOCK) * BLOCK)])


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
    with pytest.raises(Conflict, match="another upload"):
        await world.uploads.instant.prove(other, proof.nonce, answer(proof, DATA))
    world.clock.advance(601)
    with pytest.raises(Conflict, match="has expired"):
        await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA))
    assert (await world.send(upload, 0, len(DATA))).image is not None


async def test_only_what_the_principal_may_read_is_offered(world: World) -> None:
    await an_original(world)
    assert (await offered(world, builders.principal("theirs", "member")))[1] is None
    assert (await offered(world, builders.principal("lab", "reader")))[1] is None


async def test_what_was_verified_as_something_else_is_not_offered(world: World) -> None:
    await an_original(world)
    image = builders.image(id=str(uuid4()), owner="lab", disk_format="vhd", container_format="bare")
    await world.database.write(db.add, image)
    digests = (("sha256", hashlib.sha256(DATA).hexdigest()),)
    upload = await world.uploads.open(ME, image.id, Expected(len(DATA), digests))
    assert await world.uploads.instant.offer(ME, upload) is None


async def test_a_scrub_learns_the_digest_that_nobody_declared(world: World) -> None:
    plain = await world.open()
    await world.send(plain, 0, len(DATA))
    assert (await offered(world))[1] is None
    world.clock.advance(1)
    scrub = Scrub(world.database, only(world.store), clock=world.clock)
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
        patched.setattr(lifecycle, "publish", fail)
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


async def test_nothing_is_written_to_shared_bytes_where_the_upload_never_had_a_partial_blob(
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
    assert len(world.files()) == 1


async def test_a_piece_that_comes_while_its_bytes_are_shown_does_not_change_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = await an_original(world)
    upload, proof = await offered(world)
    assert proof is not None
    read, shown, go_on = world.store.reader, asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slow(key: BlobKey) -> AsyncIterator[BlobReader]:
        async with read(key) as reader:
            yield reader
        shown.set()
        await go_on.wait()

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "reader", slow)
        proving = asyncio.create_task(world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA)))
        await asyncio.wait_for(shown.wait(), 60)
        await world.send(upload, 5, MIB, bytes(len(DATA)))
        go_on.set()
        image = await proving
    assert await world.stored(image) == await world.stored(original) == DATA
    assert len(world.files()) == 1


async def test_what_was_sent_before_a_proof_is_removed_by_a_sweep_if_it_cannot_be_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_key: object) -> None:
        raise StoreFailed("the disk is broken")

    await an_original(world)
    upload, proof = await offered(world)
    assert proof is not None
    await world.send(upload, 0, MIB)
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "delete", fails)
        image = await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA))
    assert len(world.files()) == 2
    await Sweep(world.database, only(world.store), clock=world.clock)()
    assert len(world.files()) == 1
    assert await world.stored(image) == DATA
    assert await world.database.read(usage.find, "project:lab") == Usage(2 * len(DATA), 2, 0)


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


async def test_shared_bytes_are_scrubbed_once_for_all_their_images(world: World) -> None:
    original = await an_original(world)
    world.clock.advance(60)
    upload, proof = await offered(world)
    assert proof is not None
    image = await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA))
    world.clock.advance(30)
    (found,) = [found async for found in Scrub(world.database, only(world.store), clock=world.clock)(older_than_s=60)]
    assert set(found.image_ids) == {original.id, image.id}


async def test_bytes_proven_while_a_scrub_reads_them_are_marked_if_it_finds_damage(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = await an_original(world)
    world.path_of(await key_of(world.database, original)).write_bytes(DATA[:-1] + b"!")
    world.clock.advance(61)
    scrub = Scrub(world.database, only(world.store), clock=world.clock)
    compare = scrub._compare
    proven: list[Image] = []

    async def prove_first(*args: Any) -> Any:
        upload, proof = await offered(world)
        assert proof is not None
        proven.append(await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA)))
        return await compare(*args)

    monkeypatch.setattr(scrub, "_compare", prove_first)
    (found,) = [found async for found in scrub(older_than_s=60)]
    assert set(found.image_ids) == {original.id, proven[0].id}
    for image_id in found.image_ids:
        assert (await world.database.read(db.get, image_id)).damage == found.damage is not None


async def test_an_original_found_damaged_at_the_last_moment_gives_its_bytes_to_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = await an_original(world)
    upload, proof = await offered(world)
    assert proof is not None
    read = world.store.reader

    @asynccontextmanager
    async def scrub_then(key: BlobKey) -> AsyncIterator[BlobReader]:
        async with read(key) as reader:
            yield reader
        world.path_of(key).write_bytes(DATA[:-1] + b"!")
        monkeypatch.undo()
        world.clock.advance(1)
        scrub = Scrub(world.database, only(world.store), clock=world.clock)
        assert [found.image_ids async for found in scrub(older_than_s=0) if found.damage] == [[original.id]]

    monkeypatch.setattr(world.store, "reader", scrub_then)
    with pytest.raises(Conflict, match="send"):
        await world.uploads.instant.prove(upload, proof.nonce, answer(proof, DATA))
    image = (await world.send(upload, 0, len(DATA))).image
    assert image is not None
    assert await world.stored(image) == DATA
