"""What is special about a store in S3: what is asked of the server and when, and what its failures become."""

import asyncio
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator

import pytest

import s3_server
from rude_s3 import CutAnswer, CutRequest, Refuse, RudeS3
from s3_server import ACCESS, SECRET, contents, session, session_with, settings
from stillage.errors import (
    BlobNotFound,
    StillageError,
    StorageFull,
    StoreFailed,
    StoreReadOnly,
    StoreRefused,
    Unavailable,
)
from stillage.spans import Span
from stillage.stores.abilities import OldBlobs
from stillage.stores.s3.blobs import S3Store
from stillage.stores.s3.buffers import Blocks, Buffers
from stillage.stores.s3.pieces import first_of
from stores import KEY, MIB, SHARD, Remembered, put, read_all, sent

PART = 5 * MIB


@pytest.fixture
def buffers() -> Buffers:
    return Buffers(4 * PART)


@pytest.fixture
def rude() -> RudeS3:
    return RudeS3(s3_server.endpoint())


@pytest.fixture
def url(rude: RudeS3) -> Iterator[str]:
    with rude.running() as url:
        yield url


@pytest.fixture
async def store(rude: RudeS3, url: str, buffers: Buffers) -> AsyncIterator[S3Store]:
    """A store that talks to the server through *rude*."""
    made = S3Store(settings(endpoint=url), session(), timeout_s=60, buffers=buffers)
    yield made
    made.close()


async def write(store: S3Store, *blocks: bytes) -> None:
    async with store.writer(KEY) as writer:
        for block in blocks:
            await writer.write(block)
        raise ConnectionResetError


async def test_an_image_that_is_refused_in_its_first_part_costs_the_server_nothing(
    store: S3Store, rude: RudeS3
) -> None:
    with pytest.raises(ConnectionResetError):
        await write(store, *[bytes(MIB)] * 5)
    assert rude.asked == []


async def test_an_image_that_fits_into_a_part_is_one_request(store: S3Store, rude: RudeS3) -> None:
    await put(store, *[bytes(MIB)] * 5)
    assert [line.partition(" ")[0] for line in rude.asked] == ["PUT"]


async def test_what_was_sent_of_an_image_that_breaks_off_is_dropped(store: S3Store) -> None:
    with pytest.raises(ConnectionResetError):
        await write(store, *[os.urandom(MIB)] * 23)
    assert contents(store) == {}
    assert store.client.open_uploads("") == []


async def test_memory_is_given_back_whatever_happens(store: S3Store, rude: RudeS3, buffers: Buffers) -> None:
    data = os.urandom(13 * MIB)
    await put(store, data)
    with pytest.raises(ConnectionResetError):
        await write(store, data, data)
    rude.plan("uploadId", *[Refuse(400, "InvalidPart")] * 8)
    with pytest.raises(Unavailable):
        await put(store, data, data, data)
    assert buffers.free == 4 * PART


async def test_a_connection_that_breaks_in_a_part_or_an_answer_is_no_failure(store: S3Store, rude: RudeS3) -> None:
    data = os.urandom(13 * MIB)
    rude.plan("partNumber=2", CutRequest(2 * MIB))
    await put(store, data)
    rude.plan("GET /images", CutAnswer(MIB), CutAnswer(3 * MIB), CutAnswer(6 * MIB))
    async with store.reader(KEY) as reader:
        assert b"".join([block async for block in reader.stream(1, len(data), MIB)]) == data[1:]
        rude.plan("GET /images", CutAnswer(MIB), CutAnswer(3 * MIB), CutAnswer(6 * MIB))
        assert await sent(reader, 1, len(data) - 1) == data[1:]
    assert len([line for line in rude.asked if "GET" in line]) == 8


async def test_a_download_is_one_request_and_one_look_at_the_object(store: S3Store, rude: RudeS3) -> None:
    data = os.urandom(23 * MIB)
    await put(store, data)
    rude.asked.clear()
    async with store.reader(KEY) as reader:
        assert await sent(reader, 0, len(data)) == data
    assert [line.partition(" ")[0] for line in rude.asked] == ["HEAD", "GET"]


