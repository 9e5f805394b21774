"""Memory for parts: first come, first served, and no wait for ever."""

import asyncio

import pytest

from stillage.errors import Unavailable
from stillage.stores.s3.buffers import Buffers


async def test_who_comes_first_is_served_first_whatever_others_need() -> None:
    buffers = Buffers(10)
    await buffers.take(8)
    served: list[str] = []

    async def take(name: str, size: int) -> None:
        await buffers.take(size)
        served.append(name)

    tasks = [asyncio.create_task(take("large", 9)), asyncio.create_task(take("small", 1))]
    await asyncio.sleep(0)
    assert served == []
    buffers.give_back(8)
    await asyncio.gather(*tasks)
    assert served == ["large", "small"]
    assert buffers.free == 0


async def test_a_part_larger_than_all_memory_gets_all_of_it() -> None:
    buffers = Buffers(10)
    await buffers.take(100)
    assert buffers.free == 0
    buffers.give_back(100)
    assert buffers.free == 10


async def test_who_waits_too_long_is_told_so_and_those_behind_are_served() -> None:
    buffers = Buffers(10, wait_s=0.01)
    await buffers.take(8)
    behind = asyncio.create_task(buffers.take(10))
    with pytest.raises(Unavailable, match="no memory for another upload"):
        await behind
    await buffers.take(2)
    assert buffers.free == 0


async def test_who_stops_waiting_takes_nothing() -> None:
    buffers = Buffers(10)
    await buffers.take(8)
    given, waiting = asyncio.create_task(buffers.take(5)), asyncio.create_task(buffers.take(5))
    await asyncio.sleep(0)
    waiting.cancel()
    buffers.give_back(8)
    given.cancel()  # served already, but it has not noticed yet
    await asyncio.wait([given, waiting])
    assert buffers.free == 10
