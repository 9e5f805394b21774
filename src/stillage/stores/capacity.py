"""How many bytes a store may have in all, and how many are left of them.

It is counted in the database, the same for all nodes: what is stored, and what running uploads have reserved.
"""

import time
from collections.abc import Awaitable, Callable

COUNTS_A_S = 100_000
"""So many blobs are counted in a second at most: with more of them the same count serves for longer."""

Count = Callable[[], Awaitable[tuple[int, int]]]
"""Returns how many bytes a store has, reserved ones too, and in how many blobs."""


class Capacity:
    """*most*: bytes in all."""

    def __init__(self, most: int, count: Count, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._count = count
        self._clock = clock
        self._held = 0
        self._until = clock()

    async def left(self) -> int:
        """Return how many bytes are left; fewer than none if the capacity was lowered.

        Raises:
            Unavailable: If the database does not answer.
        """
        if self._clock() >= self._until:
            self._held, blobs = await self._count()
            self._until = self._clock() + blobs / COUNTS_A_S
        return self._most - self._held
