"""Running inspections. They store nothing and count as uploads. Plain functions of a connection."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, insert, update

from stillage.db import usage
from stillage.db.leases import Dead, Lease, LeaseOwner
from stillage.db.tables import inspections
from stillage.ids import ProjectId
from stillage.images.quota import Quotas, Usage, scope_of_project

LEASE = Lease(inspections.c.lease_owner, inspections.c.lease_expires_at)


def begin(
    connection: Connection,
    inspection_id: str,
    project_id: ProjectId,
    owner: LeaseOwner,
    expires_at: datetime,
    quotas: Quotas,
) -> None:
    """Record a running inspection.

    Raises:
        TooManyUploads: If the project or this node has as many uploads as its limit allows.
    """
    usage.change(connection, scope_of_project(project_id), Usage(uploads=1), quotas.project)
    usage.change_uploads_of_nodes(connection, begun=[owner], limits=quotas.node)
    lease = LEASE.values(owner, expires_at)
    connection.execute(insert(inspections).values(id=inspection_id, project_id=project_id, **lease))


def renew(connection: Connection, inspection_id: str, expires_at: datetime) -> None:
    inspection = inspections.c.id == inspection_id
    connection.execute(update(inspections).where(inspection).values(lease_expires_at=expires_at))


def end(connection: Connection, inspection_id: str) -> None:
    """Delete the record of an inspection, if there is one."""
    _end(connection, inspections.c.id == inspection_id)


def end_dead(connection: Connection, now: datetime, dead: Dead | None) -> int:
    """End those whose lease has run out, or is of *dead*; return how many."""
    return _end(connection, LEASE.is_over(now, dead))


def _end(connection: Connection, those: ColumnElement[bool]) -> int:
    ended = connection.execute(
        delete(inspections).where(those).returning(inspections.c.project_id, inspections.c.lease_owner)
    ).all()
    for row in sorted(ended):
        usage.change(connection, scope_of_project(row.project_id), Usage(uploads=-1))
    usage.change_uploads_of_nodes(connection, ended=[row.lease_owner for row in ended])
    return len(ended)
