"""Tables of stored bytes: blobs, which images have them, and the uploads that bring them."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, text

from stillage.db.columns import UtcTime
from stillage.db.leases import OwnerText
from stillage.db.tables.base import metadata

# Every file in a store has a row here before its first byte is written, so that no file on disk is ever unknown.
blobs = Table(
    "blobs",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("store", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # writing, published, pending_delete, removed
    Column("damage", Text),  # what a scrub found
    # If it is pending_delete: its bytes stay until then, for downloads that run. Otherwise when a sweep looks once more
    # for what a store did late: bytes of one that was removed, pieces of one that is published.
    Column("kept_until", UtcTime),
    Column("scrubbed_at", UtcTime),
    Column("looked_at", UtcTime),  # when its store was asked what it has, without reading it
    Column("version", String(255)),  # what the store called it then
    Column("size", BigInteger),
    Column("checksum", String(32)),
    Column("os_hash_algo", String(64)),
    Column("os_hash_value", String(128)),
    Column("sha256", String(64)),  # if a client declared it, a scrub computed it, or it is the os_hash_value
    Column("found", String(32)),  # the format that the bytes have
    Column("facts", JSON(none_as_null=True)),  # and what else its inspector found
    Column("data_map", LargeBinary),  # where a raw disk holds data
    Column("digests_due", UtcTime),  # since when the digests of its pieces are to be made; None once all are known
    Column("created_at", UtcTime, nullable=False),
    Index("ix_blobs_state_scrubbed_at", "state", "scrubbed_at"),
    Index("ix_blobs_store_looked_at", "store", "looked_at"),
    Index("ix_blobs_kept_until", "kept_until", sqlite_where=text("kept_until IS NOT NULL")),
    Index("ix_blobs_digests_due", "digests_due", sqlite_where=text("digests_due IS NOT NULL")),
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

# Digests of the pieces of a blob's bytes, by which later uploads find what they need not send. As long as the blob has
# `digests_due`, or is not published, some are missing or zeros. Not in `blobs`: they are long, and its rows are written
# often.
blob_pieces = Table(
    "blob_pieces",
    metadata,
    Column("blob_key", String(64), ForeignKey("blobs.key", ondelete="CASCADE"), primary_key=True),
    Column("digests", LargeBinary, nullable=False),
)

# A few of them, to find blobs that may have pieces in common.
blob_samples = Table(
    "blob_samples",
    metadata,
    Column("sample", BigInteger, primary_key=True, autoincrement=False),
    Column("blob_key", String(64), ForeignKey("blobs.key", ondelete="CASCADE"), primary_key=True),
    Index("ix_blob_samples_blob_key", "blob_key"),
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
