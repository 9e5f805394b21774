"""Decides when to retry and when to give up: exponential back-off with jitter, until nothing has worked for long."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stillage.client.errors import FIRST_CONTACT_S, GIVE_UP_AFTER_S, NetworkGaveUp

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed; another one may succeed, after the pause that the server asked for."""

    why: str
    at_least_s: float | None = None


class Retry:
    """Settings and state shared by all connections of a command.

    Args:
        give_up_after_s: How long to retry a request without any success.
        say: Called when an outage begins, once for all connections.
        clock: Seconds, monotonic.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        *,
        give_up_after_s: float = GIVE_UP_AFTER_S,
        say: Callable[[str], None] = lambda _sentence: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.give_up_after_s = give_up_after_s
        self.clock = clock
        self.sleep = sleep
        self._say = say
        self._said = False
        self._why = ""

    def say(self, why: str) -> None:
        self._why = why
        if not self._said:
            self._said = True
            self._say(f"{why}; trying again")

    def forget_what_was_said(self) -> None:
        self._said = False

    @asynccontextmanager
    async def first_contact(self, url: str) -> AsyncIterator[None]:
        """Give up within `FIRST_CONTACT_S` what is done inside: the first request to the server at *url*.

        Raises:
            NetworkGaveUp: If there was no answer by then.
        """
        self._why = f"no answer from {url}"
        try:
            async with asyncio.timeout(FIRST_CONTACT_S):
                yield
        except TimeoutError as error:
            advice = "check the address, and that the server runs"
            raise NetworkGaveUp(f"{self._why}; gave up after {FIRST_CONTACT_S:g} seconds; {advice}") from error


class Outage:
    """Counts consecutive failures of one request."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._since: float | None = None
        self._failures = 0

    async def wait(self, why: str, *, at_least_s: float | None = None) -> None:
        """Wait before the next attempt.

        Args:
            why: What happened, as a clause.
            at_least_s: What the server asked for.

        Raises:
            NetworkGaveUp: If nothing got through for too long.
        """
        retry = self._retry
        now = retry.clock()
        if self._since is None:
            self._since = now
        left = self._since + retry.give_up_after_s - now
        if left <= 0:
            raise NetworkGaveUp(f"{why}; gave up after {retry.give_up_after_s:g} seconds")
        retry.say(why)
        most = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures, MOST_DOUBLINGS))
        self._failures += 1
        pause = max(random.uniform(most / 2, most), at_least_s or 0)  # noqa: S311 - no secret
        await retry.sleep(min(pause, max(left, FIRST_PAUSE_S)))

    def over(self) -> None:
        """A request succeeded."""
        if self._since is not None:
            self._retry.forget_what_was_said()
        self._since = None
        self._failures = 0
