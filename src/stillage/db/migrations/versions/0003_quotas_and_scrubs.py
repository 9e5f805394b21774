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
    _count_what_is_there()


def _count_what_is_there() -> None:
    """Images, bytes and uploads from before count as well, and are scrubbed."""
    op.execute("UPDATE blobs SET owner = (SELECT owner FROM images WHERE images.id = blobs.image_id)")
    op.execute("UPDATE blobs SET reserved = size, scrubbed_at = created_at WHERE state = 'published'")
    op.execute("""
        UPDATE blobs SET reserved = COALESCE(
            (SELECT MAX(expected_size) FROM uploads WHERE uploads.blob_key = blobs.key), 0
        ) WHERE state = 'writing'
    """)
    # `scope_of_node`: what stands before the first slash.
    find = {"sqlite": "instr", "postgresql": "strpos"}[op.get_bind().dialect.name]
    node = f"substr(lease_owner, 1, {find}(lease_owner || '/', '/') - 1)"
    op.execute(f"""
        INSERT INTO "usage" (scope, bytes, images, uploads)
        SELECT scope, SUM(bytes), SUM(images), SUM(uploads) FROM (
            SELECT 'project:' || COALESCE(owner, '') AS scope, 0 AS bytes, 1 AS images, 0 AS uploads
                FROM images WHERE deleted_at IS NULL
            UNION ALL
            SELECT 'project:' || COALESCE(owner, ''), reserved, 0, 0 FROM blobs
            UNION ALL
            SELECT 'project:' || COALESCE(blobs.owner, ''), 0, 0, 1
                FROM uploads JOIN blobs ON blobs.key = uploads.blob_key
            UNION ALL
            SELECT 'node:' || {node}, 0, 0, 1 FROM uploads
        ) AS used GROUP BY scope
    """)  # noqa: S608 - of our own words
