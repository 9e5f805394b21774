"""Resumable uploads.

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

from stillage.db import tables

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("resumable", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("uploads", sa.Column("digests", sa.JSON(), nullable=True))
    op.add_column("uploads", sa.Column("metadata", sa.Text(), nullable=True))
    op.add_column("uploads", sa.Column("verifier", sa.String(length=64), nullable=True))
    op.add_column("uploads", sa.Column("verifier_expires_at", tables.UtcTime(), nullable=True))
    op.add_column("uploads", sa.Column("verified", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("blobs", sa.Column("sha256", sa.String(length=64), nullable=True))
    op.create_index("ix_blobs_sha256", "blobs", ["sha256"], unique=False)
    op.create_index("ix_blobs_os_hash_value", "blobs", ["os_hash_value"], unique=False)
    op.execute("UPDATE blobs SET sha256 = os_hash_value WHERE os_hash_algo = 'sha256'")
    op.create_table(
        "upload_spans",
        sa.Column("upload_id", sa.String(length=36), nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name=op.f("fk_upload_spans_upload_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload_id", "first", name=op.f("pk_upload_spans")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "upload_pieces",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("upload_id", sa.String(length=36), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name=op.f("fk_upload_pieces_upload_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload_pieces")),
    )
    op.create_index("ix_upload_pieces_upload_id", "upload_pieces", ["upload_id"], unique=False)
    op.create_index("ix_upload_pieces_owner", "upload_pieces", ["owner"], unique=False)
    op.create_table(
        "upload_results",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("refusal", sa.JSON(), nullable=True),
        sa.Column("ended_at", tables.UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_upload_results_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload_results")),
    )
    op.create_index("ix_upload_results_ended_at", "upload_results", ["ended_at"], unique=False)
