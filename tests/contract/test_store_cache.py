"""A cache of slices before a store in S3: a herd costs the server one read, and nothing that fails is kept."""

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import s3_server
from rude_s3 import Refuse, RudeS3
from s3_server import session, settings
from stillage.errors import StillageError, Unavailable
from stillage.stores.s3.blobs import S3Store
from stillage.stores.s3.cache import SliceCache
from stillage.stores.s3.settings import S3Settings
from stillage.stores.s3.slices import SliceFolder
from stores import KEY, MIB, put, sent

SIZE = 3 * MIB + 5
DATA = os.urandom(SIZE)
SLICES = 4


class Cached:
    """A store with a cache of *places* slices of 1 MiB, and what is asked of its server."""

    def __init__(self, folder: Path, url: str, rude: RudeS3, places: int, *, like: "Cached | None" = None) -> None:
        """*like*: of another worker on the same node."""
        cache = SliceCache(folder / "cache", places * MIB, slice_size=MIB)
        self.settings: S3Settings = settings(endpoint=url) if like is None else like.settings
        self.store = S3Store(self.settings, session(), timeout_s=60, cache=cache)
        self._folder = folder / "cache"
        self._rude = rude

    def files(self) -> list[Path]:
        return [path for path in self._folder.iterdir() if not path.name.startswith(".")]

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


async def test_a_herd_looks_at_the_object_once(cached: Cached, rude: RudeS3) -> None:
    await put(cached.store, DATA)
    await asyncio.gather(*(cached.read(0, 1) for _ in range(20)))
    assert sum(line.startswith("HEAD") for line in rude.asked) == 1


@with_places(2)
async def test_what_was_not_read_for_the_longest_time_goes_first(cached: Cached) -> None:
    await put(cached.store, DATA)
    for number in (0, 1, 0, 2, 0):
        assert await cached.read(number * MIB, number * MIB + 9) == DATA[number * MIB : number * MIB + 9]
    assert cached.fetched() == 3
    await cached.read(MIB, MIB + 1)
    assert cached.fetched() == 4


@with_places(1)
async def test_a_slice_that_makes_room_is_read_to_its_end(cached: Cached) -> None:
    await put(cached.store, DATA)
    async with cached.store.reader(KEY) as reader:
        slow = reader.stream(0, SIZE, 100_000)
        assert await anext(slow) == DATA[:100_000]
        assert await cached.read(2 * MIB) == DATA[2 * MIB :]
        assert b"".join([bytes(block) async for block in slow]) == DATA[100_000:]
    assert len(cached.files()) == 1


async def test_threads_send_from_the_cache(cached: Cached) -> None:
    await put(cached.store, DATA)
    async with cached.store.reader(KEY) as reader:
        assert await sent(reader, 0, SIZE) == DATA
        assert await sent(reader, MIB - 7, MIB + 9) == DATA[MIB - 7 : 2 * MIB + 2]
    assert cached.fetched() == SLICES


async def test_workers_of_a_node_fetch_a_slice_once_between_them(
    cached: Cached, tmp_path: Path, url: str, rude: RudeS3
) -> None:
    other = Cached(tmp_path, url, rude, 8, like=cached)
    await put(cached.store, DATA)
    assert await asyncio.gather(*[each.read() for each in (cached, other) * 5]) == [DATA] * 10
    assert cached.fetched() == SLICES
    other.store.close()
    assert len(cached.files()) == SLICES


async def test_all_workers_together_keep_no_more_than_they_may(
    cached: Cached, tmp_path: Path, url: str, rude: RudeS3
) -> None:
    others = [Cached(tmp_path, url, rude, 2, like=cached) for _ in range(2)]
    await put(cached.store, DATA)
    for number in range(6):
        assert await others[number % 2].read() == DATA
        assert sum(path.stat().st_size for path in cached.files()) <= 2 * MIB
    for each in others:
        each.store.close()


async def test_what_a_worker_left_that_died_is_filled_by_another(cached: Cached) -> None:
    await put(cached.store, DATA)
    await cached.read(0, 1)
    (whole,) = cached.files()
    whole.rename(f"{whole}.part").write_bytes(b"half of it")
    assert await cached.read() == DATA
    assert len(cached.files()) == SLICES


async def test_whoever_starts_first_empties_the_folder(tmp_path: Path, url: str, rude: RudeS3) -> None:
    first = Cached(tmp_path, url, rude, 8)
    await put(first.store, DATA)
    await first.read()
    Cached(tmp_path, url, rude, 8).store.close()
    assert len(first.files()) == SLICES
    first.store.close()
    again = Cached(tmp_path, url, rude, 8)
    assert again.files() == []
    again.store.close()


async def test_a_scrub_reads_the_object_itself(cached: Cached) -> None:
    await put(cached.store, DATA)
    await cached.read()
    async with cached.store.uncached(KEY) as reader:
        assert await reader.read(0, SIZE) == DATA
    assert cached.fetched() == SLICES + 1


async def test_a_full_disk_costs_the_cache_and_no_reader(cached: Cached, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    await put(cached.store, DATA)
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        assert await cached.read() == DATA
        async with cached.store.reader(KEY) as reader:
            assert await sent(reader, 0, SIZE) == DATA
    assert cached.files() == []
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
    filling, fetch = threading.Event(), SliceFolder.fetch

    def noted(folder: SliceFolder, *arguments: Any) -> bool:
        filling.set()
        return fetch(folder, *arguments)

    await put(cached.store, DATA)
    monkeypatch.setattr(SliceFolder, "fetch", noted)
    leaves, stays = asyncio.create_task(cached.read()), asyncio.create_task(cached.read())
    await asyncio.to_thread(filling.wait)
    leaves.cancel()
    assert await stays == DATA
    assert cached.fetched() == SLICES


async def test_another_object_of_the_same_name_is_not_taken_for_it(cached: Cached) -> None:
    await put(cached.store, DATA)
    await cached.read()
    await put(cached.store, DATA[::-1])
    assert await cached.read() == DATA[::-1]


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StillageError, match="make the folder of its cache"):
        SliceCache(tmp_path / "file" / "cache", MIB)
