"""Tables of the embedded identity: users, their projects, tokens and keys."""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from stillage.db.columns import UtcTime
from stillage.db.tables.base import metadata

projects = Table(
    "projects",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("enabled", Boolean, nullable=False),
    Column("extra", JSON),  # what we only keep: description, tags and others
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
    Column("extra", JSON),
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
    Column("idle_until", UtcTime),  # of a session of the console; it moves when the session is used
    Column("address", String(64)),  # of the client that it was issued to
    Index("ix_tokens_user_id", "user_id"),
    Index("ix_tokens_application_credential_id", "application_credential_id"),
    Index("ix_tokens_expires_at", "expires_at"),
    sqlite_with_rowid=False,
)

# Sessions of the console with an external Keystone, whose token is encrypted: requests are sent with it.
keystone_sessions = Table(
    "keystone_sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("audit_id", String(32), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("project_name", String(255), nullable=False),
    Column("address", String(64)),
    Column("sealed", Text, nullable=False),
    Column("begun_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("idle_until", UtcTime, nullable=False),
    Index("ix_keystone_sessions_user_id", "user_id"),
    Index("ix_keystone_sessions_expires_at", "expires_at"),
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
