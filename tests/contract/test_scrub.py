"""Integrity at rest, on every engine and store: damage is found, told, and forgotten when it is cured."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from builders import principal
from fakes import Clock
from stillage.db import blobs, lifecycle
from stillage.db import images as db
from stillage.db.leases import LeaseOwner
from stillage.db.lifecycle import Claim
from stillage.db.session import Database
from stillage.errors import ImageDamaged, ImageNotFound, Unavailable
from stillage.ids import BlobKey, ImageId, ProjectId, UploadId
from stillage.images.access import Access
from stillage.images.image import Content, Image
from stillage.operations import download
from stillage.operations.download import Download
from stillage.operations.upkeep.scrub import Scrub, Scrubbed
from stillage.stores.files.blobs import FileStore
from stillage.stores.files.disk import translated
from stillage.stores.memory import MemoryStore
from stores import FILES, in_files, key_of, only

DATA = os.urandom(3 << 20) + b"and a bit"
DAY = 86400.0


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def scrub(database: Database, store: MemoryStore, clock: Clock) -> Scrub:
    return Scrub(database, only(store), clock=clock)


async def stored(
    database: Database, store: MemoryStore | FileStore, clock: Clock, data: bytes = DATA, algorithm: str = "sha512"
) -> Image:
    image = Image(id=ImageId(str(uuid4())), owner=ProjectId("lab"), created_at=clock(), updated_at=clock())
    claim = Claim(
        UploadId(str(uuid4())), image.id, in_files(BlobKey(uuid4().hex)), LeaseOwner.parse("node/1"), len(data)
    )
    await database.write(db.add, image)
    await database.write(lifecycle.claim, claim, clock(), clock() + timedelta(minutes=1))
    async with store.writer(claim.blob.key) as writer:
        await writer.write(data)
        await writer.commit()
    digest = hashlib.new(algorithm, data).hexdigest()
    content = Content(len(data), None, "raw", hashlib.md5(data).hexdigest(), algorithm, digest)
    published = await database.write(lifecycle.publish, claim, content, clock())
    assert published is not None
    return published


async def run(scrub: Scrub, clock: Clock, *, older_than_s: float = 0, **how: Any) -> list[Scrubbed]:
    clock.advance(1)
    return [scrubbed async for scrubbed in scrub(older_than_s=older_than_s, **how)]


def images_of(found: Iterable[Scrubbed]) -> list[ImageId]:
    return [image_id for scrubbed in found for image_id in scrubbed.image_ids]


async def damage_of(database: Database, image: Image) -> str | None:
    return (await database.read(db.get, image.id)).damage


@pytest.mark.parametrize("algorithm", ["sha512", "sha256"])
@pytest.mark.parametrize("data", [DATA, b"", b"x", bytes(2 << 20)], ids=["some", "none", "one", "zeros"])
async def test_a_well_blob_is_well(
    database: Database, store: MemoryStore, scrub: Scrub, clock: Clock, data: bytes, algorithm: str
) -> None:
    image = await stored(database, store, clock, data, algorithm)
    found = await run(scrub, clock)
    assert [(one.stored.blob.key, one.damage) for one in found] == [(await key_of(database, image), None)]
    assert await database.read(db.get, image.id) == image


def flipped(data: bytes) -> bytes:
    return data[:1_500_000] + bytes([data[1_500_000] ^ 1]) + data[1_500_001:]


DAMAGE: dict[str, tuple[Callable[[bytes], bytes | None], str]] = {
    "flipped": (flipped, "their sha512 is [0-9a-f]{128}, and was [0-9a-f]{128};"),
    "short": (lambda data: data[:-1], f"{len(DATA) - 1} bytes are there, {len(DATA)} were stored"),
    "empty": (lambda _: b"", f"0 bytes are there, {len(DATA)} were stored"),
    "long": (lambda data: data + b"\0", f"{len(DATA) + 1} bytes are there"),
    "gone": (lambda _: None, "its bytes are gone"),
}


@pytest.mark.parametrize("kind", DAMAGE)
async def test_damage_is_found_told_and_gone_when_the_bytes_are_right_again(
    database: Database, store: MemoryStore, scrub: Scrub, clock: Clock, kind: str
) -> None:
    image = await stored(database, store, clock)
    well = await stored(database, store, clock)
    key = await key_of(database, image)
    harm, expected = DAMAGE[kind]
    harmed = harm(store.blobs.pop(key))
    if harmed is not None:
        store.blobs[key] = harmed
    downloads = Download(database, only(store), access=Access(), deleted_s=60)

    found = await run(scrub, clock)
    assert set(images_of(found)) == {image.id, well.id}
    assert images_of(one for one in found if one.damage) == [image.id]
    with pytest.raises(ImageDamaged, match=expected):
        await downloads.describe(principal("lab"), image.id)
    assert await downloads.describe(principal("lab"), well.id) == well

    assert images_of(await run(scrub, clock, damaged_only=True)) == [image.id]
    store.blobs[key] = DATA
    assert [one.damage for one in await run(scrub, clock)] == [None, None]
    assert await downloads.describe(principal("lab"), image.id) == image


async def test_files_are_read_as_well(database: Database, clock: Clock, tmp_path: Path) -> None:
    files = FileStore(tmp_path / "blobs")
    image = await stored(database, files, clock)
    key = await key_of(database, image)
    path = files.root / key[:2] / key
    scrub = Scrub(database, only(files), clock=clock)
    assert [one.damage for one in await run(scrub, clock)] == [None]
    path.write_bytes(flipped(DATA))
    await run(scrub, clock)
    assert str(await damage_of(database, image)).startswith("their sha512 is")
    path.unlink()
    await run(scrub, clock)
    assert await damage_of(database, image) == "its bytes are gone"
    files.close()


class FailingStore(MemoryStore):
    """The operating system has an error for each read."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    @asynccontextmanager
    async def reader(self, key: BlobKey) -> AsyncIterator[Any]:
        if self._number:
            raise translated(OSError(self._number, os.strerror(self._number)), "open a blob")
        async with super().reader(key) as reader:
            yield reader

    def repair(self) -> None:
        self._number = 0


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.EISDIR], ids=errno.errorcode.get)
async def test_bytes_that_cannot_be_read_are_damage_and_the_others_are_read(
    database: Database, clock: Clock, number: int
) -> None:
    store = FailingStore(number)
    images = [await stored(database, store, clock) for _ in range(2)]
    await run(Scrub(database, only(store), clock=clock), clock)
    for image in images:
        damage = str(await damage_of(database, image))
        assert damage.startswith("its bytes cannot be read: the store")
        assert f"open a blob ({os.strerror(number)})" in damage


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM], ids=errno.errorcode.get)
async def test_that_we_cannot_read_now_says_nothing_about_the_bytes(
    database: Database, clock: Clock, number: int
) -> None:
    store = FailingStore(number)
    image = await stored(database, store, clock)
    scrub = Scrub(database, only(store), clock=clock)
    clock.advance(DAY)
    with pytest.raises(Unavailable, match="cannot open a blob now"):
        await run(scrub, clock, older_than_s=DAY)
    assert await damage_of(database, image) is None
    store.repair()
    assert [one.damage for one in await run(scrub, clock, older_than_s=DAY)] == [None], "it is still due"


