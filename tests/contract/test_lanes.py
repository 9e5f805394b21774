import asyncio
import os
import queue
import sys
import threading
from contextlib import AsyncExitStack

import pytest

from stillage.lanes import DEPTH, GIVES_WAY, LEAST_DEPTH, SHARED, Lane, LaneClosed


async def test_work_runs_in_order_in_another_thread() -> None:
    done: list[object] = []
    async with Lane("test") as lane:
        for number in range(20):
            await lane.submit(done.append, number)
        assert await lane.call(threading.get_ident) != threading.get_ident()
    assert done == list(range(20))


async def test_a_failure_shows_at_the_next_call_and_stops_what_is_behind_it() -> None:
    done: list[object] = []

    def fail() -> None:
        raise ValueError("broken")

    async with Lane("test") as lane:
        await lane.submit(fail)
        with pytest.raises(ValueError, match="broken"):
            await lane.call(done.append, 1)
        with pytest.raises(ValueError, match="broken"):
            await lane.submit(done.append, 2)
    assert done == []


async def test_a_full_lane_holds_its_feeder_back() -> None:
    gate = threading.Event()
    fed = 0

    async def feed(lane: Lane) -> None:
        nonlocal fed
        for _ in range(10):
            await lane.submit(gate.wait)
            fed += 1

    async with Lane("test", depth=3) as lane:
        feeding = asyncio.create_task(feed(lane))
        for _ in range(100):  # as often as it could go on, if it could
            await asyncio.sleep(0)
        assert fed == 3
        gate.set()
        await feeding


async def test_many_lanes_hold_no_more_together_than_a_few() -> None:
    gate = threading.Event()
    async with AsyncExitStack() as stack:
        lanes = [await stack.enter_async_context(Lane("test")) for _ in range(SHARED // LEAST_DEPTH)]
        stack.callback(gate.set)  # before the lanes end, also when this fails
        feeding = [asyncio.create_task(lanes[0].submit(gate.wait)) for _ in range(DEPTH)]
        for _ in range(100):
            await asyncio.sleep(0)
        assert sum(task.done() for task in feeding) == LEAST_DEPTH
        gate.set()
        await asyncio.gather(*feeding)
    async with Lane("test") as lane:  # alone again
        gate.clear()
        for _ in range(DEPTH):
            await lane.submit(gate.wait)
        assert not lane.is_idle
        gate.set()
        await lane.call(lambda: None)
        assert lane.is_idle


async def test_leaving_drops_what_is_queued_and_runs_the_end() -> None:
    gate = threading.Event()
    done: list[str] = []
    async with Lane("test") as lane:
        lane.at_end(lambda: done.append("end"))
        await lane.submit(gate.wait)
        waiting = asyncio.ensure_future(lane.call(done.append, "late"))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.01, gate.set)
    assert done == ["end"]
    with pytest.raises(LaneClosed):
        await waiting


async def test_the_end_runs_also_when_the_owner_is_cancelled() -> None:
    ended = threading.Event()
    entered = asyncio.Event()

    async def own() -> None:
        async with Lane("test") as lane:
            lane.at_end(ended.set)
            entered.set()
            await asyncio.Event().wait()

    owner = asyncio.create_task(own())
    await entered.wait()
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert ended.is_set()


async def test_a_lane_ends_also_when_what_it_does_at_the_end_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    told: queue.Queue[BaseException | None] = queue.Queue()
    monkeypatch.setattr(threading, "excepthook", lambda failed: told.put(failed.exc_value))

    def fail() -> None:
        raise ValueError("broken")

    async def own() -> None:
        async with Lane("test") as lane:
            lane.at_end(fail)

    await asyncio.wait_for(own(), 60)
    assert "broken" in str(await asyncio.to_thread(told.get, timeout=60))


@pytest.mark.skipif(sys.platform != "linux", reason="threads of other systems have no priority of their own")
async def test_a_lane_gives_way_to_the_loop() -> None:
    async with Lane("test") as lane:
        theirs = await lane.call(os.getpriority, os.PRIO_PROCESS, 0)
    assert theirs == min(19, os.getpriority(os.PRIO_PROCESS, 0) + GIVES_WAY)


async def test_nothing_is_lost_between_a_fast_lane_and_a_fast_feeder() -> None:
    done: list[object] = []
    async with Lane("test", depth=1) as lane:
        for number in range(5000):
            await lane.submit(done.append, number)
        await lane.call(lambda: None)
    assert done == list(range(5000))
