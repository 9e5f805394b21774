"""The tables. The migrations make the same ones; a test compares the two."""

from hashlib import sha256
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    event,
    text,
)

from stillage.db.columns import StoreList, UtcTime, sorted_text
from stillage.db.leases import OwnerText

LIVE = text("deleted_at IS NULL")


def live(name: str, *columns: str) -> Index:
    """An index of the images that are not deleted: tombstones cost a list nothing."""
    return Index(name, *columns, sqlite_where=LIVE)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

INDEXED = (
    "name", "status", "protected", "container_format", "disk_format", "min_disk", "min_ram", "size", "virtual_size",
    "checksum", "os_hash_algo", "os_hash_value", "updated_at",
)  # fmt: skip
"""Columns of `images` that a list can be filtered by and that are in no other index."""

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
    Column("damage", Text),  # what a scrub found in the last good copy; no bytes are served while it is set
    Column("stores", StoreList),  # of its published placements; read from here
    Column("upload_id", String(36)),
    Column("version", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("deleted_at", UtcTime),
    # A list always says whether it wants the hidden images; then the newest come first.
    live("ix_images_owner", "owner", "os_hidden", "created_at", "id"),
    live("ix_images_owner_visibility", "owner", "visibility", "os_hidden", "created_at", "id"),
    live("ix_images_visibility", "visibility", "os_hidden", "created_at", "id"),
    live("ix_images_created_at", "os_hidden", "created_at", "id"),
    *(live(f"ix_images_{name}", name, "created_at", "id") for name in INDEXED),
)


@event.listens_for(images, "before_create")
def _keep_tombstones_out(_images: Table, connection: Connection, **_: Any) -> None:
    """Give PostgreSQL the condition of `live`. An option in its name loads its dialect, 4 MiB that SQLite needs not."""
    if connection.dialect.name == "postgresql":
        for index in images.indexes:
            index.kwargs["postgresql_where"] = LIVE


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