class SlowStore(MemoryStore):
    """Takes for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    @asynccontextmanager
    async def reader(self, key: BlobKey) -> AsyncIterator[Any]:
        self.asked.set()
        await asyncio.Event().wait()
        yield self.blobs[key]


async def test_a_blob_that_a_stop_kept_from_being_read_is_still_due(database: Database, clock: Clock) -> None:
    store = SlowStore()
    image = await stored(database, store, clock)
    clock.advance(DAY)
    scrubbing = asyncio.create_task(run(Scrub(database, only(store), clock=clock), clock, older_than_s=DAY))
    async with asyncio.timeout(60):
        await store.asked.wait()
    long_ago = clock() - timedelta(days=1)
    assert await database.read(blobs.take_for_scrub, [FILES], long_ago, clock()) is None
    scrubbing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scrubbing
    due = await database.read(blobs.take_for_scrub, [FILES], long_ago, clock())
    assert due is not None
    assert due.blob.key == await key_of(database, image)


def away(*_: object) -> None:
    raise Unavailable("the database does not answer")


async def test_a_stop_while_the_database_is_away_is_a_stop(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SlowStore()
    await stored(database, store, clock)
    scrubbing = asyncio.create_task(run(Scrub(database, only(store), clock=clock), clock))
    await asyncio.wait_for(store.asked.wait(), 60)
    monkeypatch.setattr(blobs, "give_back_to_scrub", away)
    scrubbing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scrubbing


async def test_damage_found_while_the_database_is_away_is_looked_for_again_when_it_is_back(
    database: Database, store: MemoryStore, scrub: Scrub, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = await stored(database, store, clock)
    store.blobs[await key_of(database, image)] = b"other"
    clock.advance(DAY)
    with monkeypatch.context() as patched:
        patched.setattr(blobs, "set_damage", away)
        patched.setattr(blobs, "give_back_to_scrub", away)
        with pytest.raises(Unavailable):
            await run(scrub, clock, older_than_s=DAY)
    assert images_of(await run(scrub, clock, older_than_s=DAY)) == [image.id]
    assert await damage_of(database, image) is not None


async def test_each_is_read_once_in_its_time_and_the_longest_waiting_first(
    database: Database, store: MemoryStore, scrub: Scrub, clock: Clock
) -> None:
    first = await stored(database, store, clock, b"1")
    clock.advance(DAY)
    second = await stored(database, store, clock, b"2")
    assert images_of(await run(scrub, clock, older_than_s=DAY / 2)) == [first.id]
    assert await run(scrub, clock, older_than_s=DAY / 2) == []
    clock.advance(DAY)
    found = await run(scrub, clock, older_than_s=DAY / 2)
    assert images_of(found) == [second.id, first.id]


async def test_two_scrubs_at_once_take_different_blobs(
    database: Database, database_url: str, store: MemoryStore, scrub: Scrub, clock: Clock
) -> None:
    expected = {(await stored(database, store, clock, bytes([n]))).id for n in range(12)}
    clock.advance(1)
    other = Database(database_url)
    scrubs = [scrub, Scrub(other, only(store), clock=clock), scrub]

    async def all_of(one: Scrub) -> list[ImageId]:
        return images_of([scrubbed async for scrubbed in one(older_than_s=0)])

    found = await asyncio.gather(*map(all_of, scrubs))
    other.close()
    together = [image_id for part in found for image_id in part]
    assert len(together) == len(expected)
    assert set(together) == expected


async def test_a_scrub_reads_no_faster_than_it_is_told(
    database: Database, store: MemoryStore, scrub: Scrub, clock: Clock
) -> None:
    await stored(database, store, clock)
    begun = asyncio.get_running_loop().time()
    await run(scrub, clock, bytes_per_s=len(DATA) / 0.3)
    assert asyncio.get_running_loop().time() - begun >= 0.29


async def test_an_image_deleted_while_it_is_read_is_no_damage(
    database: Database, store: MemoryStore, scrub: Scrub, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = await stored(database, store, clock)
    read_it = scrub._read

    async def delete_first(stored: blobs.Stored, bytes_per_s: float | None) -> Any:
        await database.write(lifecycle.mark_deleted, image.id, clock())
        await store.delete(stored.blob.key)
        return await read_it(stored, bytes_per_s)

    monkeypatch.setattr(scrub, "_read", delete_first)
    assert await run(scrub, clock) == []


async def test_what_is_not_published_is_not_scrubbed(database: Database, scrub: Scrub, clock: Clock) -> None:
    image = Image(id=ImageId(str(uuid4())), owner=ProjectId("lab"), created_at=clock(), updated_at=clock())
    await database.write(db.add, image)
    claim = Claim(UploadId("u"), image.id, in_files(BlobKey(uuid4().hex)), LeaseOwner.parse("node/1"), 5)
    await database.write(lifecycle.claim, claim, clock(), clock())
    assert await run(scrub, clock) == []
    await database.write(lifecycle.release, claim, "left", clock())
    assert await run(scrub, clock) == []


async def test_bytes_that_are_missing_are_told_before_any_scrub(
    database: Database, store: MemoryStore, clock: Clock
) -> None:
    downloads = Download(database, only(store), access=Access(), deleted_s=60)
    image = await stored(database, store, clock)
    found = await downloads.describe(principal("lab"), image.id)
    store.blobs.clear()
    with pytest.raises(ImageDamaged, match="its bytes are gone"):
        await downloads.open(found).__aenter__()
    await database.write(lifecycle.mark_deleted, image.id, clock())
    with pytest.raises(ImageNotFound):
        await downloads.open(found).__aenter__()


async def test_a_blob_that_is_cut_short_is_told_before_its_first_byte_is_sent(
    database: Database, store: MemoryStore, clock: Clock
) -> None:
    downloads = Download(database, only(store), access=Access(), deleted_s=60)
    image = await stored(database, store, clock)
    found = await downloads.describe(principal("lab"), image.id)
    store.blobs[await key_of(database, image)] = DATA[:-1]
    with pytest.raises(ImageDamaged, match=f"the file has {len(DATA) - 1} of its {len(DATA)} bytes"):
        await downloads.open(found).__aenter__()
    empty = await stored(database, store, clock, b"")
    async with downloads.open(await downloads.describe(principal("lab"), empty.id)) as reader:
        assert await reader.read(0, 1) == b""


async def test_a_download_that_runs_ends_when_its_image_is_found_damaged(
    database: Database, store: MemoryStore, scrub: Scrub, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LOOK_EVERY_S", 0.01)
    image = await stored(database, store, clock)
    downloads = Download(database, only(store), access=Access(), deleted_s=60)

    async def read_for_ever() -> None:
        async with downloads.open(await downloads.describe(principal("lab"), image.id)):
            store.blobs[await key_of(database, image)] = flipped(DATA)
            await run(scrub, clock)
            await asyncio.Event().wait()

    with pytest.raises(ImageDamaged, match="their sha512 is"):
        await asyncio.wait_for(read_for_ever(), 60)
