"""Keys for signed requests.

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

from stillage.db import tables

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_keys",
        sa.Column("access", sa.String(length=128), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.String(length=255), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=32), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("security_token_hash", sa.String(length=64), nullable=True),
        sa.Column("created_at", tables.UtcTime(), nullable=False),
        sa.Column("expires_at", tables.UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_access_keys_project_id_projects")),
        sa.ForeignKeyConstraint(
            ["token_hash"], ["tokens.hash"], name=op.f("fk_access_keys_token_hash_tokens"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_access_keys_user_id_users")),
        sa.PrimaryKeyConstraint("access", name=op.f("pk_access_keys")),
    )
    op.create_index("ix_access_keys_user_id", "access_keys", ["user_id"], unique=False)
    op.create_index("ix_access_keys_token_hash", "access_keys", ["token_hash"], unique=False)
    op.create_index("ix_access_keys_expires_at", "access_keys", ["expires_at"], unique=False)
