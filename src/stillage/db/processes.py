"""Server processes that live: each says so with every sweep. Plain functions of a connection, as in `db.images`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from stillage.db.leases import LeaseOwner
from stillage.db.tables import processes


@dataclass(frozen=True, slots=True)
class Process:
    """What a process says of itself.

    Attributes:
        requests: Of the last hour, by minute since 1970.
    """

    owner: LeaseOwner
    version: str
    started_at: datetime
    seen_at: datetime
    requests: Mapping[int, int]


def report(connection: Connection, process: Process, dead_before: datetime) -> None:
    """Store what *process* says, and forget those that were not seen since *dead_before*."""
    values = {
        "version": process.version,
        "started_at": process.started_at,
        "seen_at": process.seen_at,
        "requests": {str(minute): count for minute, count in process.requests.items()},
    }
    if not connection.execute(update(processes).where(processes.c.owner == process.owner).values(values)).rowcount:
        connection.execute(insert(processes).values(owner=process.owner, **values))
    connection.execute(delete(processes).where(processes.c.seen_at < dead_before))


def find(connection: Connection) -> Sequence[Process]:
    rows = connection.execute(select(processes).order_by(processes.c.owner))
    return [
        Process(row.owner, row.version, row.started_at, row.seen_at, {int(m): n for m, n in row.requests.items()})
        for row in rows
    ]
