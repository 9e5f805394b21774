"""Tables of jobs: work that outlives its request."""

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from stillage.db.columns import UtcTime, sorted_text
from stillage.db.leases import OwnerText
from stillage.db.tables.base import metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", sorted_text(36), primary_key=True),
    Column("idempotency_key", String(255), unique=True),
    Column("kind", sorted_text(32), nullable=False),
    Column("project_id", sorted_text(255), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("image_id", String(36), ForeignKey("images.id")),
    Column("parent", String(36)),
    Column("state", sorted_text(16), nullable=False),
    Column("step", String(64), nullable=False),
    Column("progress", Float, nullable=False),
    Column("input", JSON, nullable=False),
    Column("sealed", Text),  # encrypted; only while the job is open
    Column("rights", JSON),  # `Grant`: whose rights it needs; only while it is open
    Column("result", JSON),
    Column("error_kind", String(64)),
    Column("error_message", Text),
    Column("attempts", Integer, nullable=False),  # that ended with a passing problem
    Column("losses", Integer, nullable=False),  # processes that ran it and died, since the last finished step
    # A job can be taken from `lease_until` on: when its lease runs out, or, without an owner, when it is due. None of
    # a job that has ended. With `run`, which counts how often it was taken, a process that has lost it cannot write.
    Column("lease_owner", OwnerText),
    Column("lease_until", UtcTime),
    Column("run", Integer, nullable=False),
    Column("request_id", String(64)),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("begun_at", UtcTime),
    Column("ended_at", UtcTime),
    Index("ix_jobs_project_id_created_at", "project_id", "created_at", "id"),
    Index("ix_jobs_created_at", "created_at", "id"),
    Index("ix_jobs_image_id", "image_id", "created_at", "id"),
    Index("ix_jobs_state_lease_until", "state", "lease_until"),
    Index("ix_jobs_state_project_id_lease_until", "state", "project_id", "lease_until", "id"),
    Index("ix_jobs_parent", "parent"),
    Index("ix_jobs_ended_at", "ended_at"),
)

# Results of finished steps. A process that continues a job does not repeat them.
job_steps = Table(
    "job_steps",
    metadata,
    Column("job_id", sorted_text(36), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("result", JSON, nullable=False),
    sqlite_with_rowid=False,
)
