"""The part of the schema of 0.1.0 that stored bytes need."""

import sqlalchemy as sa
from alembic import op

from stillage.db.columns import UtcTime


def create_blobs() -> None:
    op.create_table(
        "blobs",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("store", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("damage", sa.Text(), nullable=True),
        sa.Column("kept_until", UtcTime(), nullable=True),
        sa.Column("scrubbed_at", UtcTime(), nullable=True),
        sa.Column("looked_at", UtcTime(), nullable=True),
        sa.Column("version", sa.String(length=255), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("checksum", sa.String(length=32), nullable=True),
        sa.Column("os_hash_algo", sa.String(length=64), nullable=True),
        sa.Column("os_hash_value", sa.String(length=128), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("found", sa.String(length=32), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=True),
        sa.Column("data_map", sa.LargeBinary(), nullable=True),
        sa.Column("digests_due", UtcTime(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_blobs")),
    )
    op.create_index(
        "ix_blobs_kept_until",
        "blobs",
        ["kept_until"],
        postgresql_where=sa.text("kept_until IS NOT NULL"),
        sqlite_where=sa.text("kept_until IS NOT NULL"),
    )
    op.create_index(
        "ix_blobs_digests_due",
        "blobs",
        ["digests_due"],
        postgresql_where=sa.text("digests_due IS NOT NULL"),
        sqlite_where=sa.text("digests_due IS NOT NULL"),
    )
    op.create_index("ix_blobs_os_hash_value", "blobs", ["os_hash_value"])
    op.create_index("ix_blobs_sha256", "blobs", ["sha256"])
    op.create_index("ix_blobs_state_scrubbed_at", "blobs", ["state", "scrubbed_at"])
    op.create_index("ix_blobs_store_looked_at", "blobs", ["store", "looked_at"])
    _create_digests_of_pieces()


def _create_digests_of_pieces() -> None:
    of_blob = ["blob_key"], ["blobs.key"]
    op.create_table(
        "blob_pieces",
        sa.Column("blob_key", sa.String(length=64), nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(*of_blob, name=op.f("fk_blob_pieces_blob_key"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("blob_key", name=op.f("pk_blob_pieces")),
    )
    op.create_table(
        "blob_samples",
        sa.Column("sample", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("blob_key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(*of_blob, name=op.f("fk_blob_samples_blob_key"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sample", "blob_key", name=op.f("pk_blob_samples")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_blob_samples_blob_key", "blob_samples", ["blob_key"])
