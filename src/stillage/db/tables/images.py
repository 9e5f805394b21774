"""Tables of image records: what they are, and what lists are filtered by."""

from collections.abc import Iterable
from hashlib import sha256
from itertools import chain

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from stillage.db.columns import StoreList, UtcTime, sorted_text
from stillage.db.tables.base import metadata

LIVE = text("deleted_at IS NULL")
ANYBODYS = text("created_at > 0")
"""True of every image, and for ever. Only a statement that says so is read from an index of all projects' images in the
order of a sort key. PostgreSQL would choose it for the list of one project too, and meet all the others first.
"""


def live(name: str, *columns: str) -> Index:
    """An index of the images that are not deleted: tombstones cost a list nothing."""
    return Index(name, *columns, sqlite_where=LIVE)


def live_with(column: str) -> Index:
    """An index of those that have a value of *column*: no filter finds the others, and most new images lack five."""
    where = f"{LIVE} AND {ANYBODYS}" + ("" if column in ALWAYS else f" AND {column} IS NOT NULL")
    return Index(f"ix_images_{column}", column, "created_at", "id", sqlite_where=text(where))


def in_order_of(key: str) -> Iterable[Index]:
    """Indexes of the images of one project, and of those that everybody may read, sorted by *key*."""
    columns = "os_hidden", key, *(() if key == "id" else ("created_at", "id"))
    yield live(f"ix_images_owner_{key}", "owner", *columns)
    readable = text(f"{LIVE} AND (visibility = 'public' OR visibility = 'community')")
    yield Index(f"ix_images_visibility_{key}", "visibility", *columns, sqlite_where=readable)


SORTED = ("name", "status", "container_format", "disk_format", "size", "id", "updated_at")
"""Keys beside the time of creation that a list can be sorted by."""
INDEXED = (
    "name", "status", "protected", "container_format", "disk_format", "min_disk", "min_ram", "size", "virtual_size",
    "checksum", "os_hash_algo", "os_hash_value", "updated_at",
)  # fmt: skip
"""Columns of `images` that a list can be filtered by and that are in no other index."""
ALWAYS = frozenset({"protected", "min_disk", "min_ram", *SORTED})
"""Those of them whose index has every image: they are never null, or a sorted list has the others too."""

# A deleted image keeps its row (`deleted_at`), so that its id is never used again.
images = Table(
    "images",
    metadata,
    Column("id", sorted_text(36), primary_key=True),
    Column("owner", String(255)),
    Column("name", sorted_text(255)),
    Column("status", sorted_text(16), nullable=False),
    Column("visibility", String(16), nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("os_hidden", Boolean, nullable=False),
    Column("container_format", sorted_text(32)),
    Column("disk_format", sorted_text(32)),
    Column("min_disk", Integer, nullable=False),
    Column("min_ram", Integer, nullable=False),
    Column("size", BigInteger),
    Column("virtual_size", BigInteger),
    Column("checksum", String(32)),
    Column("os_hash_algo", String(64)),
    Column("os_hash_value", String(128)),
    # Read from here; filtered through image_tags and image_properties.
    Column("tags", JSON, nullable=False),
    Column("properties", JSON, nullable=False),
    Column("reason", Text),
    Column("refusal", JSON(none_as_null=True)),  # the facts of the last verdict that refused, whose reason is `reason`
    Column("damage", Text),  # what a scrub found in the last good copy; no bytes are served while it is set
    Column("has_members", Boolean, nullable=False),  # kept by `db.members`, which holds the row meanwhile
    Column("stores", StoreList),  # of its published placements; read from here
    Column("upload_id", String(36)),
    Column("import_task", String(36)),
    Column("importing_to", Text),  # as the API shows it; read from here
    Column("failed_import", Text),
    Column("version", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("active_at", UtcTime),
    Column("deleted_at", UtcTime),
    # A list always says whether it wants the hidden images; then the newest come first.
    live("ix_images_owner", "owner", "os_hidden", "created_at", "id"),
    live("ix_images_owner_visibility", "owner", "visibility", "has_members", "os_hidden", "created_at", "id"),
    live("ix_images_visibility", "visibility", "os_hidden", "created_at", "id", "has_members"),
    live("ix_images_created_at", "os_hidden", "created_at", "id"),
    *map(live_with, INDEXED),
    *chain.from_iterable(map(in_order_of, SORTED)),
    # For streams of events: what was deleted just now.
    Index("ix_images_deleted_at", "deleted_at", sqlite_where=text("deleted_at IS NOT NULL")),
)


# Narrow tables to filter by; the record itself is read from `images`. Their keys are in the order of a filtered list:
# the newest first among the images of one tag, or of one value of one property.
image_tags = Table(
    "image_tags",
    metadata,
    Column("tag", String(255), primary_key=True),
    Column("created_at", UtcTime, primary_key=True),
    Column("image_id", sorted_text(36), ForeignKey("images.id"), primary_key=True),
    Index("ix_image_tags_image_id", "image_id"),
    sqlite_with_rowid=False,
)

image_properties = Table(
    "image_properties",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("value", String(255), primary_key=True),  # `indexed_value` of it: an index entry has a size limit
    Column("created_at", UtcTime, primary_key=True),
    Column("image_id", sorted_text(36), ForeignKey("images.id"), primary_key=True),
    Index("ix_image_properties_image_id", "image_id"),
    sqlite_with_rowid=False,
)


# Projects that an image is shared with. `image_created_at` never changes: it puts what a project accepted in order.
image_members = Table(
    "image_members",
    metadata,
    Column("member_id", String(255), primary_key=True),
    Column("image_id", sorted_text(36), ForeignKey("images.id"), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("image_created_at", UtcTime, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Index("ix_image_members_member_id_status", "member_id", "status", "image_created_at", "image_id"),
    Index("ix_image_members_image_id", "image_id"),
    sqlite_with_rowid=False,
)


def indexed_value(value: str) -> str:
    """Return what stands for *value* in `image_properties`: itself, or its digest where it is longer than 255."""
    return value if len(value) <= 255 else "sha256:" + sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
