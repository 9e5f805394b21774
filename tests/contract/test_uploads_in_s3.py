"""Uploads to a bucket, by the operations of two nodes that share nothing but a database and the bucket."""

import asyncio
import hashlib
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import builders
import s3_server
from fakes import Clock
from piece_lists import listed, proven
from rude_s3 import CutAnswer, Fault, LoseAnswer, Refuse, RudeS3
from s3_server import contents, session, settings
from stillage.db import images as db
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.errors import (
    BodyIncomplete,
    BytesDiffer,
    ContentRejected,
    InvalidInput,
    PieceTakenOver,
    Unavailable,
    UploadGone,
)
from stillage.formats.piece_digests import PIECE
from stillage.ids import StoreId, UploadId
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.status import Status
from stillage.images.upload import Expected, Piece, Upload
from stillage.operations.download import Download
from stillage.operations.resumable import verifying
from stillage.operations.resumable.uploads import Uploads
from stillage.operations.upkeep.scrub import Scrub
from stillage.operations.upkeep.sweep import Sweep
from stillage.operations.upload.ingest import Ingest
from stillage.spans import Span
from stillage.stores.catalog import NamedStore, Stores
from stillage.stores.memory import MemoryStore
from stillage.stores.s3 import partial
from stillage.stores.s3.blobs import S3Store
from stillage.stores.s3.buffers import Blocks
from stillage.stores.s3.partial import S3PartialBlob
from stores import FILES, MIB, copied, key_of, only, read_all
from upload_world import ME, RULES, cut, sliced, uploads_of

DENIED = Refuse(403, "AccessDenied")


@cache
def data() -> bytes:
    return random.Random(7).randbytes(13 * MIB + 77)