# Every file in a store has a row here before its first byte is written, so that no file on disk is ever unknown.
blobs = Table(
    "blobs",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("store", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # writing, published, pending_delete
    Column("damage", Text),  # what a scrub found
    Column("kept_until", UtcTime),  # if it is pending_delete: its bytes stay until then, for downloads that run
    Column("scrubbed_at", UtcTime),
    Column("size", BigInteger),
    Column("checksum", String(32)),
    Column("os_hash_algo", String(64)),
    Column("os_hash_value", String(128)),
    Column("sha256", String(64)),  # if a client declared it, a scrub computed it, or it is the os_hash_value
    Column("found", String(32)),  # the format that the bytes have
    Column("data_map", LargeBinary),  # where a raw disk holds data
    Column("created_at", UtcTime, nullable=False),
    Index("ix_blobs_state_scrubbed_at", "state", "scrubbed_at"),
    Index("ix_blobs_sha256", "sha256"),
    Index("ix_blobs_os_hash_value", "os_hash_value"),
)

# Which blobs have the bytes of an image: one in each store that has a copy. A blob is removed when the last of its
# placements is; that one stays until the bytes are gone, because they count against a quota until then.
placements = Table(
    "placements",
    metadata,
    Column("image_id", String(36), ForeignKey("images.id"), primary_key=True),
    Column("blob_key", String(64), ForeignKey("blobs.key"), primary_key=True),
    Column("position", Integer, nullable=False),  # in the order in which they were made
    Column("owner", String(255)),  # the project whose quota `reserved` counts against
    Column("reserved", BigInteger, nullable=False),
    Index("ix_placements_blob_key", "blob_key"),
    sqlite_with_rowid=False,
)

# One attempt to give an image its bytes. The row lives exactly as long as the attempt.
uploads = Table(
    "uploads",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("image_id", String(36), ForeignKey("images.id"), nullable=False),
    Column("blob_key", String(64), ForeignKey("blobs.key"), nullable=False),
    Column("expected_size", BigInteger),
    # None of a resumable upload: no process holds it, and its lease runs out when no bytes have come for days.
    Column("lease_owner", OwnerText),
    Column("lease_expires_at", UtcTime, nullable=False),
    # The rest is of resumable uploads.
    Column("digests", JSON),  # of the whole file, as declared: [[algorithm, hex], …]
    Column("metadata", Text),  # as a tus client sent it
    Column("verifier", OwnerText),  # the process that hashes and inspects, while it does
    Column("verifier_expires_at", UtcTime),
    Column("verified", BigInteger, nullable=False, server_default="0"),
    Column("rights", JSON),  # `Grant`: whose rights it needs when a request brings no token
    Column("generation", Integer, nullable=False, server_default="0"),  # how often another user took it over
    Column("created_at", UtcTime, nullable=False),
    Index("ix_uploads_lease_expires_at", "lease_expires_at"),
    Index("ix_uploads_image_id", "image_id"),
    Index("ix_uploads_blob_key", "blob_key"),
)

# Which bytes of a resumable upload are durable: few rows, as neighbours are merged.
upload_spans = Table(
    "upload_spans",
    metadata,
    Column("upload_id", String(36), ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("end", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Under which names a store keeps bytes that count, if it does not find them by their offsets. Rows never overlap.
upload_parts = Table(
    "upload_parts",
    metadata,
    Column("upload_id", String(36), ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("end", BigInteger, nullable=False),
    Column("name", String(64), nullable=False),
    sqlite_with_rowid=False,
)

# Pieces of resumable uploads that are being received. A request that takes over bytes deletes the other's row.
upload_pieces = Table(
    "upload_pieces",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("upload_id", String(36), ForeignKey("uploads.id", ondelete="CASCADE"), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("lease_owner", OwnerText, nullable=False),  # until it ends, or its upload
    Index("ix_upload_pieces_upload_id", "upload_id"),
    Index("ix_upload_pieces_lease_owner", "lease_owner"),
)

# How resumable uploads ended, for clients that ask later.
upload_results = Table(
    "upload_results",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("image_id", String(36), ForeignKey("images.id"), nullable=False),
    Column("size", BigInteger),  # of the image, if it ended well
    Column("reason", Text),  # if it did not
    Column("refusal", JSON),  # the facts of a verdict
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("ended_at", UtcTime, nullable=False),
    Index("ix_upload_results_ended_at", "ended_at"),
    Index("ix_upload_results_image_id_ended_at", "image_id", "ended_at"),
)

# Running inspections: they store nothing, but count as uploads.
inspections = Table(
    "inspections",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(255), nullable=False),
    Column("lease_owner", OwnerText, nullable=False),
    Column("lease_expires_at", UtcTime, nullable=False),
    Index("ix_inspections_lease_expires_at", "lease_expires_at"),
)

# What is in use, by scope: "project:ID" or "node:ID". Quotas are conditions of its updates.
usage = Table(
    "usage",
    metadata,
    Column("scope", String(300), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("images", Integer, nullable=False),
    Column("uploads", Integer, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

users = Table(
    "users",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("default_project_id", String(32), ForeignKey("projects.id")),
    Column("created_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

role_assignments = Table(
    "role_assignments",
    metadata,
    Column("user_id", String(32), ForeignKey("users.id"), primary_key=True),
    Column("project_id", String(32), ForeignKey("projects.id"), primary_key=True),
    Column("role", String(64), primary_key=True),
    sqlite_with_rowid=False,
)

application_credentials = Table(
    "application_credentials",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("user_id", String(32), ForeignKey("users.id"), nullable=False),
    Column("project_id", String(32), ForeignKey("projects.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", Text),
    Column("secret_hash", String(255), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("restricted", Boolean, nullable=False),
    Column("expires_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Index("uq_application_credentials_user_id_name", "user_id", "name", unique=True),
)

# Only a hash of the token: a copy of the database contains no usable token.
tokens = Table(
    "tokens",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("audit_id", String(32), nullable=False),
    Column("user_id", String(32), ForeignKey("users.id"), nullable=False),
    Column("project_id", String(32), ForeignKey("projects.id")),
    Column("methods", JSON, nullable=False),
    Column("application_credential_id", String(32), ForeignKey("application_credentials.id", ondelete="CASCADE")),
    Column("issued_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Index("ix_tokens_user_id", "user_id"),
    Index("ix_tokens_application_credential_id", "application_credential_id"),
    Index("ix_tokens_expires_at", "expires_at"),
    sqlite_with_rowid=False,
)

# What signed requests are verified with. The secret is encrypted: a hash of it verifies nothing.
access_keys = Table(
    "access_keys",
    metadata,
    Column("access", String(128), primary_key=True),
    Column("user_id", String(32), ForeignKey("users.id"), nullable=False),
    Column("sealed", String(255), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("description", String(255), nullable=False),
    Column("project_id", String(32), ForeignKey("projects.id")),
    # Of a temporary key, which ends with the token that it was requested with.
    Column("token_hash", String(64), ForeignKey("tokens.hash", ondelete="CASCADE")),
    Column("security_token_hash", String(64)),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Index("ix_access_keys_user_id", "user_id"),
    Index("ix_access_keys_token_hash", "token_hash"),
    Index("ix_access_keys_expires_at", "expires_at"),
)

# Failed logins of the last minutes, shared by all processes: the rate limit keeps no state in memory.
login_failures = Table(
    "login_failures",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("who", String(64), nullable=False),  # a hash of the name that was tried, of a network, or of both
    Column("failed_at", UtcTime, nullable=False),
    Index("ix_login_failures_who_failed_at", "who", "failed_at"),
    Index("ix_login_failures_failed_at", "failed_at"),
)

# What is true of the whole deployment, whatever the node: the fingerprint of its secret, and which versions can use
# this schema.
deployment = Table(
    "deployment",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", String(255), nullable=False),
)

# Background jobs that one process of the deployment does at a time.
job_leases = Table(
    "job_leases",
    metadata,
    Column("job", String(32), primary_key=True),
    Column("lease_owner", OwnerText, nullable=False),
    Column("lease_expires_at", UtcTime, nullable=False),
)

# Networks from which names have logged in, both as keyed hashes.
known_networks = Table(
    "known_networks",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("network", String(64), primary_key=True),
    Column("seen_at", UtcTime, nullable=False),
    Index("ix_known_networks_seen_at", "seen_at"),
    sqlite_with_rowid=False,
)
