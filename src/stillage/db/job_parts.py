"""Parts of a job: rows that clients can read, whose work the job that they are parts of does. Plain functions.

No process takes a part by itself: it is never due. Transactions lock the row of the whole job first, then images, each
before its part.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, literal, select, update

from stillage.db.columns import UtcTime
from stillage.db.jobs import OPEN, can_move_to, end_values, job_of, lock_image_of
from stillage.db.tables import jobs
from stillage.ids import JobId
from stillage.images.job import Failure, Job, State


def of(connection: Connection, parent: JobId) -> list[Job]:
    """Return the parts of a job, in their order, which is that of their ids."""
    return [job_of(row) for row in connection.execute(select(jobs).where(jobs.c.parent == parent).order_by(jobs.c.id))]


def hold(connection: Connection, parent: JobId) -> bool:
    """Lock the row of a job. False if it has ended."""
    return connection.execute(select(jobs.c.id).where(jobs.c.id == parent, OPEN).with_for_update()).first() is not None


def begin(connection: Connection, part: JobId, now: datetime) -> None:
    """Show that a part has begun."""
    values = {
        "state": State.RUNNING,
        "begun_at": func.coalesce(jobs.c.begun_at, literal(now, UtcTime)),
        "updated_at": now,
    }
    connection.execute(update(jobs).where(jobs.c.id == part, OPEN).values(values))


def note_ready(connection: Connection, part: JobId, now: datetime) -> None:
    """Show that a part has done its work, and waits for the others."""
    connection.execute(update(jobs).where(jobs.c.id == part, OPEN).values(progress=1.0, updated_at=now))


def finish(connection: Connection, part: JobId, result: Mapping[str, Any], now: datetime) -> None:
    """End a part with success."""
    values = end_values(State.DONE, now) | {"progress": 1.0, "result": dict(result)}
    connection.execute(update(jobs).where(jobs.c.id == part, can_move_to(State.DONE)).values(values))


def fail(connection: Connection, part: JobId, failure: Failure, now: datetime) -> None:
    """End a part without success, unless it has ended. The row of its image stays locked, in either case."""
    lock_image_of(connection, part)
    values = end_values(State.FAILED, now) | {"error_kind": failure.kind, "error_message": failure.message}
    connection.execute(update(jobs).where(jobs.c.id == part, can_move_to(State.FAILED)).values(values))
