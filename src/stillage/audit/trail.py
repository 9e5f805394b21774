"""Sends audit events to the log, and to the file and the webhook in the settings."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import structlog

from stillage.audit.events import Change, event_of

log = structlog.get_logger()

Event = dict[str, Any]
Dropped = Callable[[int], None]
"""Called with the number of events that a sink lost."""


class Sink(Protocol):
    """Keeps events. Failures are logged and counted, and never raised to the writer."""

    async def write(self, event: Event) -> None: ...

    async def close(self) -> None: ...


class Trail:
    def __init__(self, sinks: Sequence[Sink], *, node: str, clock: Callable[[], datetime]) -> None:
        """*node*: the observer in the events."""
        self._sinks = sinks
        self._node = node
        self._clock = clock

    async def record(self, change: Change) -> None:
        event = event_of(change, now=self._clock(), node=self._node)
        log.info("audit", **event)
        for sink in self._sinks:
            await sink.write(event)

    async def close(self) -> None:
        for sink in self._sinks:
            await sink.close()
