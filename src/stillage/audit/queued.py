"""A sink whose events wait in memory and are delivered in batches, in the background. No request waits for it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

import structlog

from stillage.audit.trail import Dropped, Event

log = structlog.get_logger()

WAITING = 10_000
# How long a stop waits for the last events.
LAST_S = 2.0


class QueuedSink(ABC):
    """Implements `audit.trail.Sink`. What cannot be delivered in time is dropped, counted and logged."""

    def __init__(self, loss: str, *, batch: int, dropped: Dropped, waiting: int, gathered_s: float = 0.0) -> None:
        """Start. Needs a running loop.

        Args:
            loss: What the log says when events are lost.
            batch: The most events that are delivered together.
            dropped: Counts events that are lost.
            waiting: How many events may be queued.
            gathered_s: How long events are gathered before they are delivered together.
        """
        self._loss = loss
        self._batch = batch
        self._dropped = dropped
        self._gathered_s = gathered_s
        self._queue: asyncio.Queue[Event] = asyncio.Queue(waiting)
        self._taken = 0
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._deliver_all())

    async def write(self, event: Event) -> None:
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.drop(1, "the queue is full")

    async def close(self) -> None:
        """Deliver queued events for a moment, and drop the rest."""
        self._stopping.set()
        try:
            async with asyncio.timeout(LAST_S):
                await self._queue.join()
        except TimeoutError:
            pass
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if left := self._queue.qsize() + self._taken:
            self.drop(left, "the server is stopping")

    def drop(self, count: int, why: str) -> None:
        self._dropped(count)
        log.error(self._loss, count=count, why=why)

    @abstractmethod
    async def deliver(self, batch: Sequence[Event]) -> None:
        """Deliver *batch*, as often as it takes, or `drop` it."""

    async def _deliver_all(self) -> None:
        while True:
            batch = [await self._queue.get()]
            self._taken = 1
            await self._gather()
            while len(batch) < self._batch and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            self._taken = len(batch)
            await self.deliver(batch)
            self._taken = 0
            for _ in batch:
                self._queue.task_done()

    async def _gather(self) -> None:
        if not self._gathered_s:
            return
        try:
            async with asyncio.timeout(self._gathered_s):
                await self._stopping.wait()
        except TimeoutError:
            pass
