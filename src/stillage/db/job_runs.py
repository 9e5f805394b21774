"""Running jobs: take one, renew its lease, finish its steps, end it. Plain functions of a connection.

Whoever takes a job gets a `Hold`. What it writes counts only while it has the job: an owner that was stopped for longer
than its lease, and that another has taken over from, changes nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    union_all,
    update,
)

from stillage.db.columns import UtcTime
from stillage.db.jobs import can_move_to, end_values, job_of, lock_image_of
from stillage.db.leases import Dead, Lease, LeaseOwner, NodeId, is_of
from stillage.db.lookups import Keys, Lookup, Rows
from stillage.db.quotas import PREFIX
from stillage.db.tables import job_steps, jobs, usage
from stillage.ids import JobId
from stillage.images.job import Failure, Job, State
from stillage.images.quota import NO_LIMIT

LEASE = Lease(jobs.c.lease_owner, jobs.c.lease_until)
TAKES = int.from_bytes(b"jobtakes")
"""The advisory lock of PostgreSQL that those who take jobs take turns with, so that limits hold exactly."""
SHORT_STEP = 64
NOW = bindparam("now", type_=UtcTime)
KINDS: BindParameter[str] = bindparam("kinds", expanding=True)
HOLDS_A_LEASE = and_(jobs.c.state == State.RUNNING, jobs.c.lease_owner.is_not(None), jobs.c.lease_until > NOW)


@dataclass(frozen=True, slots=True)
class Hold:
    """A process's hold on a job. *run*: how often the job was taken, which makes every hold another."""

    job_id: JobId
    owner: LeaseOwner
    run: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A job that was taken, with the results of the steps that it has finished."""

    job: Job
    hold: Hold
    results: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobLimits:
    """How many jobs run at once on a node and for a project; None is no limit."""

    node: int
    project: int | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What has changed in a running job since its lease was renewed."""

    hold: Hold
    step: str
    progress: float


def _keys(now: datetime) -> Keys:
    return {"now": now}


def _any(rows: Rows) -> bool:
    return any(rows[0])


DUE = [
    exists().where(jobs.c.state == state, jobs.c.lease_until <= NOW).label(str(state))
    for state in (State.RUNNING, State.ACCEPTED)
]
is_due = Lookup(select(*DUE), _keys, _any)
"""Returns whether there may be a job to take. Every process asks every second, so it asks as little as possible."""


def take(
    connection: Connection, owner: LeaseOwner, kinds: Collection[str], now: datetime, until: datetime, limits: JobLimits
) -> Taken | None:
    """Take a job of *kinds* for *owner*, until *until*; None if none is due, or the limits are reached.

    First one that has begun. Then the oldest of the project that has the fewest running.
    """
    _wait_for_other_takers(connection)
    found = connection.execute(_next(owner.node, limits), {"kinds": sorted(kinds), "now": now})
    job_id: str | None = found.scalar()
    return None if job_id is None else _take(connection, JobId(job_id), owner, now, until)


