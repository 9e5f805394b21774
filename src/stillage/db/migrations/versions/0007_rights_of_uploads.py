"""Whose rights a resumable upload needs, and how the last ones of an image ended.

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("rights", sa.JSON(), nullable=True))
    op.add_column("uploads", sa.Column("generation", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_upload_results_image_id_ended_at", "upload_results", ["image_id", "ended_at"], unique=False)
    op.add_column("upload_results", sa.Column("generation", sa.Integer(), nullable=False, server_default="0"))
