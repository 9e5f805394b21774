"""The schema of 0.1.0: deleted images that can be restored, and which images of a family are kept."""

import sqlalchemy as sa
from alembic import op

from stillage.db.columns import StoreList, UtcTime, sorted_text


def create_trash() -> None:
    op.create_table(
        "trash",
        sa.Column("image_id", sorted_text(36), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=True),
        sa.Column("deleted_at", UtcTime(), nullable=False),
        sa.Column("purge_at", UtcTime(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("properties", sa.JSON(), nullable=False),
        sa.Column("members", sa.JSON(), nullable=False),
        sa.Column("stores", StoreList(), nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_trash_image_id")),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_trash")),
    )
    op.create_index("ix_trash_owner", "trash", ["owner", "deleted_at", "image_id"])
    op.create_index("ix_trash_purge_at", "trash", ["purge_at", "image_id"])
    op.create_table(
        "retention",
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("family", sa.String(length=255), nullable=False),
        sa.Column("keep_newest", sa.Integer(), nullable=True),
        sa.Column("keep_days", sa.Integer(), nullable=True),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "family", name=op.f("pk_retention")),
        sqlite_with_rowid=False,
    )
