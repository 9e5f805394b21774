"""A lane: one thread that does things in order, fed by the event loop through a short queue.

Hashing, inspecting and writing each run in a lane of their own, because hashlib, zlib and the kernel let go of the
interpreter while they work. The queue is short, so a slow lane holds back the socket and memory stays small.
An executor call for each block costs half the speed; a lane costs one queue hop.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self, TypeVar

T = TypeVar("T")

DEPTH = 12
"""Blocks of about 1 MiB that may wait in a lane. Fewer cost speed: the slowest lane then lets the others go empty, and
every block is a wake-up. Those of one upload hold the same blocks."""
LEAST_DEPTH = 2
SHARED = 16 * DEPTH
"""Blocks that may wait in all lanes of this process together, as long as none gets less than the least. Four uploads of
four lanes hold as many as they like; two dozen hold no more than those."""


GIVES_WAY = 10
"""How much nicer a lane is than the loop and the database's threads. A request passes through several threads; beside
four uploads on two cores, without this it waits at each of them for as long as the hashing of many blocks takes."""
GIVES_WAY_TO_LANES = 14
"""The same for a lane that is done soon, and so has time to wait for those that are not: writing beside hashing."""


class LaneClosed(Exception):
    """The lane ended before this was done."""


class Lane:
    """Runs what it is given, one after the other, in a thread of its own.

    When something fails, what was queued behind it is dropped and every later call raises the same error: the things
    in a lane build on one another. Use it as an asynchronous context manager; leaving ends the thread.
    """

    _running = 0  # in this process

    def __init__(self, name: str, *, depth: int = DEPTH, nice: int = GIVES_WAY) -> None:
        self._loop = asyncio.get_running_loop()
        self._most = depth
        self._nice = nice
        self._given = 0  # counted by the loop alone
        self._done = 0  # counted by the thread alone
        self._held_back = False
        self._room = asyncio.Event()
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._failure: BaseException | None = None
        self._at_end: list[Callable[[], None]] = []
        self._ended = self._loop.create_future()
        # A daemon: a thread stuck in a dead disk must not keep the process from exiting.
        self._thread = Thread(target=self._run, name=name, daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        Lane._running += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        Lane._running -= 1
        # What is still queued is of no use to anybody: fail it, then wait for the piece that is running.
        self._failure = self._failure or LaneClosed()
        self._queue.put(None)
        await asyncio.shield(self._ended)

    @property
    def _depth(self) -> int:
        return min(self._most, max(LEAST_DEPTH, SHARED // max(1, Lane._running)))

    @property
    def is_idle(self) -> bool:
        """True if everything submitted is done, and nothing has failed."""
        return self._failure is None and self._given == self._done

    def at_end(self, work: Callable[[], None]) -> None:
        """Run *work* in the thread when the lane ends, whatever has failed and whoever still waits."""
        self._at_end.append(work)

    async def submit(self, work: Callable[..., object], *args: object) -> None:
        """Queue ``work(*args)`` and return at once, or when there is room. Its result is dropped.

        Raises:
            BaseException: Whatever an earlier piece of work raised.
        """
        while self._failure is None and self._given - self._done >= self._depth:
            await self._wait_for_room()
        if self._failure is not None:
            raise self._failure
        self._given += 1

        def run() -> None:
            try:
                if self._failure is None:
                    work(*args)
            except BaseException as failure:  # noqa: BLE001 - handed to whoever submits next
                self._failure = failure
            finally:
                self._done += 1
                self._let_go_on()

        self._queue.put(run)

    async def call(self, work: Callable[..., T], *args: object) -> T:
        """Run ``work(*args)`` after everything submitted so far and return its result.

        Raises:
            BaseException: What it, or an earlier piece of work, raised.
        """
        done: asyncio.Future[T] = self._loop.create_future()

        def run() -> None:
            try:
                if self._failure is not None:
                    raise self._failure  # noqa: TRY301 - one way out for both failures
                result = work(*args)
            except BaseException as failure:  # noqa: BLE001 - handed to whoever waits
                self._failure = failure
                self._tell(_fail, done, failure)
            else:
                self._tell(_succeed, done, result)

        self._queue.put(run)
        return await done

    async def _wait_for_room(self) -> None:
        self._room.clear()
        self._held_back = True
        # Looked at once more after saying so: the thread may have been done just before it could see that.
        if self._given - self._done >= self._depth:
            await self._room.wait()

    def _let_go_on(self) -> None:
        # Waking the loop costs more than anything else here: only if it waits, and when there is room for several.
        if self._held_back and self._given - self._done <= self._depth // 2:
            self._held_back = False
            self._tell(self._room.set)

    def _run(self) -> None:
        if sys.platform == "linux":  # elsewhere it would make the whole process nicer
            os.nice(self._nice)
        try:
            while (piece := self._queue.get()) is not None:
                piece()
        finally:
            try:
                for work in self._at_end:
                    work()
            finally:
                self._tell(_succeed, self._ended, None)

    def _tell(self, callback: Callable[..., object], *args: Any) -> None:
        # The loop is closed when a server was stopped the hard way; then nobody is left to be told.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *args)


def _succeed(future: "asyncio.Future[T]", result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[Any]", failure: BaseException) -> None:
    if not future.done():
        future.set_exception(failure)