async def test_a_busy_server_is_asked_again_and_one_that_stays_busy_is_unavailable(
    store: S3Store, rude: RudeS3
) -> None:
    slow = Refuse(503, "SlowDown")
    rude.plan("PUT", slow)
    await put(store, b"x")
    rude.plan("PUT", *[slow] * 4)
    with pytest.raises(Unavailable, match="is busy; try again later"):
        await put(store, b"x")


@pytest.mark.parametrize(
    ("status", "code", "kind", "text"),
    [
        (403, "RequestTimeTooSkewed", StoreRefused, "the clocks of this server and of the store differ"),
        (403, "InvalidAccessKeyId", StoreRefused, "the access key is unknown there"),
        (403, "AccessDenied", StoreReadOnly, "access to the bucket 'images' at http"),
        (400, "QuotaExceeded", StorageFull, "the store is full"),
        (400, "ExpiredToken", StoreRefused, "the credentials have expired"),
        (400, "Something", Unavailable, "answered Something; ask the operator"),
    ],
)
async def test_a_refusal_is_a_sentence_without_the_servers_words(
    store: S3Store, rude: RudeS3, status: int, code: str, kind: type[StillageError], text: str
) -> None:
    rude.plan("PUT", Refuse(status, code))
    with pytest.raises(kind, match=text) as caught:
        await store.check()
    assert "LEAKED" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_wrong_credentials_a_missing_bucket_and_a_server_that_is_down_are_told_apart(url: str) -> None:
    down = "http://127.0.0.1:1"
    for changed, text in (
        (S3Store(settings(), session_with("stillage", "wrong")), "the secret of the access key is wrong"),
        (S3Store(settings(), session_with("nobody", "wrong")), "the access key is unknown"),
        (S3Store(settings(bucket="nowhere"), session()), "the bucket does not exist"),
        (S3Store(settings(endpoint=down), session()), f"'images' at {down} does not answer"),
    ):
        with pytest.raises(Unavailable, match=text) as caught:
            await changed.check()
        assert "wrong" not in str(caught.value).replace("is wrong", "")
        changed.close()


async def test_an_object_that_is_gone_or_changed_behind_our_back_is_noticed(store: S3Store) -> None:
    await put(store, os.urandom(2 * MIB))
    async with store.reader(KEY) as reader:
        await put(store, os.urandom(2 * MIB))
        with pytest.raises(StoreFailed, match="changed behind"):
            await reader.read(0, 10)
        store.client.delete([KEY])
        with pytest.raises(BlobNotFound):
            await reader.read(0, 10)


async def test_an_object_that_was_truncated_behind_our_back_is_damaged_not_unavailable(store: S3Store) -> None:
    await put(store, os.urandom(2 * MIB))
    async with store.reader(KEY) as reader:
        store.client.put(KEY, Blocks([b"short"]))
        with pytest.raises(StoreFailed, match=f"ends before byte {MIB}; restore it"):
            await reader.read(MIB, 10)


async def test_a_piece_whose_object_is_gone_is_not_read_as_zeros(store: S3Store) -> None:
    memory = Remembered()
    await store.begin(KEY)
    async with store.partial(KEY, memory.recall) as partial:
        await partial.write(0, os.urandom(MIB))
        memory.count(await partial.flush())
        store.client.delete([name for name in contents(store) if "begun" not in name])
        with pytest.raises(BlobNotFound):
            await partial.read(0, 10)


async def test_whole_parts_are_copied_by_the_server_while_they_are_read(store: S3Store, rude: RudeS3) -> None:
    memory, size = Remembered(), 3 * PART + 7
    data = os.urandom(size)
    await store.begin(KEY)
    async with store.partial(KEY, memory.recall, size) as partial:
        for at in range(0, size, MIB):
            await partial.write(at, data[at : at + MIB])
            if at == 2 * MIB:
                memory.count(await partial.flush())
        memory.count(await partial.flush())
    rude.asked.clear()
    async with store.partial(KEY, memory.recall, size) as partial:
        assert b"".join([block async for block in partial.stream(Span(0, size), MIB)]) == data
        assert await partial.publish(size)
    assert await read_all(store) == data
    assert sum("partNumber" in line for line in rude.asked) == 4
    assert sum("GET" in line and "partial" in line for line in rude.asked) == 4
    assert store.client.open_uploads("") == []


