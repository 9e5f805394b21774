"""The latest audit events, to be read and exported. Plain functions of a connection, as in `db.images`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select, union_all

from stillage.db.tables import audit_events, images
from stillage.ids import ProjectId

Event = Mapping[str, Any]
MAX_KEY = 255
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Query:
    """Which events, the newest first.

    Attributes:
        limit: At most so many.
        before: Only those with ids before this one: the marker of a page, or the first of a time.
        since: Only those with ids from this one on.
        project_id: Only what somebody of this project did, or what was done to an image of it.
        action: The action itself, or what it begins with before a ``/``.
    """

    limit: int
    before: str | None = None
    since: str | None = None
    project_id: ProjectId | None = None
    target: str | None = None
    user: str | None = None
    action: str | None = None


def add(connection: Connection, events: Sequence[Event]) -> None:
    """Store *events*, with the owners of the images that they are about."""
    rows = [_row(event) for event in events]
    owned = select(images.c.id, images.c.owner).where(images.c.id.in_({row["target_id"] for row in rows}))
    owners = {row.id: row.owner for row in connection.execute(owned)}
    for row in rows:
        owner = owners.get(row["target_id"])
        row["owner"] = None if owner == row["project_id"] else owner
    connection.execute(insert(audit_events), rows)


def find(connection: Connection, query: Query) -> Sequence[dict[str, Any]]:
    """Return the events that *query* wants."""
    columns, conditions = (audit_events.c.id, audit_events.c.event), list(_conditions(query))
    if query.project_id is None:
        wanted = select(*columns).where(*conditions)
    else:
        # Two queries that each follow an index: one condition with OR would read the events of everybody.
        places = (audit_events.c.project_id == query.project_id, audit_events.c.owner == query.project_id)
        parts = (select(*columns).where(*conditions, place) for place in places)
        latest = (part.order_by(audit_events.c.id.desc()).limit(query.limit).subquery() for part in parts)
        wanted = select(union_all(*(select(part) for part in latest)).subquery())
    newest = wanted.order_by(wanted.selected_columns.id.desc()).limit(query.limit)
    return [json.loads(row.event) for row in connection.execute(newest)]


def forget(connection: Connection, before: str, most: int) -> int:
    """Delete the events with ids before *before*, and the oldest beyond *most*; return how many."""
    beyond = select(audit_events.c.id).order_by(audit_events.c.id.desc()).offset(most).limit(1)
    last = connection.execute(beyond).scalar()
    old = audit_events.c.id < before
    if last is not None:
        old = or_(old, audit_events.c.id <= last)
    return connection.execute(delete(audit_events).where(old)).rowcount


def _row(event: Event) -> dict[str, Any]:
    return {
        "id": event["id"],
        "action": event["action"],
        "user_id": _key(event["initiator"]["id"]),
        "project_id": _key(event["initiator"].get("project_id")),
        "target_id": _key(event["target"]["id"]),
        "event": json.dumps(event, separators=(",", ":")),
    }


def _key(text: str | None) -> str | None:
    """Return *text* if a column can have it; ids in URLs may be anything."""
    return text if text is None or (text.isprintable() and len(text) <= MAX_KEY) else UNKNOWN


def _conditions(query: Query) -> Iterator[ColumnElement[bool]]:
    columns = audit_events.c
    if query.before is not None:
        yield columns.id < query.before
    if query.since is not None:
        yield columns.id >= query.since
    if query.target is not None:
        yield columns.target_id == query.target
    if query.user is not None:
        yield columns.user_id == query.user
    if query.action is not None:
        yield or_(columns.action == query.action, columns.action.startswith(f"{query.action}/", autoescape=True))
