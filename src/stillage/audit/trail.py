"""Sends audit events to the database, the file and the webhook in the settings, or to the log if there is none."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import structlog

from stillage.audit.events import Action, Change, event_of, event_of_job, event_of_upkeep
from stillage.images.job import Job

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
        await self._write(event_of(change, now=self._clock(), node=self._node))

    async def record_job(self, job: Job) -> None:
        """Record that *job* has begun, or how it ended."""
        await self._write(event_of_job(job, now=self._clock(), node=self._node))

    async def record_upkeep(self, action: Action, target_id: str, project_id: str | None, why: str) -> None:
        """Record what the service itself did to an image of a project."""
        await self._write(event_of_upkeep(action, target_id, project_id, why, now=self._clock(), node=self._node))

    async def _write(self, event: Event) -> None:
        # Apart from the log, which has a line for each request; but never nowhere.
        log.log(logging.DEBUG if self._sinks else logging.INFO, "audit", **event)
        for sink in self._sinks:
            await sink.write(event)

    async def close(self) -> None:
        for sink in self._sinks:
            await sink.close()
