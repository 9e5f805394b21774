"""Sessions of the console with an external Keystone. Plain functions of a connection, as in `db.images`."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, fields
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
    audit_id: str
    user_id: str
    project_id: str
    project_name: str
    address: str | None
    sealed: str = field(repr=False)
    begun_at: datetime
    expires_at: datetime
    idle_until: datetime


COLUMNS = tuple(table.c["hash" if each.name == "digest" else each.name] for each in fields(SessionRow))
MOST = 1000
"""Of one user's that are listed."""


def add(connection: Connection, row: SessionRow) -> None:
    values = {column.name: value for column, value in zip(COLUMNS, astuple(row), strict=True)}
    connection.execute(insert(table).values(values))


def of_user(connection: Connection, user_id: str, now: datetime) -> list[SessionRow]:
    """Return the sessions of a user that are good *now*, the newest first."""
    good = (table.c.user_id == user_id) & (table.c.expires_at > now) & (table.c.idle_until > now)
    rows = connection.execute(select(*COLUMNS).where(good).order_by(table.c.begun_at.desc(), table.c.hash).limit(MOST))
    return [SessionRow(*row) for row in rows]


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
FIND = select(*COLUMNS).where(table.c.hash == bindparam("digest"), table.c.expires_at > NOW, table.c.idle_until > NOW)
find = Lookup(FIND, _keys, _row)
"""Returns the session if it is good *now*."""
