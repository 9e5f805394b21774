"""What projects use and may use. Plain functions of a connection, as in `db.images`.

A project's own limits are columns of its row in `usage`, so that `db.usage` compares with them without another query.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, Select, String, func, insert, literal, or_, select, union, update

from stillage.db import Connection
from stillage.db.tables import jobs, projects, usage
from stillage.ids import ProjectId
from stillage.images.job import State
from stillage.images.quota import Limits, Quota, Usage, scope_of_project

PREFIX = scope_of_project(None)
OWN = {
    "bytes": usage.c.max_bytes,
    "images": usage.c.max_images,
    "uploads": usage.c.max_uploads,
    "jobs": usage.c.max_jobs,
}


def find(connection: Connection, project_id: ProjectId | None, default: Limits) -> Quota:
    """Return the quota of a project, of which nothing needs to be known. *default*: the limits of the settings."""
    scope = select(literal(scope_of_project(project_id), String).label("scope")).subquery()
    return _quota(connection.execute(_rows(scope)).one(), default)


def page(
    connection: Connection, default: Limits, limit: int, marker: str | None = None, *, with_own: bool = False
) -> Sequence[Quota]:
    """Return the quotas of the projects behind *marker*, an id. *with_own*: of those with own limits only."""
    used = select(usage.c.scope).where(usage.c.scope.startswith(PREFIX), usage.c.scope != PREFIX)
    named = select(literal(PREFIX, String).concat(projects.c.id).label("scope"))
    scope = union(used, named).subquery()
    query = _rows(scope).where(scope.c.scope > f"{PREFIX}{marker or ''}").order_by(scope.c.scope).limit(limit)
    if with_own:
        query = query.where(or_(*(column.is_not(None) for column in OWN.values())))
    return [_quota(row, default) for row in connection.execute(query)]


def change(connection: Connection, project_id: ProjectId, own: Limits) -> None:
    """Replace a project's own limits. What it uses already may be more."""
    scope, values = scope_of_project(project_id), {OWN[name].name: limit for name, limit in asdict(own).items()}
    if connection.execute(update(usage).where(usage.c.scope == scope).values(values)).rowcount == 0:
        connection.execute(insert(usage).values(scope=scope, bytes=0, images=0, uploads=0, **values))


def has_project(connection: Connection, project_id: str) -> bool:
    """True if the embedded identity has the project."""
    return connection.execute(select(projects.c.id).where(projects.c.id == project_id)).first() is not None


def _rows(scope: Any) -> Select[Any]:
    project_id = func.substr(scope.c.scope, len(PREFIX) + 1)
    runs = (jobs.c.state == State.RUNNING) & jobs.c.lease_owner.is_not(None) & (jobs.c.project_id == project_id)
    running = select(func.count()).where(runs).scalar_subquery()
    return (
        select(project_id.label("project_id"), projects.c.name, usage, running.label("running"))
        .select_from(scope)
        .outerjoin(usage, usage.c.scope == scope.c.scope)
        .outerjoin(projects, projects.c.id == project_id)
    )


def _quota(row: Row[Any], default: Limits) -> Quota:
    own = Limits(row.max_bytes, row.max_images, row.max_uploads, row.max_jobs)
    used = Usage(row.bytes or 0, row.images or 0, row.uploads or 0)
    return Quota(ProjectId(row.project_id), row.name, used, own, own.over(default), row.running)
