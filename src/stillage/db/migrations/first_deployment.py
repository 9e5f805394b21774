"""The part of the schema of 0.1.0 that describes the whole deployment."""

import sqlalchemy as sa
from alembic import op

from stillage.db.columns import UtcTime


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
