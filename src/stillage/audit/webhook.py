"""Sends audit events to a webhook as JSON arrays, in the background, with retries."""

import asyncio
import json

import structlog

from stillage.audit.trail import Dropped, Event
from stillage.errors import Unavailable
from stillage.peers import Peer

log = structlog.get_logger()

WAITING = 10_000
BATCH = 100
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
# How long a stop waits for the last events.
LAST_S = 2.0
# Statuses to retry, besides 5xx.
LATER = (408, 425, 429)


class Webhook:
    """Implements `audit.trail.Sink`. Requests never wait for the webhook: what it cannot take in time is dropped.

    It gets every event at least once, and twice when its answer was lost; ids tell.
    """

    def __init__(
        self, peer: Peer, *, dropped: Dropped, first_pause_s: float = FIRST_PAUSE_S, waiting: int = WAITING
    ) -> None:
        """Start. Needs a running loop. *waiting*: how many events may be queued."""
        self._peer = peer
        self._dropped = dropped
        self._first_pause_s = first_pause_s
        self._queue: asyncio.Queue[Event] = asyncio.Queue(waiting)
        self._sending = 0
        self._task = asyncio.create_task(self._send_all())

    async def write(self, event: Event) -> None:
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._drop(1, "the queue is full")

    async def close(self) -> None:
        """Send queued events for a moment, and drop the rest."""
        try:
            async with asyncio.timeout(LAST_S):
                await self._queue.join()
        except TimeoutError:
            pass
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if left := self._queue.qsize() + self._sending:
            self._drop(left, "the server is stopping")

    async def _send_all(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            self._sending = len(batch)
            await self._send(batch)
            self._sending = 0
            for _ in batch:
                self._queue.task_done()

    async def _send(self, batch: list[Event]) -> None:
        body = json.dumps(batch, separators=(",", ":")).encode()
        pause_s = self._first_pause_s
        while (status := await self._post(body)) is None or status >= 500 or status in LATER:
            log.warning("the audit webhook does not accept events; retrying", status=status, pause_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        if status >= 300:
            self._drop(len(batch), f"it answered {status}")

    async def _post(self, body: bytes) -> int | None:
        try:
            return (await self._peer("POST", "", {"Content-Type": "application/json"}, body)).status
        except Unavailable:
            return None

    def _drop(self, count: int, why: str) -> None:
        self._dropped(count)
        log.error("dropped events for the audit webhook", count=count, why=why)
