"""Jobs: what was asked for, and what became of it. Plain functions of a connection.

`job_runs` has what the process that works on a job does. Transactions lock an image before its jobs, and those before
anything else.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, select, text, tuple_, update

from stillage.db.rights import grant_of
from stillage.db.tables import images, jobs
from stillage.errors import JobNotFound
from stillage.ids import ImageId, JobId, ProjectId, UserId
from stillage.images.job import ENDED, Failure, Job, NewJob, State, states_before

COLUMNS = (
    "id", "idempotency_key", "kind", "project_id", "user_id", "image_id", "parent", "state", "step", "progress",
    "input", "sealed", "rights", "attempts", "losses", "run", "lease_until", "request_id", "created_at", "updated_at",
)  # fmt: skip
# The same SQL on SQLite and PostgreSQL, for which SQLAlchemy has different constructs.
ADD = (
    text(
        f"INSERT INTO jobs ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{name}' for name in COLUMNS)})"  # noqa: S608 - ours
        f" ON CONFLICT (idempotency_key) DO NOTHING RETURNING {', '.join(jobs.c.keys())}"
    )
    .bindparams(*(bindparam(name, type_=jobs.c[name].type) for name in COLUMNS))
    .columns(*jobs.c)
)
OPEN = jobs.c.state.in_([state for state in State if state not in ENDED])
FORGOTTEN_AT_ONCE = 1000


def enqueue(connection: Connection, new: NewJob, now: datetime) -> Job:
    """Accept a job and return it; the earlier one, if there is one with the same key.

    A part of another job is never due: that job does its work.
    """
    due = now if new.parent is None else None
    row: dict[str, Any] = {"id": new.id, "idempotency_key": new.key, "kind": new.kind, "project_id": new.project_id}
    row |= {"user_id": new.user_id, "image_id": new.image_id, "parent": new.parent, "input": dict(new.input)}
    row |= {"sealed": new.sealed, "rights": new.rights and asdict(new.rights), "request_id": new.request_id}
    row |= {"state": State.ACCEPTED, "step": "", "progress": 0.0}
    row |= {"attempts": 0, "losses": 0, "run": 0, "lease_until": due, "created_at": now, "updated_at": now}
    added = connection.execute(ADD, row).first()
    if added is None:
        added = connection.execute(select(jobs).where(jobs.c.idempotency_key == new.key)).one()
    return job_of(added)


def record_done(connection: Connection, new: NewJob, result: Mapping[str, Any], now: datetime) -> Job:
    """Keep a job that is done already: what it tells of was done in this transaction."""
    enqueue(connection, new, now)
    values = end_values(State.DONE, now) | {"result": dict(result), "begun_at": now, "progress": 1.0}
    connection.execute(update(jobs).where(jobs.c.id == new.id).values(values))
    return load(connection, new.id)


def find(connection: Connection, job_id: JobId) -> Job | None:
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
    return None if row is None else job_of(row)


def load(connection: Connection, job_id: JobId) -> Job:
    """Return the job; JobNotFound if there is none."""
    job = find(connection, job_id)
    if job is None:
        raise JobNotFound(job_id)
    return job


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs a list has; None does not restrict it."""

    project_id: ProjectId | None = None
    kinds: Collection[str] | None = None
    image_id: ImageId | None = None
    states: Collection[State] | None = None
    parent: JobId | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        values = {"project_id": self.project_id, "image_id": self.image_id, "parent": self.parent}
        conditions: list[ColumnElement[bool]] = [jobs.c[n] == v for n, v in values.items() if v is not None]
        if self.kinds is not None:
            conditions.append(jobs.c.kind.in_(self.kinds))
        if self.states is not None:
            conditions.append(jobs.c.state.in_(self.states))
        return conditions


def list_of(connection: Connection, those: Filter, limit: int, after: Job | None = None) -> list[Job]:
    """Return at most *limit* jobs, the newest first; only those that come *after* that one."""
    query = select(jobs).where(*those.conditions())
    if after is not None:
        query = query.where(tuple_(jobs.c.created_at, jobs.c.id) < (after.created_at, after.id))
    rows = connection.execute(query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit))
    return [job_of(row) for row in rows]


