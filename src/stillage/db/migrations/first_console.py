"""What the console needs, in the first schema."""

import sqlalchemy as sa
from alembic import op

from stillage.db.columns import UtcTime


def create_console() -> None:
    op.create_table(
        "keystone_sessions",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("audit_id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("project_name", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("begun_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.Column("idle_until", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_keystone_sessions")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_keystone_sessions_expires_at", "keystone_sessions", ["expires_at"])
    op.create_index("ix_keystone_sessions_user_id", "keystone_sessions", ["user_id"])
    deleted = sa.text("deleted_at IS NOT NULL")
    op.create_index("ix_images_deleted_at", "images", ["deleted_at"], sqlite_where=deleted, postgresql_where=deleted)
