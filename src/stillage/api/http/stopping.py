"""Stop gracefully: drain running requests within a grace period."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from aiohttp import web

# How long an upload that is cut off by a stop may clean up before it is cancelled.
CLEAN_UP_S = 1.0


KINDS = ("uploads", "downloads", "others")


def kind_of(method: str, path: str) -> str:
    """Return which of `KINDS` a request is, for a person who waits for it."""
    moves_data = path.endswith(("/file", "/disk", "/stage")) or "/uploads/" in path
    if not moves_data or "/tags/" in path or method not in ("PUT", "PATCH", "POST", "GET"):
        return "others"
    return "downloads" if method == "GET" else "uploads"


class Running:
    """Counts running requests, so that a stop can wait for them."""

    def __init__(self) -> None:
        self._stop: Stop | None = None
        self._requests: dict[object, tuple[str, str]] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def draining(self) -> bool:
        """True if this process takes no more requests."""
        return self._stop is not None

    @property
    def stopping(self) -> bool:
        """True if no other process takes requests either."""
        return self._stop is not None and not self._stop.replaced

    @property
    def counts(self) -> Mapping[str, int]:
        """How many requests run now, by their kind: see `kind_of`."""
        found = Counter(kind_of(method, path) for method, path in self._requests.values())
        return {kind: found[kind] for kind in KINDS}

    @contextmanager
    def request(self, method: str, path: str) -> Iterator[None]:
        """Count a request."""
        key = object()
        self._requests[key] = method, path
        self._idle.clear()
        try:
            yield
        finally:
            del self._requests[key]
            if not self._requests:
                self._idle.set()

    async def drain(self, stop: "Stop") -> int:
        """Wait until no request runs or the grace period of *stop* is over. Return how many still run."""
        self._stop = stop
        waiting = [asyncio.ensure_future(self._idle.wait()), asyncio.ensure_future(stop.over())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        return len(self._requests)


class Stop:
    """Whether a server is to stop, and how long running requests may continue."""

    def __init__(self) -> None:
        self.replaced = False
        self._asked = asyncio.Event()
        self._hurried = asyncio.Event()
        self._until = 0.0

    @property
    def grace_s(self) -> float:
        """How long requests may still run, once a stop is requested."""
        return max(0.0, self._until - asyncio.get_running_loop().time())

    def interrupt(self, grace_s: float) -> None:
        """As `ask`, for somebody at a terminal: who asks again no longer wants to wait."""
        self.ask(0 if self._asked.is_set() else grace_s)

    def ask(self, grace_s: float, *, replaced: bool = False) -> None:
        """Stop after *grace_s* at the latest. With several calls, the earliest deadline applies.

        *replaced*: another process already serves in its place, so the service as a whole is not stopping.
        """
        self.replaced = replaced and (self.replaced or not self._asked.is_set())
        until = asyncio.get_running_loop().time() + grace_s
        self._until = min(self._until, until) if self._asked.is_set() else until
        self._asked.set()
        self._hurried.set()

    async def wait(self) -> None:
        """Return once a stop is requested."""
        await self._asked.wait()

    async def over(self) -> None:
        """Return once a stop was requested and its grace period is over."""
        await self.wait()
        while (left := self._until - asyncio.get_running_loop().time()) > 0:
            self._hurried.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._hurried.wait()


async def stop(runner: web.AppRunner, running: Running, how: Stop) -> int:
    """Stop accepting, let running requests finish within the grace period, then close. Return how many were cut off."""
    for site in list(runner.sites):
        await site.stop()
    cut_off = await running.drain(how)
    await runner.cleanup()
    return cut_off