def count_open(connection: Connection, project_id: ProjectId, kinds: Collection[str]) -> int:
    """Return how many jobs of these kinds, each about an image, the project has that have not ended."""
    those = and_(OPEN, jobs.c.project_id == project_id, jobs.c.kind.in_(kinds), jobs.c.image_id.is_not(None))
    return connection.execute(select(func.count()).where(those)).scalar_one()


def hold_image(connection: Connection, image_id: ImageId, kinds: Collection[str]) -> int:
    """Lock the row of an image; return how many jobs of these kinds it has that have not ended."""
    connection.execute(select(images.c.id).where(images.c.id == image_id).with_for_update())
    those = and_(OPEN, jobs.c.image_id == image_id, jobs.c.kind.in_(kinds))
    return connection.execute(select(func.count()).where(those)).scalar_one()


def cancel(connection: Connection, job_id: JobId, failure: Failure, now: datetime) -> Job | None:
    """End a job that has not ended, and return it; None if it has. The process that runs it notices, and stops."""
    lock_image_of(connection, job_id)
    cancelled = _fail(connection, jobs.c.id == job_id, failure, now)
    return cancelled[0] if cancelled else None


def cancel_of_image(connection: Connection, image_id: ImageId, failure: Failure, now: datetime) -> list[Job]:
    """`cancel` every job of an image, whose row is locked."""
    return _fail(connection, jobs.c.image_id == image_id, failure, now)


def lock_image_of(connection: Connection, job_id: JobId) -> None:
    """Lock the row of the job's image, if it has one: its end changes the image as well."""
    its_image = select(jobs.c.image_id).where(jobs.c.id == job_id).scalar_subquery()
    connection.execute(select(images.c.id).where(images.c.id == its_image).with_for_update())


def _fail(connection: Connection, those: ColumnElement[bool], failure: Failure, now: datetime) -> list[Job]:
    # Locked in order: the process that runs several of them renews their leases together.
    locked = select(jobs.c.id).where(those, OPEN).order_by(jobs.c.id).with_for_update()
    ids = connection.execute(locked).scalars().all()
    if not ids:
        return []
    values = end_values(State.FAILED, now) | {"error_kind": failure.kind, "error_message": failure.message}
    ended = update(jobs).where(jobs.c.id.in_(ids), OPEN).values(values).returning(*jobs.c)
    return [job_of(row) for row in connection.execute(ended)]


def end_values(state: State, now: datetime) -> dict[str, Any]:
    """Return what changes in the row of a job that ends."""
    free = {"lease_owner": None, "lease_until": None}
    return {"state": state, "sealed": None, "rights": None, "ended_at": now, "updated_at": now, **free}


def can_move_to(state: State) -> ColumnElement[bool]:
    return jobs.c.state.in_(sorted(states_before(state)))


def forget_ended(connection: Connection, before: datetime) -> int:
    """Delete jobs that ended *before* that, `FORGOTTEN_AT_ONCE` at most; return how many."""
    old = select(jobs.c.id).where(jobs.c.ended_at < before).order_by(jobs.c.ended_at).limit(FORGOTTEN_AT_ONCE)
    ids: Sequence[str] = connection.execute(old).scalars().all()
    return connection.execute(delete(jobs).where(jobs.c.id.in_(ids))).rowcount if ids else 0


def job_of(row: Any) -> Job:
    """Return the job in a row of `jobs`."""
    failure = None if row.error_kind is None else Failure(row.error_kind, row.error_message or "")
    return Job(
        id=JobId(row.id),
        kind=row.kind,
        project_id=ProjectId(row.project_id),
        user_id=UserId(row.user_id),
        image_id=None if row.image_id is None else ImageId(row.image_id),
        parent=None if row.parent is None else JobId(row.parent),
        state=State(row.state),
        step=row.step,
        progress=row.progress,
        input=row.input,
        sealed=row.sealed,
        rights=None if row.rights is None else grant_of(row.rights),
        result=row.result,
        failure=failure,
        attempts=row.attempts,
        losses=row.losses,
        request_id=row.request_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        begun_at=row.begun_at,
        ended_at=row.ended_at,
    )
