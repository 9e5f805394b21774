"""What every store promises, and what those promise that have an ability: one suite, run by all."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from s3_server import s3_store
from stillage.errors import BlobNotFound, StoreFailed
from stillage.holes import HOLE
from stillage.ids import BlobKey
from stillage.spans import Span
from stillage.stores.abilities import SHARDS, KeepsOpen, Lists, Measures, OldBlobs, Partials
from stillage.stores.base import Store
from stillage.stores.s3.blobs import S3Store
from stores import (
    KEY,
    MIB,
    SHARD,
    STORES,
    Remembered,
    WholeStore,
    file_store,
    having,
    memory_store,
    put,
    read_all,
    sent,
)

LOCKING = pytest.mark.parametrize("store", [memory_store, file_store], indirect=True)
"""For what a store cannot promise whose server does not know who reads or writes: operations do not need it."""
SENDING = pytest.mark.parametrize("store", [file_store, s3_store], indirect=True)
"""For what a store of bytes in memory has no use for."""


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = request.param(tmp_path)
    yield made
    if isinstance(made, S3Store):
        made.close()


@pytest.fixture
def memory() -> Remembered:
    return Remembered()


async def test_a_blob_is_invisible_until_it_is_committed(store: Store) -> None:
    async with store.writer(KEY) as writer:
        await writer.write(b"half an image")
        with pytest.raises(BlobNotFound):
            await read_all(store)
        await writer.commit()
        assert await read_all(store) == b"half an image"


async def test_leaving_without_commit_leaves_nothing(store: Store) -> None:
    async def break_off() -> None:
        async with store.writer(KEY) as writer:
            await writer.write(b"half an image")
            raise RuntimeError("client left")

    with pytest.raises(RuntimeError, match="client left"):
        await break_off()
    with pytest.raises(BlobNotFound):
        await read_all(store)


async def test_bytes_come_back_as_they_went_in_holes_included(store: Store) -> None:
    blocks = [os.urandom(MIB), bytes(MIB), bytes(HOLE) + os.urandom(100) + bytes(HOLE), bytes(3 * HOLE + 5)]
    await put(store, *blocks)
    assert await read_all(store) == b"".join(blocks)


async def test_an_empty_blob_is_a_blob(store: Store) -> None:
    await put(store)
    assert await read_all(store) == b""


async def test_what_was_written_can_be_read_back_before_it_is_committed(store: Store) -> None:
    async with store.writer(KEY) as writer:
        await writer.write(b"x" * HOLE)
        await writer.write(bytes(HOLE))
        await writer.finish()
        assert writer.read_at(HOLE - 2, 5) == b"xx\0\0\0"
        assert writer.read_at(2 * HOLE - 1, 100) == b"\0"
        assert writer.read_at(5 * HOLE, 100) == b""


async def test_parts_can_be_read_and_the_end_is_short(store: Store) -> None:
    await put(store, b"0123456789")
    async with store.reader(KEY) as reader:
        assert await reader.read(3, 4) == b"3456"
        assert await reader.read(8, 10) == b"89"
        assert await reader.read(10, 1) == b""


async def test_a_stream_is_what_is_there_in_order_and_ends_with_the_blob(store: Store) -> None:
    data = os.urandom(3 * MIB + 5)
    await put(store, data)
    async with store.reader(KEY) as reader:
        blocks = [bytes(block) async for block in reader.stream(7, 2 * MIB, 300_000)]
        assert b"".join(blocks) == data[7 : 7 + 2 * MIB]
        assert max(map(len, blocks)) <= 300_000
        assert b"".join([bytes(block) async for block in reader.stream(3 * MIB, MIB, MIB)]) == data[3 * MIB :]
        assert [block async for block in reader.stream(0, 0, MIB)] == []


async def test_a_stream_may_be_left_in_the_middle(store: Store) -> None:
    await put(store, bytes(4 * MIB))
    async with store.reader(KEY) as reader:
        async with aclosing(reader.stream(0, 4 * MIB, MIB)) as blocks:
            assert await anext(blocks) == bytes(MIB)
        assert await reader.read(4 * MIB - 1, 5) == b"\0"


@SENDING
async def test_threads_send_what_is_there_into_a_socket(store: Store) -> None:
    data = os.urandom(3 * MIB + 5)
    await put(store, data)
    async with store.reader(KEY) as reader:
        assert await sent(reader, 0, len(data)) == data
        assert await sent(reader, 7, 2 * MIB) == data[7 : 7 + 2 * MIB]
        assert await sent(reader, len(data) - 1, 1) == data[-1:]
        assert await sent(reader, 5, 0) == b""


@SENDING
async def test_a_thread_that_sends_notices_a_blob_that_ends_early(store: Store) -> None:
    await put(store, b"0123456789")
    async with store.reader(KEY) as reader:
        with pytest.raises(StoreFailed, match="ends at byte 10, 3 bytes early"):
            await sent(reader, 2, 11)


@having(KeepsOpen)
async def test_an_open_blob_outlives_its_deletion(store: WholeStore) -> None:
    await put(store, b"still here")
    async with store.reader(KEY) as reader:
        await store.delete(KEY)
        assert await reader.read(0, 100) == b"still here"
    with pytest.raises(BlobNotFound):
        await read_all(store)


async def test_deleting_what_is_not_there_is_no_error(store: Store) -> None:
    await store.delete(KEY)
    await store.check()


# Lists: which blobs are there


@having(Lists)
async def test_old_blobs_are_found_in_their_shard_only(store: WholeStore) -> None:
    other = BlobKey("10" * 16)
    await put(store, b"x")
    await put(store, b"y", key=other)
    assert await store.find_old(SHARD, 0) == OldBlobs({KEY}, set())
    assert await store.find_old(0x10, 0) == OldBlobs({other}, set())
    shards = range(SHARDS) if not isinstance(store, S3Store) else range(SHARD - 1, 0x12)  # each is two requests
    found = [key for shard in shards for key in (await store.find_old(shard, 0)).whole]
    assert sorted(found) == sorted([KEY, other])


@having(Lists)
async def test_young_blobs_are_not_found(store: WholeStore) -> None:
    await put(store, b"x")
    assert await store.find_old(SHARD, 3600) == OldBlobs(set(), set())


@having(Lists)
async def test_a_deleted_blob_is_not_found(store: WholeStore) -> None:
    await put(store, b"x")
    await store.delete(KEY)
    assert await store.find_old(SHARD, 0) == OldBlobs(set(), set())


# Measures: how much room is left


@having(Measures)
async def test_what_is_stored_takes_room(store: WholeStore) -> None:
    assert await store.free_bytes() > 0


# Partials: blobs that come in pieces


@having(Partials)
async def test_a_partial_blob_is_no_blob_until_it_is_published(store: WholeStore, memory: Remembered) -> None:
    await store.begin(KEY)
    async with store.partial(KEY, memory.recall) as partial:
        assert await partial.hold(Span(2 * MIB, 2 * MIB + 4))
        await partial.write(2 * MIB, b"tail")
        memory.count(await partial.flush())
    with pytest.raises(BlobNotFound):
        await read_all(store)
    async with store.partial(KEY, memory.recall) as partial:
        assert await partial.read(2 * MIB - 2, 8) == b"\0\0tail\0\0"
        assert await asyncio.to_thread(partial.read_at, 2 * MIB, 4) == b"tail"
        blocks = [bytes(block) async for block in partial.stream(Span(MIB, 2 * MIB + 6), 300_000)]
        assert b"".join(blocks) == bytes(MIB) + b"tail\0\0"
        assert await partial.publish(2 * MIB + 8)
    assert await read_all(store) == bytes(2 * MIB) + b"tail\0\0\0\0"


@having(Partials)
async def test_a_partial_blob_that_was_published_can_be_published_again_after_a_crash(
    store: WholeStore, memory: Remembered
) -> None:
    await store.begin(KEY)
    async with store.partial(KEY, memory.recall) as partial:
        await partial.hold(Span(0, 3))
        await partial.write(0, b"abc")
        memory.count(await partial.flush())
        assert await partial.publish(3)
    async with store.partial(KEY, memory.recall) as partial:
        assert await partial.publish(3)
    assert await read_all(store) == b"abc"


@LOCKING
async def test_a_span_of_a_partial_blob_is_held_by_one_handle_at_a_time(store: WholeStore, memory: Remembered) -> None:
    await store.begin(KEY)
    async with store.partial(KEY, memory.recall) as one, store.partial(KEY, memory.recall) as two:
        assert await one.hold(Span(0, 10))
        assert not await two.hold(Span(9, 11))
        assert await two.hold(Span(10, 11))
        assert not await one.publish(11)
    async with store.partial(KEY, memory.recall) as three:
        assert await three.hold(Span(0, 11))


@having(Partials)
async def test_of_what_two_handles_write_in_one_place_only_what_counts_is_ever_read(
    store: WholeStore, memory: Remembered
) -> None:
    span = Span(0, 6 * MIB)
    await store.begin(KEY)
    async with store.partial(KEY, memory.recall) as one, store.partial(KEY, memory.recall) as two:
        assert await one.hold(span)
        await one.write(0, b"1" * (2 * MIB))
        both = await two.hold(span)
        if both:
            await two.write(MIB, b"2" * (2 * MIB))
            memory.count(await two.flush())
        await one.write(2 * MIB, b"1" * (4 * MIB))
        memory.count(await one.flush())
    expected = b"1" * MIB + (b"2" if both else b"1") * (2 * MIB) + b"1" * (3 * MIB)
    async with store.partial(KEY, memory.recall) as partial:
        assert b"".join([block async for block in partial.stream(span, MIB)]) == expected
        assert await partial.publish(span.end)
    assert await read_all(store) == expected


@having(Partials)
async def test_pieces_in_any_order_with_holes_between_become_one_blob(store: WholeStore, memory: Remembered) -> None:
    size = 17 * MIB + 3
    expected = bytearray(size)
    await store.begin(KEY)
    for first, end in ((12 * MIB + 1, size), (5 * MIB, 10 * MIB), (0, 2 * MIB), (3 * MIB, 5 * MIB)):
        data = os.urandom(end - first)
        expected[first:end] = data
        async with store.partial(KEY, memory.recall, size) as partial:
            assert await partial.hold(Span(first, end))
            for at in range(0, end - first, MIB):
                await partial.write(first + at, data[at : at + MIB])
                if at % (2 * MIB):
                    memory.count(await partial.flush())
            memory.count(await partial.flush())
    async with store.partial(KEY, memory.recall, size) as partial:
        assert await partial.data_from(Span(10 * MIB, size)) in range(10 * MIB, 12 * MIB + 2)
        assert b"".join([block async for block in partial.stream(Span(0, size), MIB)]) == expected
        assert await partial.publish(size)
    assert await read_all(store) == expected
    await store.drop_partial(KEY)
    assert await read_all(store) == expected


@having(Partials)
async def test_what_was_written_and_never_counted_can_be_cleared(store: WholeStore, memory: Remembered) -> None:
    await store.begin(KEY)
    async with store.partial(KEY, memory.recall) as partial:
        assert await partial.hold(Span(0, 2 * MIB))
        await partial.write(0, b"x" * (2 * MIB))
        await partial.clear(Span(100, MIB + 7))
        await partial.clear(Span(3 * MIB, 4 * MIB))
        memory.count(await partial.flush())
        assert await partial.read(0, 2 * MIB) == b"x" * 100 + bytes(MIB - 93) + b"x" * (MIB - 7)


@having(Partials)
async def test_there_is_no_partial_blob_that_nobody_began_and_none_after_it_was_deleted(
    store: WholeStore, memory: Remembered
) -> None:
    with pytest.raises(BlobNotFound):
        async with store.partial(KEY, memory.recall):
            pass
    await store.begin(KEY)
    await store.delete(KEY)
    with pytest.raises(BlobNotFound):
        async with store.partial(KEY, memory.recall):
            pass
