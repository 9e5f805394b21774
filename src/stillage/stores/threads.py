"""Threads for calls that block on a disk or on another server, and a limit to how long a request waits for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from stillage.errors import StoreStalled

T = TypeVar("T")


class Threads:
    def __init__(self, name: str, count: int, *, timeout_s: float) -> None:
        """*timeout_s*: how long the store may take to answer before an upload or a download begins."""
        self.executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._timeout_s = timeout_s

    def submit(self, work: Callable[..., T], *args: object) -> "Future[T]":
        return self.executor.submit(work, *args)

    def run(self, work: Callable[..., T], *args: object) -> "asyncio.Future[T]":
        """Start *work*, however long it takes."""
        return asyncio.get_running_loop().run_in_executor(self.executor, work, *args)

    async def soon(self, work: Callable[..., T], *args: object, too_late: Callable[[T], object] = lambda _: None) -> T:
        """Run *work*; StoreStalled if the store hangs. Then its thread may be lost, but those that wait are not.

        *too_late* is done with a result that comes when nobody waits for it any more.
        """
        running = self.executor.submit(work, *args)
        try:
            return await self.in_time(running)
        except BaseException:
            if not running.cancel():  # it is running; otherwise the queue must not grow
                running.add_done_callback(lambda done: done.exception() or too_late(done.result()))
            raise

    async def in_time(self, running: "Future[T]") -> T:
        """Wait for *running*; StoreStalled if the store hangs."""
        waiting = asyncio.wrap_future(running)
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # or asyncio complains about it
        done, _ = await asyncio.wait([waiting], timeout=self._timeout_s)
        if not done:
            raise StoreStalled(self._timeout_s)
        return waiting.result()

    def close(self) -> None:
        self.executor.shutdown()
