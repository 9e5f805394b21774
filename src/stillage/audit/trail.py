"""Where events go: always to the log, and to a file and a webhook where the settings name them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import structlog

from stillage.audit.events import Change, event_of

log = structlog.get_logger()

Event = dict[str, Any]
Dropped = Callable[[int], None]
"""Told how many events a sink could not keep."""


class Sink(Protocol):
    """Keeps events. Whatever goes wrong there is logged and counted, and never the concern of who writes."""

    async def write(self, event: Event) -> None: ...

    async def close(self) -> None: ...


class Trail:
    def __init__(self, sinks: Sequence[Sink], *, node: str, clock: Callable[[], datetime]) -> None:
        """*node*: who observes."""
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
