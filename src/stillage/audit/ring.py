"""Keeps the latest audit events where they can be queried. No request waits for it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from stillage.audit.queued import WAITING, QueuedSink
from stillage.audit.trail import Dropped, Event
from stillage.errors import Unavailable

BATCH = 200
GATHERED_S = 1.0
"""How long events are gathered before they are written together, so that many small requests cost one transaction."""
PAUSE_S = 1.0


class Ring(QueuedSink):
    """What a crash interrupts is lost: the last fraction of a second."""

    def __init__(
        self,
        keep: Callable[[Sequence[Event]], Awaitable[None]],
        *,
        dropped: Dropped,
        waiting: int = WAITING,
        gathered_s: float = GATHERED_S,
    ) -> None:
        """Start. *keep*: stores events; raises Unavailable if it should be called again. See `QueuedSink`."""
        loss = "dropped events for GET /v2/audit"
        super().__init__(loss, batch=BATCH, dropped=dropped, waiting=waiting, gathered_s=gathered_s)
        self._keep = keep

    async def deliver(self, batch: Sequence[Event]) -> None:
        while True:
            try:
                return await self._keep(batch)
            except Unavailable:
                await asyncio.sleep(PAUSE_S)
            except Exception as error:  # noqa: BLE001 - one bad batch must not end the audit of all others
                self.drop(len(batch), str(error) or type(error).__name__)
                return None