async def test_what_is_written_during_a_flush_does_not_hold_it_up(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, put = Remembered(), store.client.put
    may_end = {0: threading.Event(), PART: threading.Event()}

    def slow(key: str, body: Blocks) -> None:
        may_end[first_of(key.rpartition("/")[2])].wait(60)
        put(key, body)

    await store.begin(KEY)
    monkeypatch.setattr(store.client, "put", slow)
    async with store.partial(KEY, memory.recall, 2 * PART) as partial:
        await partial.write(0, bytes(PART))
        flushing = asyncio.create_task(partial.flush())
        await asyncio.sleep(0)
        await partial.write(PART, bytes(PART))
        may_end[0].set()
        try:
            kept = await asyncio.wait_for(flushing, 60)
        finally:
            may_end[PART].set()
        assert [part.span for part in kept] == [Span(0, PART)]


async def test_what_is_left_of_unfinished_images_is_found_and_dropped(store: S3Store) -> None:
    memory = Remembered()
    await store.begin(KEY)
    async with store.partial(KEY, memory.recall) as partial:
        await partial.write(0, os.urandom(PART))
        memory.count(await partial.flush())
        async for _ in partial.stream(Span(0, PART), MIB):
            """Assembles it."""
    store.client.begin_upload(KEY)
    await store.drop_partial(KEY)
    store.client.begin_upload(KEY)
    assert (await store.find_old(SHARD, 0)).partial == {KEY}
    assert (await store.find_old(SHARD, 3600)).partial == set()
    await store.delete(KEY)
    assert contents(store) == {}
    assert store.client.open_uploads("") == []


@pytest.mark.parametrize("name", ["0ffice.tar", f"{KEY}.qcow2", f"{KEY}0", f"{KEY}/{KEY}"])
async def test_what_another_program_keeps_in_the_bucket_is_never_found_or_dropped(store: S3Store, name: str) -> None:
    store.client.put(name, Blocks([b"theirs"]))
    upload_id = store.client.begin_upload(name)
    assert await store.find_old(SHARD, 0) == OldBlobs(set(), set())
    await store.delete(KEY)
    assert contents(store) == {name: 6}
    assert [upload.key for upload in store.client.open_uploads("")] == [name]
    store.client.abort(name, upload_id)


async def test_a_piece_with_the_wrong_digest_leaves_nothing(store: S3Store) -> None:
    await store.begin(KEY)
    async with store.partial(KEY) as partial:
        for at in range(12):
            await partial.write(at * MIB, os.urandom(MIB))
        await partial.clear(Span(0, 12 * MIB))
        assert await partial.flush() == []
    assert len(contents(store)) == 1  # that it was begun


async def test_a_cancelled_upload_leaves_nothing(store: S3Store) -> None:
    sent = asyncio.Event()

    async def upload() -> None:
        async with store.writer(KEY) as writer:
            for _ in range(16):
                await writer.write(bytes(MIB))
            sent.set()
            await writer.commit()

    task = asyncio.create_task(upload())
    await sent.wait()
    task.cancel()
    await asyncio.wait([task])
    assert contents(store) == {}
    assert store.client.open_uploads("") == []


async def test_a_url_serves_anybody_the_object_or_a_range_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    store = S3Store(settings(redirect=True), session())
    await put(store, b"0123456789")
    url = str(await store.locate(KEY, 60))
    request = urllib.request.Request(url, headers={"Range": "bytes=3-5"})
    with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
        assert (answer.status, answer.read()) == (206, b"345")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        await asyncio.to_thread(urllib.request.urlopen, url[:-1] + ("0" if url[-1] != "0" else "1"))
    store.close()


async def test_within_five_minutes_it_is_the_same_url_whatever_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = settings(redirect=True)
    stores = [S3Store(shared, session_with(ACCESS, SECRET)) for _ in range(2)]
    urls = []
    for second, store in ((3000.0, stores[0]), (3299.9, stores[1]), (3300.0, stores[0])):
        monkeypatch.setattr(time, "time", lambda second=second: second)
        urls.append(await store.locate(KEY, 60))
    assert urls[0] == urls[1] != urls[2]
    assert "X-Amz-Expires=360" in str(urls[0])
    assert "X-Amz-Date=19700101T005000Z" in str(urls[0])
    assert SECRET not in str(urls[0])
    for store in stores:
        store.close()


async def test_clients_are_sent_elsewhere_only_if_the_operator_wants_it(store: S3Store) -> None:
    assert await store.locate(KEY, 60) is None
