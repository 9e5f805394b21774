"""Tables of the whole deployment: what is in use, which versions can use the schema, who does background work."""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table, Text, text

from stillage.db.columns import UtcTime, sorted_text
from stillage.db.leases import OwnerText
from stillage.db.tables.base import metadata

# What is in use, by scope: "project:ID" or "node:ID". Quotas are conditions of its updates.
usage = Table(
    "usage",
    metadata,
    Column("scope", String(300), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("images", Integer, nullable=False),
    Column("uploads", Integer, nullable=False),
    # A project's own limits, in the row that is locked to compare with them: NULL leaves it to the settings.
    Column("max_bytes", BigInteger),
    Column("max_images", Integer),
    Column("max_uploads", Integer),
    Column("max_jobs", Integer),
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

# Server processes that live, and what they count; each writes its row with every sweep.
processes = Table(
    "processes",
    metadata,
    Column("owner", OwnerText, primary_key=True),
    Column("version", String(64), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("requests", JSON, nullable=False),  # of the last hour, by minute
)

# The latest audit events. The order of their ids is that of their times.
audit_events = Table(
    "audit_events",
    metadata,
    Column("id", sorted_text(36), primary_key=True),
    Column("action", String(64), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("project_id", String(255)),  # of who did it
    Column("owner", String(255)),  # of the image that it was done to, if it is another project
    Column("target_id", String(255), nullable=False),
    Column("event", Text, nullable=False),  # CADF, as JSON
    Index("ix_audit_events_target_id", "target_id", "id"),
    Index("ix_audit_events_project_id", "project_id", "id"),
    Index("ix_audit_events_owner", "owner", "id", sqlite_where=text("owner IS NOT NULL")),
)
