"""Tables of deleted images that can be restored, and of which images of a family are kept."""

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table

from stillage.db.columns import StoreList, UtcTime, sorted_text
from stillage.db.tables.base import metadata

# What a deletion takes from the row in `images`, which is the same as that of any deleted image. While an image is here
# its placements stay, and so its bytes.
trash = Table(
    "trash",
    metadata,
    Column("image_id", sorted_text(36), ForeignKey("images.id"), primary_key=True),
    Column("owner", String(255)),
    Column("deleted_at", UtcTime, nullable=False),
    Column("purge_at", UtcTime, nullable=False),
    Column("status", String(16), nullable=False),
    Column("tags", JSON, nullable=False),
    Column("properties", JSON, nullable=False),
    Column("members", JSON, nullable=False),  # ids and statuses
    Column("stores", StoreList),
    Index("ix_trash_owner", "owner", "deleted_at", "image_id"),
    Index("ix_trash_purge_at", "purge_at", "image_id"),
)

retention = Table(
    "retention",
    metadata,
    Column("owner", String(255), primary_key=True),
    Column("family", String(255), primary_key=True),
    Column("keep_newest", Integer),
    Column("keep_days", Integer),
    Column("updated_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)
