"""Limits the rate of a transfer, over all of its connections together."""

import asyncio
import time
from collections.abc import Awaitable, Callable

PAUSES_PER_S = 16
"""A piece takes at most this part of a second, so that several connections move often enough to count as alive."""


class RateLimit:
    """At most *bytes_per_s*.

    Args:
        bytes_per_s: One at least.
        clock: Seconds, monotonic.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        bytes_per_s: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._rate = bytes_per_s
        self._clock = clock
        self._sleep = sleep
        self._free_at = clock()

    @property
    def piece(self) -> int:
        """Bytes to move at once."""
        return max(1, self._rate // PAUSES_PER_S)

    async def take(self, count: int) -> None:
        """Wait until *count* bytes may move."""
        start = max(self._free_at, self._clock())
        self._free_at = start + count / self._rate
        if (pause := start - self._clock()) > 0:
            await self._sleep(pause)
