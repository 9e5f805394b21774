"""Lists come out of indexes, images have members.

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

from stillage.db import tables

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# What lists sort by: by code point, whatever the locale of the database. SQLite knows nothing else.
SORTED = (
    ("images", "id", 36),
    ("images", "name", 255),
    ("images", "status", 16),
    ("images", "container_format", 32),
    ("images", "disk_format", 32),
    ("image_tags", "image_id", 36),
    ("image_properties", "image_id", 36),
)


def upgrade() -> None:
    op.drop_index("ix_images_owner_created_at", table_name="images")
    op.drop_index("ix_images_visibility_created_at", table_name="images")
    op.drop_index("ix_images_status", table_name="images")
    if op.get_context().dialect.name == "postgresql":
        for table, column, length in SORTED:
            op.alter_column(table, column, type_=sa.String(length=length, collation="C"))
    _index("ix_images_owner", "owner", "os_hidden", "created_at", "id")
    _index("ix_images_owner_visibility", "owner", "visibility", "os_hidden", "created_at", "id")
    _index("ix_images_visibility", "visibility", "os_hidden", "created_at", "id")
    _index("ix_images_created_at", "os_hidden", "created_at", "id")
    _index("ix_images_name", "name", "created_at", "id")
    _index("ix_images_status", "status", "created_at", "id")
    op.create_table(
        "image_members",
        sa.Column("member_id", sa.String(length=255), nullable=False),
        sa.Column(
            "image_id",
            sa.String(length=36).with_variant(sa.String(length=36, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("image_created_at", tables.UtcTime(), nullable=False),
        sa.Column("created_at", tables.UtcTime(), nullable=False),
        sa.Column("updated_at", tables.UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_image_members_image_id")),
        sa.PrimaryKeyConstraint("member_id", "image_id", name=op.f("pk_image_members")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_image_members_image_id", "image_members", ["image_id"], unique=False)
    op.create_index(
        "ix_image_members_member_id_status",
        "image_members",
        ["member_id", "status", "image_created_at", "image_id"],
        unique=False,
    )


def _index(name: str, *columns: str) -> None:
    there = sa.text("deleted_at IS NULL")
    op.create_index(name, "images", list(columns), unique=False, sqlite_where=there, postgresql_where=there)
