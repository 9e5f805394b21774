"""Looks at a real bucket, which read nothing: what was removed, cut or replaced there behind our back is found."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest

import builders
from fakes import Clock
from rude_s3 import Refuse, RudeS3
from s3_server import endpoint, s3_store, session, settings
from stillage.db import images as db
from stillage.db import lifecycle, looks
from stillage.db.leases import LeaseOwner
from stillage.db.lifecycle import Claim
from stillage.db.session import Database
from stillage.ids import BlobKey, UploadId
from stillage.images.image import Content, Image
from stillage.operations.upkeep.look import Look
from stillage.operations.upkeep.scrub import Scrub
from stillage.stores.s3.blobs import S3Store
from stillage.stores.s3.buffers import Blocks
from stores import FILES, in_files, key_of, only

DATA = bytes(range(256)) * 400
OTHER = DATA[::-1]
DAY_S = 86400.0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Store]:
    store = s3_store(tmp_path_factory.mktemp("none"))
    yield store
    store.close()


class Bucket:
    """A bucket with one image in it, which changes behind the server's back."""

    def __init__(self, database: Database, store: S3Store, clock: Clock) -> None:
        self.database, self.store, self.clock = database, store, clock
        self._scrub = Scrub(database, only(store), clock=clock)

    async def filled(self) -> "Bucket":
        image = builders.image(id=str(uuid4()), owner="lab")
        await self.database.write(db.add, image)
        owner, blob = LeaseOwner.parse("node/1"), in_files(BlobKey(uuid4().hex))
        claim = Claim(UploadId(str(uuid4())), image.id, blob, owner, len(DATA))
        await self.database.write(lifecycle.claim, claim, self.clock(), self.clock() + timedelta(minutes=1))
        async with self.store.writer(blob.key) as writer:
            await writer.write(DATA)
            await writer.commit()
        digests = hashlib.md5(DATA).hexdigest(), "sha512", hashlib.sha512(DATA).hexdigest()
        published = await self.database.write(
            lifecycle.publish, claim, Content(len(DATA), None, "raw", *digests), self.clock()
        )
        assert published is not None
        self.image, self.key = published, await key_of(self.database, published)
        return self

    def put(self, data: bytes) -> None:
        self.store.client.put(self.key, Blocks([data]))

    def remove(self) -> None:
        self.store.client.delete([self.key])

    async def look(self, store: S3Store | None = None) -> int:
        """Look a day later; return how many blobs there were to look at."""
        self.clock.advance(DAY_S + 1)
        return await Look(self.database, only(store or self.store), clock=self.clock)(older_than_s=DAY_S)

    async def scrubbed(self) -> int:
        """Scrub what is due in a year; return how many blobs those were."""
        return len([one async for one in self._scrub(older_than_s=365 * DAY_S)])

    async def damage(self) -> str | None:
        image: Image = await self.database.read(db.get, self.image.id)
        return image.damage


@pytest.fixture
async def bucket(database: Database, store: S3Store, clock: Clock) -> Bucket:
    return await Bucket(database, store, clock).filled()


async def test_what_is_as_it_was_is_looked_at_once_a_day_and_not_read(bucket: Bucket) -> None:
    assert await bucket.look() == 1
    assert await Look(bucket.database, only(bucket.store), clock=bucket.clock)(older_than_s=DAY_S) == 0
    assert await bucket.look() == 1
    assert (await bucket.damage(), await bucket.scrubbed()) == (None, 0)


async def test_what_is_gone_is_damaged_until_the_same_is_there_again(bucket: Bucket) -> None:
    await bucket.look()
    bucket.remove()
    await bucket.look()
    assert await bucket.damage() == "its bytes are gone"
    bucket.put(DATA)
    await bucket.look()
    assert (await bucket.damage(), await bucket.scrubbed()) == (None, 0)


async def test_what_was_gone_before_anybody_looked_is_read_when_it_is_there(bucket: Bucket) -> None:
    bucket.remove()
    await bucket.look()
    bucket.put(DATA)
    await bucket.look()
    assert await bucket.damage() == "its bytes are gone"
    assert await bucket.scrubbed() == 1
    assert await bucket.damage() is None


async def test_another_size_is_damage_until_a_scrub_has_read_the_right_bytes(bucket: Bucket) -> None:
    await bucket.look()
    bucket.put(DATA[:-1])
    await bucket.look()
    assert await bucket.damage() == f"{len(DATA) - 1} bytes are there, {len(DATA)} were stored"
    assert await bucket.scrubbed() == 0, "there is nothing to find out"
    bucket.put(DATA)
    await bucket.look()
    assert await bucket.scrubbed() == 1
    assert await bucket.damage() is None


async def test_what_was_stored_again_is_read_before_others(bucket: Bucket) -> None:
    await bucket.look()
    bucket.put(OTHER)
    await bucket.look()
    assert await bucket.damage() is None, "only reading tells"
    assert await bucket.scrubbed() == 1
    assert "their sha512 is" in (await bucket.damage() or "")


async def test_a_server_that_does_not_answer_damages_nothing(bucket: Bucket) -> None:
    rude = RudeS3(endpoint())
    with rude.running() as url:
        rude.plan("HEAD", *[Refuse(403, "AccessDenied")] * 8)
        store = S3Store(settings(prefix=bucket.store.client.settings.prefix, endpoint=url), session())
        assert await bucket.look(store) == 0
        store.close()
    assert await bucket.damage() is None
    assert len(await bucket.database.read(looks.due, FILES, bucket.clock(), 9)) == 1
