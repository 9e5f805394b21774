"""The part of the schema of 0.1.0 that describes the whole deployment."""

import sqlalchemy as sa
from alembic import op

from stillage.db.columns import UtcTime, sorted_text


def create_deployment() -> None:
    deployment = op.create_table(
        "deployment",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_deployment")),
    )
    op.bulk_insert(deployment, [{"name": "compatible_since", "value": "0.1.0"}])
    op.create_table(
        "job_leases",
        sa.Column("job", sa.String(length=32), nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=False),
        sa.Column("lease_expires_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_job_leases")),
    )
    op.create_table(
        "processes",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.Column("requests", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_processes")),
    )
    op.create_table(
        "audit_events",
        sa.Column("id", sorted_text(36), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=True),
        sa.Column("owner", sa.String(length=255), nullable=True),
        sa.Column("target_id", sa.String(length=255), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index("ix_audit_events_target_id", "audit_events", ["target_id", "id"])
    op.create_index("ix_audit_events_project_id", "audit_events", ["project_id", "id"])
    has_owner = sa.text("owner IS NOT NULL")
    op.create_index(
        "ix_audit_events_owner", "audit_events", ["owner", "id"], sqlite_where=has_owner, postgresql_where=has_owner
    )
