"""Sends audit events to a webhook as JSON arrays, in the background, with retries."""

import asyncio
import json
from collections.abc import Sequence

import structlog

from stillage.audit.queued import WAITING, QueuedSink
from stillage.audit.trail import Dropped, Event
from stillage.errors import Unavailable
from stillage.peers import Peer

log = structlog.get_logger()

BATCH = 100
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
# Statuses to retry, besides 5xx.
LATER = (408, 425, 429)


class Webhook(QueuedSink):
    """It gets every event at least once, and twice when its answer was lost; ids tell."""

    def __init__(
        self, peer: Peer, *, dropped: Dropped, first_pause_s: float = FIRST_PAUSE_S, waiting: int = WAITING
    ) -> None:
        """Start. See `QueuedSink`."""
        super().__init__("dropped events for the audit webhook", batch=BATCH, dropped=dropped, waiting=waiting)
        self._peer = peer
        self._first_pause_s = first_pause_s

    async def deliver(self, batch: Sequence[Event]) -> None:
        body = json.dumps(batch, separators=(",", ":")).encode()
        pause_s = self._first_pause_s
        while (status := await self._post(body)) is None or status >= 500 or status in LATER:
            log.warning("the audit webhook does not accept events; retrying", status=status, pause_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        if status >= 300:
            self.drop(len(batch), f"it answered {status}")

    async def _post(self, body: bytes) -> int | None:
        try:
            return (await self._peer("POST", "", {"Content-Type": "application/json"}, body)).status
        except Unavailable:
            return None
