import asyncio
from collections.abc import AsyncIterator

import pytest

from stillage.api.http.time_limits import steady
from stillage.errors import RateTooLow


class Loop:
    """A loop whose clock a test moves."""

    now = 0.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    made = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


async def coming(loop: Loop, *pieces: tuple[float, int]) -> AsyncIterator[bytes]:
    for seconds, length in pieces:
        loop.now += seconds
        yield bytes(length)


def total(body: AsyncIterator[bytes]) -> int:
    async def take() -> int:
        return sum([len(piece) async for piece in body])

    runner = asyncio.new_event_loop()
    try:
        return runner.run_until_complete(take())
    finally:
        runner.close()


def test_a_slow_client_is_ended_with_both_numbers(loop: Loop) -> None:
    with pytest.raises(RateTooLow, match="10 bytes/s arrived, less than the minimum of 100"):
        total(steady(coming(loop, (5, 100), (6, 10), (1, 10)), 100))


def test_a_slow_beginning_is_no_reason(loop: Loop) -> None:
    assert total(steady(coming(loop, (9, 10), (2, 2000)), 100)) == 2010


def test_without_a_least_rate_everybody_takes_his_time(loop: Loop) -> None:
    assert total(steady(coming(loop, (50, 1), (50, 1)), 0)) == 2


def test_time_that_we_take_is_not_the_clients(loop: Loop) -> None:
    async def slow_store() -> AsyncIterator[bytes]:
        async for piece in steady(coming(loop, (1, 200), (1, 200), (1, 200)), 100):
            loop.now += 100
            yield piece

    assert total(slow_store()) == 600
