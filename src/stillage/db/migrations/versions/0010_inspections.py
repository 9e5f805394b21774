"""Inspections count as uploads while they run.

Revision: 0010, after 0009.
"""

import sqlalchemy as sa
from alembic import op

from stillage.db import tables

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inspections",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=False),
        sa.Column("lease_expires_at", tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspections")),
    )
    op.create_index("ix_inspections_lease_expires_at", "inspections", ["lease_expires_at"], unique=False)
