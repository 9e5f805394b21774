"""A blob of any store can be read from threads, also while its request leaves."""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from stillage.operations.disks.blob_file import BlobFile
from stillage.stores.base import Store
from stores import KEY, MIB, STORES, put

DATA = os.urandom(3 * MIB + 77)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    made: Store = request.param(tmp_path)
    return made


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


async def test_threads_read_any_part_and_less_at_the_end(store: Store, threads: ThreadPoolExecutor) -> None:
    await put(store, DATA)
    async with store.reader(KEY) as blob:
        file = BlobFile(blob, threads)
        parts = [(0, 10), (MIB - 5, 2 * MIB), (len(DATA) - 3, 10), (len(DATA), 1), (len(DATA) + 5, 1)]
        read = await asyncio.gather(*(file.run(file.read_at, *part) for part in parts))
        assert read == [DATA[offset : offset + length] for offset, length in parts]
        file.close()


async def test_a_thread_reads_on_after_its_request_has_left(store: Store, threads: ThreadPoolExecutor) -> None:
    await put(store, DATA)
    began, go_on = Event(), Event()

    def work() -> bytes:
        began.set()
        go_on.wait()
        return file.read_at(MIB, 100)

    async with store.reader(KEY) as blob:
        file = BlobFile(blob, threads)
        running = file.start(work)
        await asyncio.to_thread(began.wait)
        file.close()
        # A descriptor that was closed too early would be this one.
        other = os.open("/dev/null", os.O_RDONLY)
        go_on.set()
        assert await asyncio.wrap_future(running) == DATA[MIB : MIB + 100]
    os.close(other)
