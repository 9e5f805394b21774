"""Sessions of the console with an external Keystone. Plain functions of a connection, as in `db.images`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from stillage.db.columns import UtcTime
from stillage.db.lookups import Lookup, Rows
from stillage.db.tables import keystone_sessions as table


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session. *sealed*: Keystone's token, encrypted."""

    digest: str
    sealed: str = field(repr=False)
    expires_at: datetime
    idle_until: datetime


def add(connection: Connection, row: SessionRow) -> None:
    values = {"hash": row.digest, "sealed": row.sealed, "expires_at": row.expires_at, "idle_until": row.idle_until}
    connection.execute(insert(table).values(values))


def use(connection: Connection, digest: str, idle_until: datetime) -> None:
    """Write down that a session is used, and so ends later."""
    connection.execute(update(table).where(table.c.hash == digest).values(idle_until=idle_until))


def end(connection: Connection, digest: str) -> None:
    connection.execute(delete(table).where(table.c.hash == digest))


def forget_expired(connection: Connection, now: datetime) -> int:
    """Delete the sessions that have ended, and return how many."""
    return connection.execute(delete(table).where(table.c.expires_at <= now)).rowcount


def _keys(digest: str, now: datetime) -> Mapping[str, Any]:
    return {"digest": digest, "now": now}


def _row(rows: Rows) -> SessionRow | None:
    return SessionRow(*rows[0]) if rows else None


NOW = bindparam("now", type_=UtcTime)
FIND = select(table.c.hash, table.c.sealed, table.c.expires_at, table.c.idle_until).where(
    table.c.hash == bindparam("digest"), table.c.expires_at > NOW, table.c.idle_until > NOW
)
find = Lookup(FIND, _keys, _row)
"""Returns the session if it is good *now*."""