class Node:
    def __init__(self, name: str, database: Database, store: S3Store, clock: Clock) -> None:
        owner = LeaseOwner.parse(f"{name}/1")
        self.database, self.store = database, store
        self.uploads: Uploads = uploads_of(database, store, clock, owner)
        self.ingest = Ingest(database, only(store), access=Access({}), rules=RULES, owner=owner, clock=clock)

    async def image(self, disk_format: str = "raw") -> Image:
        image = builders.image(id=str(uuid4()), owner="lab", disk_format=disk_format, container_format="bare")
        await self.database.write(db.add, image)
        return image

    async def send(self, upload: Upload, first: int, end: int, **more: Any) -> Image | None:
        piece = Piece(first, end - first, **more)
        return (await self.uploads.receive(upload, piece, sliced(data()[first:end]))).image

    async def stored(self, image: Image) -> bytes:
        return await read_all(self.store, await key_of(self.database, image))

    async def close(self) -> None:
        await self.uploads.close()
        await self.ingest.close()
        self.store.close()


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """One engine is enough here: what the database does for it is tested on both (`test_parts`)."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'stillage.sqlite')}"


@pytest.fixture
async def nodes(database: Database, clock: Clock) -> AsyncIterator[tuple[Node, Node]]:
    shared = settings()
    one, two = (Node(name, database, S3Store(shared, session()), clock) for name in ("one", "two"))
    yield one, two
    await one.close()
    await two.close()


async def nothing_else_is_stored(node: Node, *images: Image) -> None:
    await node.uploads.verifier.close()
    assert contents(node.store) == {await key_of(node.database, image): len(data()) for image in images}
    assert node.store.client.open_uploads("") == []


async def test_a_plain_upload_to_one_node_is_read_at_the_other(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    image = await one.ingest(ME, (await one.image()).id, sliced(data()), Expected(len(data())))
    assert await two.stored(image) == data()
    await nothing_else_is_stored(one, image)


async def test_a_plain_upload_that_breaks_off_or_is_refused_leaves_nothing(nodes: tuple[Node, Node]) -> None:
    one, _ = nodes
    for disk_format, body, error in (("raw", cut(data()), BodyIncomplete), ("qcow2", sliced(data()), ContentRejected)):
        image = await one.image(disk_format)
        with pytest.raises(error):
            await one.ingest(ME, image.id, body, Expected(len(data()) + 1))
        assert (await one.database.read(db.get, image.id)).status is Status.QUEUED
    await nothing_else_is_stored(one)


async def test_an_upload_goes_on_at_any_node(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    upload = await one.uploads.open(ME, (await one.image()).id, Expected(len(data())))
    with pytest.raises(BodyIncomplete):
        await one.uploads.receive(upload, Piece(0, len(data())), cut(data()[: 6 * MIB + 5]))
    now = await two.uploads.find(ME, upload.image_id, upload.id)
    assert now.offset == 6 * MIB + 5
    assert await two.send(upload, 9 * MIB, len(data())) is None
    image = await two.send(upload, 6 * MIB, 9 * MIB)
    assert image is not None
    assert await one.stored(image) == data()
    await one.uploads.verifier.close()
    await nothing_else_is_stored(two, image)


async def test_bytes_that_count_are_compared_and_zeros_need_not_be_sent(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    upload = await one.uploads.open(ME, (await one.image()).id, Expected(len(data()) + 6 * MIB))
    await one.send(upload, 0, len(data()))
    with pytest.raises(BytesDiffer, match="from byte 100 on"):
        await two.uploads.receive(upload, Piece(100, 4), sliced(b"else"))
    zeros = Piece(len(data()), 6 * MIB, zeros=True)
    image = (await two.uploads.receive(upload, zeros, sliced(b""))).image
    assert image is not None
    assert await two.stored(image) == data() + bytes(6 * MIB)


async def test_a_piece_with_a_wrong_digest_counts_nothing_and_leaves_nothing(nodes: tuple[Node, Node]) -> None:
    one, _ = nodes
    upload = await one.uploads.open(ME, (await one.image()).id, Expected(len(data())))
    wrong = (("sha256", hashlib.sha256(b"else").hexdigest()),)
    with pytest.raises(InvalidInput):
        await one.uploads.receive(upload, Piece(0, len(data()), digests=wrong), sliced(data()))
    assert list(contents(one.store)) == [f"{upload.blob.key}.partial/begun"]


async def test_a_piece_waits_for_what_is_verified_here_while_that_advances(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier, here = nodes[0].uploads.verifier, UploadId("here")
    await verifier.keep_up(UploadId("elsewhere"), 30, 10)
    verifier._verified[here] = 0
    waiting = asyncio.create_task(verifier.keep_up(here, 30, 10))
    assert not (await asyncio.wait([waiting], timeout=0.1))[0]
    verifier._verified[here] = 20
    await waiting
    monkeypatch.setattr(verifying, "KEEP_UP_S", 0.1)
    await verifier.keep_up(here, 31, 10)


async def test_a_piece_that_counts_only_at_its_end_does_not_wait_for_its_verification(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "KEEP_UP_S", 60)
    monkeypatch.setattr(partial, "PARTS_AHEAD", 0)
    one, _ = nodes
    upload = await one.uploads.open(ME, (await one.image()).id, Expected(len(data())))
    await one.send(upload, 0, MIB)
    async with asyncio.timeout(50):
        while one.uploads.verifier._verified.get(upload.id) != MIB:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    digests = (("sha256", hashlib.sha256(data()[MIB:]).hexdigest()),)
    async with asyncio.timeout(50):
        image = await one.send(upload, MIB, len(data()), digests=digests)
    assert image is not None
    assert await one.stored(image) == data()


async def test_pieces_of_an_image_go_although_the_node_that_published_it_died(
    hindered: tuple[Node, RudeS3], clock: Clock
) -> None:
    node, rude = hindered
    upload = await node.uploads.open(ME, (await node.image()).id, Expected(len(data())))
    rude.plan("?delete", *[DENIED] * 8)
    image = await node.send(upload, 0, len(data()))
    assert image is not None
    await node.uploads.verifier.close()
    rude.forget()
    assert len(contents(node.store)) > 1
    clock.advance(60)
    await Sweep(node.database, only(node.store), clock=clock)()
    await nothing_else_is_stored(node, image)


async def test_a_refused_upload_leaves_nothing(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    upload = await one.uploads.open(ME, (await one.image("qcow2")).id, Expected(len(data())))
    with pytest.raises(ContentRejected):
        await one.send(upload, 0, len(data()))
    await nothing_else_is_stored(two)


@pytest.mark.parametrize("is_same", [True, False], ids=["the same", "others"])
async def test_what_a_node_counts_that_was_taken_over_is_compared(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch, is_same: bool
) -> None:
    """Both write the same place at once, and the older one counts first: the newer one must not believe its own."""
    one, two = nodes
    upload = await one.uploads.open(ME, (await one.image()).id, Expected(len(data())))
    begun, newer_has_written, flush = asyncio.Event(), asyncio.Event(), S3PartialBlob.flush

    async def in_turn(partial: S3PartialBlob) -> Any:
        if partial._transfers is one.store._transfers:
            begun.set()
            await newer_has_written.wait()
        else:
            newer_has_written.set()
            await asyncio.wait([older])
        return await flush(partial)

    async def silent() -> AsyncIterator[bytes]:
        yield data()[:MIB] if is_same else b"x" * MIB
        await asyncio.Event().wait()

    monkeypatch.setattr(S3PartialBlob, "flush", in_turn)
    older = asyncio.create_task(one.uploads.receive(upload, Piece(0, len(data())), silent()))
    await begun.wait()
    newer = two.uploads.receive(upload, Piece(0, len(data())), sliced(data()))
    if is_same:
        image = (await newer).image
        assert image is not None
        assert await two.stored(image) == data()
    else:
        with pytest.raises(BytesDiffer, match="from byte 0 on"):
            await newer
    assert isinstance(older.exception(), PieceTakenOver)


@pytest.fixture
async def hindered(database: Database, clock: Clock) -> AsyncIterator[tuple[Node, RudeS3]]:
    """A node whose way to the bucket can be disturbed."""
    rude = RudeS3(s3_server.endpoint())
    with rude.running() as url:
        node = Node("one", database, S3Store(settings(endpoint=url), session(), timeout_s=60), clock)
        yield node, rude
        await node.close()


async def test_what_counts_survives_a_bucket_that_is_away_for_a_while(hindered: tuple[Node, RudeS3]) -> None:
    node, rude = hindered
    upload = await node.uploads.open(ME, (await node.image()).id, Expected(len(data())))
    await node.send(upload, 0, 6 * MIB)
    rude.plan("PUT", *[DENIED] * 8)
    with pytest.raises(Unavailable, match="access to the bucket 'images'"):
        await node.send(upload, 6 * MIB, len(data()))
    rude.forget()
    await node.uploads.verifier.close()  # it may have met the same
    now = await node.uploads.find(ME, upload.image_id, upload.id)
    assert now.offset == 6 * MIB
    image = await node.send(upload, now.offset, len(data()))
    assert image is not None
    assert await node.stored(image) == data()


@pytest.mark.parametrize(
    ("line", "faults"),
    [
        ("GET", [DENIED]),
        ("?uploads ", [DENIED]),
        ("partNumber=1", [DENIED]),
        ("partNumber=2", [Refuse(404, "NoSuchUpload")]),
        ("POST*?uploadId", [DENIED]),
        ("POST*?uploadId", [CutAnswer(1)] * 4),
    ],
    ids=["a piece", "its beginning", "a part", "a part of a dropped object", "its completion", "a lost answer"],
)
async def test_an_upload_whose_bucket_fails_while_it_is_verified_is_verified_later(
    hindered: tuple[Node, RudeS3], line: str, faults: list[Fault]
) -> None:
    node, rude = hindered
    upload = await node.uploads.open(ME, (await node.image()).id, Expected(len(data())))
    await node.send(upload, 5 * MIB, len(data()))
    rude.plan(line, *faults)
    with suppress(Unavailable):  # if the verification does not begin again by itself meanwhile
        await node.send(upload, 0, 5 * MIB)
    await node.uploads.verifier.close()
    await node.uploads.verifier.adopt()
    image = await node.uploads.verifier.verdict(upload)
    assert rude.is_done
    assert await node.stored(image) == data()
    await nothing_else_is_stored(node, image)


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([LoseAnswer()] * 4, marks=pytest.mark.thorough, id="all answers"),
        pytest.param([LoseAnswer(), Refuse(404, "NoSuchUpload")], id="the first one"),
    ],
)
async def test_an_image_that_is_complete_is_active_although_the_answer_is_lost(
    hindered: tuple[Node, RudeS3], faults: list[Fault]
) -> None:
    node, rude = hindered
    rude.plan("POST*?uploadId", *faults)
    plain = await node.ingest(ME, (await node.image()).id, sliced(data()), Expected(len(data())))
    assert rude.is_done
    rude.plan("POST*?uploadId", *faults)
    upload = await node.uploads.open(ME, (await node.image()).id, Expected(len(data())))
    resumed = await node.send(upload, 0, len(data()))
    assert rude.is_done
    assert resumed is not None
    for image in (plain, resumed):
        assert image.status is Status.ACTIVE
        assert await node.stored(image) == data()
    assert sum("partNumber=1" in line for line in rude.asked) == 2  # nothing was sent twice
    await nothing_else_is_stored(node, plain, resumed)


async def test_an_upload_whose_piece_was_removed_behind_our_back_ends_with_the_reason(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    upload = await one.uploads.open(ME, (await one.image()).id, Expected(len(data())))
    await one.send(upload, 0, 6 * MIB)
    await one.uploads.verifier.close()
    one.store.client.delete([name for name in contents(one.store) if "begun" not in name])
    with pytest.raises(UploadGone, match="its bytes are gone from the store; send the file again"):
        await two.send(upload, 6 * MIB, len(data()))
    image = await one.database.read(db.get, upload.image_id)
    assert (image.status, image.reason) == (Status.QUEUED, "its bytes are gone from the store; send the file again")
    await nothing_else_is_stored(two)


async def test_another_copy_is_read_and_a_scrub_tells_if_an_object_was_truncated_behind_our_back(
    nodes: tuple[Node, Node], clock: Clock
) -> None:
    node, spare = nodes[0], StoreId("spare")
    both = Stores(
        [NamedStore(FILES, node.store, "s3", ""), NamedStore(spare, MemoryStore(), "file", "", weight=-1)], FILES
    )
    image = await node.ingest(ME, (await node.image()).id, sliced(data()), Expected(len(data())))
    key = await key_of(node.database, image)
    await copied(node.database, both, image.id, spare)
    node.store.client.put(key, Blocks([data()[:MIB]]))
    download = Download(node.database, both, access=Access({}), deleted_s=60)
    async with download.open(image) as reader:
        assert await reader.read(0, len(data())) == data()
    clock.advance(1)
    scrub = Scrub(node.database, both, clock=clock)
    damages = {scrubbed.stored.blob.store: scrubbed.damage async for scrubbed in scrub(older_than_s=0)}
    assert damages == {FILES: f"{MIB} bytes are there, {len(data())} were stored", spare: None}


async def test_pieces_that_another_image_in_the_bucket_has_are_taken_from_there(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    changed = bytes([data()[0] ^ 1]) + data()[1:]
    original = await one.ingest(ME, (await one.image()).id, sliced(data()), Expected(len(data())))
    upload = await two.uploads.open(ME, (await two.image()).id, Expected(len(data())))
    found = await two.uploads.having.find(upload, listed(changed), ME)
    assert (found.missing, found.proof is None) == ((Span(0, PIECE),), False)
    assert found.proof is not None
    answer = (found.proof.nonce, proven(found.proof, changed))
    progress = await two.uploads.having.take(upload, listed(changed), *answer)
    image = (await two.uploads.receive(progress.upload, Piece(0, PIECE), sliced(changed[:PIECE]))).image
    assert image is not None
    assert await two.stored(image) == changed
    await nothing_else_is_stored(two, original, image)
