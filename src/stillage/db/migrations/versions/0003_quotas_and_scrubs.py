"""Quotas, and scrubs of what is at rest.

Revision: 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

from stillage.db import tables

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("scope", sa.String(length=300), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("uploads", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_usage")),
    )
    op.add_column("blobs", sa.Column("owner", sa.String(length=255), nullable=True))
    op.add_column("blobs", sa.Column("reserved", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("blobs", sa.Column("scrubbed_at", tables.UtcTime(), nullable=True))
    op.drop_index(op.f("ix_blobs_state"), table_name="blobs")
    op.create_index("ix_blobs_state_scrubbed_at", "blobs", ["state", "scrubbed_at"], unique=False)
    op.add_column("images", sa.Column("damage", sa.Text(), nullable=True))
