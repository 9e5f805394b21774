"""Read the audit: all of it for administrators, for others what concerns their own project."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from stillage.accounts.principal import Principal
from stillage.audit.event_ids import first_id
from stillage.db import audit_events as db
from stillage.db.audit_events import Event, Query
from stillage.db.session import Database
from stillage.images.access import Access

AT_ONCE = 500
"""Events that an export reads together."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How many events are kept, and for how long."""

    most: int
    keep_s: float


class Audit:
    def __init__(self, database: Database, *, access: Access, kept: Kept, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._access = access
        self._kept = kept
        self._clock = clock

    async def keep(self, events: Sequence[Event]) -> None:
        """Store *events*. For `audit.ring`."""
        await self._database.write(db.add, events)

    async def page(self, principal: Principal, query: Query) -> Sequence[dict[str, Any]]:
        """Return the events that *query* wants and *principal* may see, the newest first, and one more if any.

        Who is no admin sees what people of their project did, and what was done to its images; of people of other
        projects not from where they did it.
        """
        query = replace(query, limit=query.limit + 1)
        if self._access.is_admin(principal):
            return await self._database.read(db.find, query)
        own = principal.project_id
        events = await self._database.read(db.find, replace(query, project_id=own))
        return [event if event["initiator"].get("project_id") == own else _less(event) for event in events]

    async def export(self, principal: Principal, query: Query) -> AsyncIterator[Sequence[dict[str, Any]]]:
        """Yield the events as `page`, some at a time, all that *query* wants whatever its limit."""
        query = replace(query, limit=AT_ONCE)
        while True:
            events = await self.page(principal, query)
            yield events[:AT_ONCE]
            if len(events) <= AT_ONCE:
                return
            query = replace(query, before=events[AT_ONCE - 1]["id"])

    async def forget_old(self) -> int:
        """Delete the events that are too old or too many, and return how many. For the sweep."""
        before = first_id(self._clock() - timedelta(seconds=self._kept.keep_s))
        return await self._database.write(db.forget, before, self._kept.most)


def _less(event: dict[str, Any]) -> dict[str, Any]:
    initiator = {name: part for name, part in event["initiator"].items() if name not in ("host", "credential")}
    return {**event, "initiator": initiator}
