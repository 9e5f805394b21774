"""Failed logins, shared by all processes and nodes. Names are kept as digests: people type passwords there.

Plain functions of a connection, as in `db.images`.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from stillage.db.tables import login_failures as table

MOST = 100_000
"""Rows kept at most: about 10 MiB."""


def latest(connection: Connection, who: str, since: datetime, limit: int) -> Sequence[datetime]:
    """Return when *who* failed after *since*: at most *limit* times, the latest first."""
    failed = (table.c.who == who) & (table.c.failed_at > since)
    query = select(table.c.failed_at).where(failed).order_by(table.c.failed_at.desc()).limit(limit)
    return connection.execute(query).scalars().all()


def record(connection: Connection, who: str, now: datetime) -> None:
    newest = connection.execute(insert(table).values(who=who, failed_at=now).returning(table.c.id)).scalar_one()
    # Ids grow, so this bounds the table, whatever fails; the oldest rows go first.
    connection.execute(delete(table).where(table.c.id <= newest - MOST))


def move(connection: Connection, who: str, now: datetime) -> None:
    """Let the failures of *who* count as if all of them were *now*, and so be over at once."""
    connection.execute(update(table).where(table.c.who == who).values(failed_at=now))


def forget(connection: Connection, who: str) -> None:
    """Forget the failures of *who*, who has just succeeded."""
    connection.execute(delete(table).where(table.c.who == who))


def forget_before(connection: Connection, moment: datetime) -> int:
    """Delete rows that no limit counts any more, and return how many."""
    return connection.execute(delete(table).where(table.c.failed_at <= moment)).rowcount
