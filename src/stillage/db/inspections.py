"""Inspections that run now. They keep nothing, and count as uploads. Plain functions of a connection."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, update

from stillage.db import usage
from stillage.db.tables import inspections
from stillage.ids import ProjectId
from stillage.images.quota import Quotas, Usage, scope_of_project


def begin(
    connection: Connection, inspection_id: str, project_id: ProjectId, owner: str, expires_at: datetime, quotas: Quotas
) -> None:
    """Count an inspection from now on.

    Raises:
        TooManyUploads: If the project, or this node, may not have another upload.
    """
    usage.change(connection, scope_of_project(project_id), Usage(uploads=1), quotas.project)
    usage.change_uploads_of_nodes(connection, begun=[owner], limits=quotas.node)
    values = {
        "id": inspection_id, "project_id": project_id, "lease_owner": owner, "lease_expires_at": expires_at
    }  # fmt: skip
    connection.execute(insert(inspections).values(values))


def renew(connection: Connection, inspection_id: str, expires_at: datetime) -> None:
    mine = inspections.c.id == inspection_id
    connection.execute(update(inspections).where(mine).values(lease_expires_at=expires_at))


def end(connection: Connection, inspection_id: str) -> None:
    """Count it no more. Nothing happens if that was done before."""
    _end(connection, inspections.c.id == inspection_id)


def end_dead(connection: Connection, now: datetime, owner_prefix: str | None) -> int:
    """End those whose lease has run out, or whose owner's name begins with *owner_prefix*; return how many."""
    over = inspections.c.lease_expires_at < now
    if owner_prefix is None:
        return _end(connection, over)
    return _end(connection, or_(over, inspections.c.lease_owner.startswith(owner_prefix, autoescape=True)))


def _end(connection: Connection, those: ColumnElement[bool]) -> int:
    ended = connection.execute(
        delete(inspections).where(those).returning(inspections.c.project_id, inspections.c.lease_owner)
    ).all()
    for row in sorted(ended):
        usage.change(connection, scope_of_project(row.project_id), Usage(uploads=-1))
    usage.change_uploads_of_nodes(connection, ended=[row.lease_owner for row in ended])
    return len(ended)
