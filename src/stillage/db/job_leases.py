"""Leases of background jobs that one process of the deployment does at a time. Plain functions of a connection."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, text

from stillage.db.columns import UtcTime
from stillage.db.leases import Dead, Lease, LeaseOwner, OwnerText, is_of
from stillage.db.tables import job_leases

LEASE = Lease(job_leases.c.lease_owner, job_leases.c.lease_expires_at)
# The same SQL on SQLite and PostgreSQL, for which SQLAlchemy has different constructs.
TAKE = text("""
    INSERT INTO job_leases (job, lease_owner, lease_expires_at) VALUES (:job, :owner, :until)
    ON CONFLICT (job) DO UPDATE SET lease_owner = excluded.lease_owner, lease_expires_at = excluded.lease_expires_at
    WHERE job_leases.lease_owner = excluded.lease_owner OR job_leases.lease_expires_at < :now
    RETURNING job
""").bindparams(bindparam("owner", type_=OwnerText), bindparam("now", type_=UtcTime), bindparam("until", type_=UtcTime))


def take(connection: Connection, job: str, owner: LeaseOwner, now: datetime, until: datetime) -> bool:
    """Take or renew the lease of *job*. False if another process holds it."""
    return connection.execute(TAKE, {"job": job, "owner": owner, "now": now, "until": until}).first() is not None


def drop(connection: Connection, job: str, owner: LeaseOwner) -> None:
    connection.execute(delete(job_leases).where(job_leases.c.job == job, LEASE.is_held_by(owner)))


def drop_of(connection: Connection, dead: Dead) -> None:
    """Let others do what *dead* was doing."""
    connection.execute(delete(job_leases).where(is_of(dead, LEASE.owner)))
