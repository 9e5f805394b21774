"""A cache of slices before a store in S3: a herd costs the server one read, and nothing that fails is kept."""

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import s3_server
from rude_s3 import Refuse, RudeS3
from s3_server import session, settings
from stillage.errors import StillageError, Unavailable
from stillage.stores.abilities import Sends
from stillage.stores.s3.blobs import S3Store
from stillage.stores.s3.cache import SliceCache
from stores import KEY, MIB, put

SIZE = 3 * MIB + 5
DATA = os.urandom(SIZE)
SLICES = 4


class Cached:
    """A store with a cache of *places* slices of 1 MiB, and what is asked of its server."""

    def __init__(self, folder: Path, url: str, rude: RudeS3, places: int) -> None:
        cache = SliceCache(folder, places * MIB, slice_size=MIB)
        self.store = S3Store(settings(endpoint=url), session(), timeout_s=60, cache=cache)
        self._rude = rude

    async def read(self, first: int = 0, end: int = SIZE) -> bytes:
        async with self.store.reader(KEY) as reader:
            return b"".join([bytes(block) async for block in reader.stream(first, end - first, 100_000)])

    def fetched(self) -> int:
        return sum(line.startswith("GET") for line in self._rude.asked)


@pytest.fixture
def rude() -> RudeS3:
    return RudeS3(s3_server.endpoint())


@pytest.fixture
def url(rude: RudeS3) -> Iterator[str]:
    with rude.running() as url:
        yield url


@pytest.fixture(params=[8])
def cached(request: pytest.FixtureRequest, tmp_path: Path, url: str, rude: RudeS3) -> Iterator[Cached]:
    made = Cached(tmp_path, url, rude, request.param)
    yield made
    made.store.close()


def with_places(places: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("cached", [places], indirect=True)


async def test_a_herd_of_readers_costs_one_read_of_each_slice(cached: Cached) -> None:
    async def reads_all() -> bool:
        return await cached.read() == DATA

    await put(cached.store, DATA)
    assert all(await asyncio.gather(*(reads_all() for _ in range(20))))
    assert await cached.read(MIB - 7, 2 * MIB + 1) == DATA[MIB - 7 : 2 * MIB + 1]
    assert cached.fetched() == SLICES


@with_places(2)
async def test_what_was_not_read_for_the_longest_time_goes_first(cached: Cached) -> None:
    await put(cached.store, DATA)
    for number in (0, 1, 0, 2, 0):
        assert await cached.read(number * MIB, number * MIB + 9) == DATA[number * MIB : number * MIB + 9]
    assert cached.fetched() == 3
    await cached.read(MIB, MIB + 1)
    assert cached.fetched() == 4


@with_places(1)
async def test_where_every_place_is_read_from_the_server_is_asked(cached: Cached) -> None:
    await put(cached.store, DATA)
    async with cached.store.reader(KEY) as reader:
        slow = reader.stream(0, SIZE, 100_000)
        assert await anext(slow) == DATA[:100_000]
        assert await cached.read(2 * MIB) == DATA[2 * MIB :]
        assert b"".join([block async for block in slow]) == DATA[100_000:]


async def test_a_full_disk_costs_the_cache_and_no_reader(cached: Cached, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    await put(cached.store, DATA)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        assert await cached.read() == DATA
    assert await cached.read() == DATA
    before = cached.fetched()
    assert await cached.read() == DATA
    assert cached.fetched() == before


async def test_what_could_not_be_fetched_is_fetched_anew(cached: Cached, rude: RudeS3) -> None:
    await put(cached.store, DATA)
    rude.plan("GET", *[Refuse(400, "Something")] * 3)
    with pytest.raises(Unavailable):
        await cached.read(0, 10)
    assert await cached.read() == DATA


async def test_a_reader_that_leaves_does_not_take_the_slice_from_others(
    cached: Cached, monkeypatch: pytest.MonkeyPatch
) -> None:
    filling, fill = asyncio.Event(), SliceCache._fill

    async def noted(cache: SliceCache, *arguments: Any) -> None:
        filling.set()
        await fill(cache, *arguments)

    await put(cached.store, DATA)
    monkeypatch.setattr(SliceCache, "_fill", noted)
    leaves, stays = asyncio.create_task(cached.read()), asyncio.create_task(cached.read())
    await filling.wait()
    leaves.cancel()
    assert await stays == DATA
    assert cached.fetched() == SLICES


async def test_another_object_of_the_same_name_is_not_taken_for_it(cached: Cached) -> None:
    await put(cached.store, DATA)
    await cached.read()
    await put(cached.store, DATA[::-1])
    assert await cached.read() == DATA[::-1]


def test_the_file_has_no_name_and_a_folder_is_needed(tmp_path: Path) -> None:
    SliceCache(tmp_path, MIB).close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StillageError, match="make the file of its cache"):
        SliceCache(tmp_path / "missing", MIB)


async def test_threads_do_not_send_past_the_cache(cached: Cached) -> None:
    await put(cached.store, DATA)
    async with cached.store.reader(KEY) as reader:
        assert not isinstance(reader, Sends)