def _wait_for_other_takers(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":  # with SQLite, transactions that write take turns
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": TAKES})


@lru_cache
def _next(node: NodeId, limits: JobLimits) -> Select[Any]:
    """Select the id of the job to take next. Reads a few index entries for each project that has jobs."""
    oldest = union_all(_oldest(State.RUNNING), _oldest(State.ACCEPTED)).subquery()
    on_node = select(func.count()).where(HOLDS_A_LEASE, is_of(node, LEASE.owner)).scalar_subquery()
    query = select(jobs.c.id).join(oldest, oldest.c.id == jobs.c.id).where(on_node < limits.node)
    own = select(usage.c.max_jobs).where(usage.c.scope == literal(PREFIX).concat(oldest.c.project_id))
    limit = func.coalesce(own.scalar_subquery(), NO_LIMIT if limits.project is None else limits.project)
    query = query.where(or_(limit == NO_LIMIT, oldest.c.running < limit))
    has_begun = case((jobs.c.state == State.RUNNING, 0), else_=1)
    return query.order_by(has_begun, oldest.c.running, jobs.c.lease_until, jobs.c.id).limit(1)


def _oldest(state: State) -> Select[Any]:
    """Select for each project the oldest job in *state* that is due, and how many the project has running."""
    first = select(func.min(jobs.c.project_id).label("project_id")).where(jobs.c.state == state)
    projects = first.cte(f"projects_{state}", recursive=True)
    others = (jobs.c.state == state) & (jobs.c.project_id > projects.c.project_id)
    another = select(func.min(jobs.c.project_id)).where(others).scalar_subquery()
    projects = projects.union_all(select(another).where(projects.c.project_id.is_not(None)))

    of_project = jobs.c.project_id == projects.c.project_id
    due = and_(jobs.c.state == state, of_project, jobs.c.lease_until <= NOW, jobs.c.kind.in_(KINDS))
    oldest = select(jobs.c.id).where(due).order_by(jobs.c.lease_until, jobs.c.id).limit(1).scalar_subquery()
    running = select(func.count()).where(HOLDS_A_LEASE, of_project).scalar_subquery()
    return select(oldest.label("id"), running.label("running"), projects.c.project_id).select_from(projects)


def _take(connection: Connection, job_id: JobId, owner: LeaseOwner, now: datetime, until: datetime) -> Taken | None:
    still = (jobs.c.id == job_id) & (jobs.c.lease_until <= now)  # who cancels it may have been faster
    values = LEASE.values(owner, until) | {
        "state": State.RUNNING,
        "run": jobs.c.run + 1,
        "losses": case((jobs.c.lease_owner.is_(None), jobs.c.losses), else_=jobs.c.losses + 1),
        "begun_at": func.coalesce(jobs.c.begun_at, literal(now, UtcTime)),
        "updated_at": now,
    }
    row = connection.execute(update(jobs).where(still).values(values).returning(*jobs.c)).first()
    if row is None:
        return None
    results = results_of(connection, job_id) if row.run > 1 else {}
    return Taken(job_of(row), Hold(job_id, owner, row.run), results)


def results_of(connection: Connection, job_id: JobId) -> dict[str, Any]:
    """Return the results of the steps that the job has finished."""
    query = select(job_steps.c.name, job_steps.c.result).where(job_steps.c.job_id == job_id)
    return {row.name: row.result for row in connection.execute(query)}


def renew(connection: Connection, news: Collection[News], now: datetime, until: datetime) -> set[Hold]:
    """Renew leases, and keep the news; return the holds that are left. A job that has ended is not among them."""
    ids = [each.hold.job_id for each in news]
    locked = select(jobs.c.id).where(jobs.c.id.in_(ids)).order_by(jobs.c.id).with_for_update()
    connection.execute(locked).all()
    return {each.hold for each in news if _write(connection, each.hold, _renewed(each, now, until))}


def _renewed(news: News, now: datetime, until: datetime) -> dict[str, Any]:
    return {"step": news.step[:SHORT_STEP], "progress": news.progress, "lease_until": until, "updated_at": now}


def finish_step(connection: Connection, hold: Hold, name: str, result: Any, now: datetime) -> bool:
    """Keep the result of a step, which then is never repeated. False if the job is lost, or has ended."""
    if not _write(connection, hold, {"step": name[:SHORT_STEP], "losses": 0, "updated_at": now}):
        return False
    connection.execute(insert(job_steps).values(job_id=hold.job_id, name=name, result=result))
    return True


def finish(connection: Connection, hold: Hold, result: Mapping[str, Any] | None, now: datetime) -> Job | None:
    """End a job with success, and return it. None if it is lost, or has ended."""
    values = end_values(State.DONE, now) | {"progress": 1.0}
    return _end(connection, hold, values if result is None else values | {"result": dict(result)})


def fail(connection: Connection, hold: Hold, failure: Failure, now: datetime) -> Job | None:
    """End a job without success, and return it. None if it is lost, or has ended."""
    lock_image_of(connection, hold.job_id)
    values = end_values(State.FAILED, now)
    return _end(connection, hold, values | {"error_kind": failure.kind, "error_message": failure.message})


def retry(connection: Connection, hold: Hold, due: datetime, now: datetime) -> bool:
    """Leave a job until *due*, and count the attempt. False if it is lost, or has ended."""
    values = LEASE.values(None, due) | {"attempts": jobs.c.attempts + 1, "updated_at": now}
    return _write(connection, hold, values)


def give_back(connection: Connection, hold: Hold, now: datetime) -> bool:
    """Leave a job to whoever takes it next, as this process stops. False if it is lost, or has ended."""
    return _write(connection, hold, LEASE.values(None, now))


def give_back_of(connection: Connection, dead: Dead, now: datetime) -> int:
    """Let others take at once what *dead* was running; return how many jobs."""
    held = and_(jobs.c.state == State.RUNNING, is_of(dead, LEASE.owner))
    return connection.execute(update(jobs).where(held).values(lease_until=now)).rowcount


def _end(connection: Connection, hold: Hold, values: dict[str, Any]) -> Job | None:
    row = connection.execute(
        update(jobs).where(_is_held(hold), can_move_to(values["state"])).values(values).returning(*jobs.c)
    ).first()
    return None if row is None else job_of(row)


def _write(connection: Connection, hold: Hold, values: Mapping[str, Any]) -> bool:
    return connection.execute(update(jobs).where(_is_held(hold)).values(dict(values))).rowcount == 1


def _is_held(hold: Hold) -> ColumnElement[bool]:
    """True of the job while nobody has taken it after *hold*. One that has ended has no owner."""
    return and_(jobs.c.id == hold.job_id, LEASE.is_held_by(hold.owner), jobs.c.run == hold.run)
