"""What a deployment has and does: counts for administrators. Plain functions of a connection, as in `db.images`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from stillage.db.leases import LeaseOwner
from stillage.db.tables import blobs, images, inspections, job_leases, jobs, upload_pieces, uploads, usage
from stillage.images.job import State
from stillage.images.quota import scope_of_project

SCRUB = "scrub"


@dataclass(frozen=True, slots=True)
class Stored:
    """What all blobs and images are: counted by reading all of them.

    Attributes:
        stores: By the id of each: blobs, their bytes, and how many of them are damaged.
        damaged_images: Those of which no copy is good.
    """

    stores: Mapping[str, tuple[int, int, int]]
    damaged_images: int


@dataclass(frozen=True, slots=True)
class Running:
    """What happens now.

    Attributes:
        uploads: Open ones, resumable ones that wait for their client included.
        jobs: By state.
        scrub: The process that scrubs; how many blobs there are, and were read since a time; the first and last time.
        leases: How many each node holds.
    """

    uploads: int
    inspections: int
    jobs: Mapping[str, int]
    scrub: tuple[LeaseOwner | None, int, int, datetime | None, datetime | None]
    leases: Mapping[str, int]


def stored(connection: Connection) -> Stored:
    """Count what is stored. Reads a row of every blob and image."""
    counts = (func.count(), func.coalesce(func.sum(blobs.c.size), 0), func.count(blobs.c.damage))
    query = select(blobs.c.store, *counts).where(blobs.c.state == "published").group_by(blobs.c.store)
    damaged = select(func.count()).where(images.c.damage.is_not(None), images.c.deleted_at.is_(None))
    stores = {row[0]: (row[1], int(row[2]), row[3]) for row in connection.execute(query)}
    return Stored(stores, connection.execute(damaged).scalar_one())


def running(connection: Connection, now: datetime, scrubbed_since: datetime) -> Running:
    """Count what happens now."""
    states = (State.ACCEPTED, State.RUNNING)
    of_jobs = select(jobs.c.state, func.count()).where(jobs.c.state.in_(states)).group_by(jobs.c.state)
    found = {row[0]: row[1] for row in connection.execute(of_jobs)}
    return Running(
        _count(connection, uploads),
        _count(connection, inspections),
        {state.value: found.get(state.value, 0) for state in states},
        _scrub(connection, now, scrubbed_since),
        _leases(connection, now),
    )


def _scrub(connection: Connection, now: datetime, since: datetime) -> Any:
    lease = select(job_leases.c.lease_owner).where(job_leases.c.job == SCRUB, job_leases.c.lease_expires_at > now)
    published = blobs.c.state == "published"
    total, oldest, latest = connection.execute(
        select(func.count(), func.min(blobs.c.scrubbed_at), func.max(blobs.c.scrubbed_at)).where(published)
    ).one()
    done = select(func.count()).where(published, blobs.c.scrubbed_at >= since)
    return connection.execute(lease).scalar(), total, connection.execute(done).scalar_one(), oldest, latest


def _leases(connection: Connection, now: datetime) -> dict[str, int]:
    held: dict[str, int] = {}
    for owner, until in (
        (uploads.c.lease_owner, uploads.c.lease_expires_at),
        (uploads.c.verifier, uploads.c.verifier_expires_at),
        (inspections.c.lease_owner, inspections.c.lease_expires_at),
        (jobs.c.lease_owner, jobs.c.lease_until),
        (job_leases.c.lease_owner, job_leases.c.lease_expires_at),
    ):
        query = select(owner, func.count()).where(owner.is_not(None), until > now).group_by(owner)
        _add(held, connection.execute(query).all())
    pieces = select(upload_pieces.c.lease_owner, func.count()).group_by(upload_pieces.c.lease_owner)
    _add(held, connection.execute(pieces).all())
    return held


def _add(held: dict[str, int], rows: Sequence[Any]) -> None:
    for owner, count in rows:
        held[owner.node] = held.get(owner.node, 0) + count


def _count(connection: Connection, table: Any) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


@dataclass(frozen=True, slots=True)
class Used:
    """What there is and who has it, for monitoring.

    Attributes:
        images: By status, without deleted ones.
        projects: By id, those that use most first: bytes, images, and their own limits of both, None if not set.
    """

    images: Mapping[str, int]
    projects: Mapping[str, tuple[int, int, int | None, int | None]]


def used(connection: Connection, most: int) -> Used:
    """Count images and what the *most* largest projects use. Reads a row of every image."""
    by_status = select(images.c.status, func.count()).where(images.c.deleted_at.is_(None)).group_by(images.c.status)
    of_projects = usage.c.scope.startswith(scope_of_project(None))
    columns = (usage.c.scope, usage.c.bytes, usage.c.images, usage.c.max_bytes, usage.c.max_images)
    largest = select(*columns).where(of_projects).order_by(usage.c.bytes.desc(), usage.c.scope).limit(most)
    prefix = len(scope_of_project(None))
    projects = {row[0][prefix:]: (row[1], row[2], row[3], row[4]) for row in connection.execute(largest)}
    return Used({row[0]: row[1] for row in connection.execute(by_status)}, projects)
