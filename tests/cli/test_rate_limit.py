"""The limit of a transfer's rate."""

import asyncio

from stillage.client.rate_limit import RateLimit


async def test_all_connections_together_move_no_more_than_the_rate() -> None:
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now = max(now, asleep_from + seconds)

    rate = RateLimit(1000, clock=lambda: now, sleep=sleep)
    for _ in range(30):
        asleep_from = now
        await rate.take(100)
    assert 2.9 - 1e-6 <= now <= 3.0 + 1e-6
    now += 60  # what was not used is not saved up
    before = now
    await asyncio.gather(rate.take(100), rate.take(0))
    assert now - before <= 0.1 + 1e-6
    assert rate.piece == 62
