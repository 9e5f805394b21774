"""The limit on guessing: after so many failed logins in so much time, even the right password is refused."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from stillage.db import failures
from stillage.db.session import Database
from stillage.errors import TooManyFailures, Unauthenticated


@dataclass(frozen=True, slots=True)
class FailureLimit:
    """How often somebody may fail within the last *window_s* seconds."""

    count: int = 10
    window_s: int = 300


class Guard:
    """Counts failures by who was claimed to log in, whether there is such a user or not."""

    def __init__(
        self, database: Database, limit: FailureLimit, *, secret: bytes, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._limit = limit
        self._secret = secret
        self._clock = clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def attempt(self, who: str) -> AsyncIterator[None]:
        """Hold this around the check of a secret. Unauthenticated leaving it counts as a failure.

        Raises:
            TooManyFailures: Instead of the check.
        """
        # Keyed: people type passwords where a name belongs, and a plain hash of one is soon guessed.
        key = hmac.digest(self._secret, who.encode(), "sha256").hex()
        # One at a time: of guesses sent all at once, each would be checked before the first was counted.
        async with self._turns.setdefault(key, asyncio.Lock()):
            failed = await self._failures(key)
            if len(failed) >= self._limit.count:
                raise TooManyFailures(self._wait_s(failed[-1]))
            try:
                yield
            except Unauthenticated:
                await self._database.write(failures.record, key, self._clock())
                raise
            if failed:
                await self._database.write(failures.forget, key)

    async def forget_old(self) -> int:
        """Drop the rows that no longer count."""
        return await self._database.write(failures.forget_before, self._since())

    async def _failures(self, key: str) -> list[datetime]:
        return list(await self._database.read(failures.latest, key, self._since(), self._limit.count))

    def _since(self) -> datetime:
        return self._clock() - timedelta(seconds=self._limit.window_s)

    def _wait_s(self, oldest: datetime) -> int:
        # The oldest that counts has to leave the window; rounded up, since a client comes back on the second.
        left = oldest + timedelta(seconds=self._limit.window_s) - self._clock()
        return max(1, -(-left // timedelta(seconds=1)))
