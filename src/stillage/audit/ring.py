"""Keeps the latest audit events where they can be queried. No request waits for it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from stillage.audit.trail import Dropped, Event
from stillage.errors import Unavailable

log = structlog.get_logger()

WAITING = 10_000
BATCH = 200
GATHERED_S = 1.0
"""How long events are gathered before they are written together, so that many small requests cost one transaction."""
PAUSE_S = 1.0
# How long a stop waits for the last events.
LAST_S = 2.0


class Ring:
    """Implements `audit.trail.Sink`. What a crash interrupts is lost: the last fraction of a second."""

    def __init__(
        self,
        keep: Callable[[Sequence[Event]], Awaitable[None]],
        *,
        dropped: Dropped,
        waiting: int = WAITING,
        gathered_s: float = GATHERED_S,
    ) -> None:
        """Start. Needs a running loop.

        Args:
            keep: Stores events; raises Unavailable if it should be called again.
            dropped: Counts events that are lost.
            waiting: How many events may be queued.
            gathered_s: How long events are gathered.
        """
        self._keep = keep
        self._dropped = dropped
        self._gathered_s = gathered_s
        self._queue: asyncio.Queue[Event] = asyncio.Queue(waiting)
        self._writing = 0
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._write_all())

    async def write(self, event: Event) -> None:
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._drop(1, "the queue is full")

    async def close(self) -> None:
        """Write queued events for a moment, and drop the rest."""
        self._stopping.set()
        try:
            async with asyncio.timeout(LAST_S):
                await self._queue.join()
        except TimeoutError:
            pass
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if left := self._queue.qsize() + self._writing:
            self._drop(left, "the server is stopping")

    async def _write_all(self) -> None:
        while True:
            batch = [await self._queue.get()]
            await self._gather()
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            self._writing = len(batch)
            await self._write(batch)
            self._writing = 0
            for _ in batch:
                self._queue.task_done()

    async def _gather(self) -> None:
        try:
            async with asyncio.timeout(self._gathered_s):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _write(self, batch: Sequence[Event]) -> None:
        while True:
            try:
                return await self._keep(batch)
            except Unavailable:
                await asyncio.sleep(PAUSE_S)
            except Exception as error:  # noqa: BLE001 - one bad batch must not end the audit of all others
                self._drop(len(batch), str(error) or type(error).__name__)
                return None

    def _drop(self, count: int, why: str) -> None:
        self._dropped(count)
        log.error("dropped events for GET /v2/audit", count=count, why=why)
