"""Lists of tasks: jobs of the kinds that Glance knows, in any of its orders. Plain functions of a connection."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, literal, select, tuple_

from stillage.db.columns import UtcTime
from stillage.db.jobs import find, job_of
from stillage.db.tables import jobs
from stillage.errors import InvalidInput
from stillage.images.job import Job
from stillage.images.task import STATUSES, TYPES, TaskQuery

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When a job is forgotten that has not ended."""
ORDERS: dict[str, ColumnElement[Any]] = {
    "created_at": jobs.c.created_at,
    "updated_at": jobs.c.updated_at,
    "expires_at": func.coalesce(jobs.c.ended_at, literal(NEVER, UtcTime)),
    "status": case({str(state): status for state, status in STATUSES.items()}, value=jobs.c.state, else_=""),
    "type": case({str(kind): name for kind, name in TYPES.items()}, value=jobs.c.kind, else_=""),
}


def page(connection: Connection, query: TaskQuery) -> list[Job]:
    """Return the page that *query* describes.

    Raises:
        InvalidInput: If its marker is no task.
    """
    chosen = ORDERS[query.sort_key]
    order = tuple_(chosen, jobs.c.created_at, jobs.c.id)
    statement = select(jobs).where(jobs.c.kind.in_(query.kinds))
    if query.state is not None:
        statement = statement.where(jobs.c.state == query.state)
    if query.marker is not None:
        marker = find(connection, query.marker)
        if marker is None or marker.kind not in TYPES:
            raise InvalidInput(f"marker {query.marker[:36]!r} is no task; start again without marker")
        place = tuple_(
            literal(_value(query.sort_key, marker), chosen.type), literal(marker.created_at, UtcTime), marker.id
        )
        statement = statement.where(order < place if query.descends else order > place)
    keys = [key.desc() if query.descends else key for key in order.clauses]
    return [job_of(row) for row in connection.execute(statement.order_by(*keys).limit(query.limit))]


def _value(sort_key: str, job: Job) -> Any:
    """Return what *job* has in the order of *sort_key*."""
    return {
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "expires_at": job.ended_at or NEVER,
        "status": STATUSES[job.state],
        "type": TYPES[job.kind],
    }[sort_key]
