"""Where names have logged in from, and failures found by their age.

Revision: 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

from stillage.db import tables

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "known_networks",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.Column("seen_at", tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", "network", name=op.f("pk_known_networks")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_known_networks_seen_at", "known_networks", ["seen_at"], unique=False)
    op.create_index("ix_login_failures_failed_at", "login_failures", ["failed_at"], unique=False)
