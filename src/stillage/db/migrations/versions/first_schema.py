"""The schema of 0.1.0.

Revision: 0.1.0, the first.
"""

import sqlalchemy as sa
from alembic import op

from stillage.db.columns import UtcTime, sorted_text
from stillage.db.migrations.first_blobs import create_blobs
from stillage.db.migrations.first_console import create_console
from stillage.db.migrations.first_deployment import create_deployment
from stillage.db.migrations.first_jobs import create_jobs
from stillage.db.migrations.first_metadefs import create_metadefs
from stillage.db.migrations.first_trash import create_trash

revision = "0.1.0"
down_revision = None
branch_labels = None
depends_on = None

LIVE = sa.text("deleted_at IS NULL")
INDEXED = (
    "name", "status", "protected", "container_format", "disk_format", "min_disk", "min_ram", "size", "virtual_size",
    "checksum", "os_hash_algo", "os_hash_value", "updated_at",
)  # fmt: skip
SORTED = ("name", "status", "container_format", "disk_format", "size", "id", "updated_at")
ALWAYS = frozenset({"protected", "min_disk", "min_ram", *SORTED})
READABLE = sa.text(f"{LIVE} AND (visibility = 'public' OR visibility = 'community')")


def upgrade() -> None:
    _create_images()
    _create_uploads()
    create_jobs()
    _create_accounts()
    create_console()
    create_metadefs()
    create_deployment()
    create_trash()


def _create_images() -> None:
    op.create_table(
        "images",
        sa.Column("id", sorted_text(36), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=True),
        sa.Column("name", sorted_text(255), nullable=True),
        sa.Column("status", sorted_text(16), nullable=False),
        sa.Column("visibility", sa.String(length=16), nullable=False),
        sa.Column("protected", sa.Boolean(), nullable=False),
        sa.Column("os_hidden", sa.Boolean(), nullable=False),
        sa.Column("container_format", sorted_text(32), nullable=True),
        sa.Column("disk_format", sorted_text(32), nullable=True),
        sa.Column("min_disk", sa.Integer(), nullable=False),
        sa.Column("min_ram", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("virtual_size", sa.BigInteger(), nullable=True),
        sa.Column("checksum", sa.String(length=32), nullable=True),
        sa.Column("os_hash_algo", sa.String(length=64), nullable=True),
        sa.Column("os_hash_value", sa.String(length=128), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("properties", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("refusal", sa.JSON(), nullable=True),
        sa.Column("damage", sa.Text(), nullable=True),
        sa.Column("has_members", sa.Boolean(), nullable=False),
        sa.Column("stores", sa.Text(), nullable=True),
        sa.Column("upload_id", sa.String(length=36), nullable=True),
        sa.Column("import_task", sa.String(length=36), nullable=True),
        sa.Column("importing_to", sa.Text(), nullable=True),
        sa.Column("failed_import", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.Column("active_at", UtcTime(), nullable=True),
        sa.Column("deleted_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
    )
    op.create_index(
        "ix_images_created_at", "images", ["os_hidden", "created_at", "id"], sqlite_where=LIVE, postgresql_where=LIVE
    )
    op.create_index(
        "ix_images_owner",
        "images",
        ["owner", "os_hidden", "created_at", "id"],
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )
    op.create_index(
        "ix_images_owner_visibility",
        "images",
        ["owner", "visibility", "has_members", "os_hidden", "created_at", "id"],
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )
    for name in INDEXED:
        where = sa.text(f"{LIVE} AND created_at > 0" + ("" if name in ALWAYS else f" AND {name} IS NOT NULL"))
        op.create_index(
            f"ix_images_{name}", "images", [name, "created_at", "id"], sqlite_where=where, postgresql_where=where
        )
    for key in SORTED:
        rest = [key] if key == "id" else [key, "created_at", "id"]
        for prefix, where in (("owner", LIVE), ("visibility", READABLE)):
            op.create_index(
                f"ix_images_{prefix}_{key}",
                "images",
                [prefix, "os_hidden", *rest],
                sqlite_where=where,
                postgresql_where=where,
            )
    op.create_index(
        "ix_images_visibility",
        "images",
        ["visibility", "os_hidden", "created_at", "id", "has_members"],
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )
    op.create_table(
        "image_tags",
        sa.Column("tag", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("image_id", sorted_text(36), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_image_tags_image_id")),
        sa.PrimaryKeyConstraint("tag", "created_at", "image_id", name=op.f("pk_image_tags")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_image_tags_image_id", "image_tags", ["image_id"])
    op.create_table(
        "image_properties",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("image_id", sorted_text(36), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_image_properties_image_id")),
        sa.PrimaryKeyConstraint("name", "value", "created_at", "image_id", name=op.f("pk_image_properties")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_image_properties_image_id", "image_properties", ["image_id"])
    op.create_table(
        "image_members",
        sa.Column("member_id", sa.String(length=255), nullable=False),
        sa.Column("image_id", sorted_text(36), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("image_created_at", UtcTime(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_image_members_image_id")),
        sa.PrimaryKeyConstraint("member_id", "image_id", name=op.f("pk_image_members")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_image_members_image_id", "image_members", ["image_id"])
    op.create_index(
        "ix_image_members_member_id_status", "image_members", ["member_id", "status", "image_created_at", "image_id"]
    )


def _create_uploads() -> None:
    op.create_table(
        "usage",
        sa.Column("scope", sa.String(length=300), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("uploads", sa.Integer(), nullable=False),
        sa.Column("max_bytes", sa.BigInteger(), nullable=True),
        sa.Column("max_images", sa.Integer(), nullable=True),
        sa.Column("max_uploads", sa.Integer(), nullable=True),
        sa.Column("max_jobs", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_usage")),
    )
    create_blobs()
    op.create_table(
        "placements",
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("blob_key", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=True),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["blob_key"], ["blobs.key"], name=op.f("fk_placements_blob_key")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_placements_image_id")),
        sa.PrimaryKeyConstraint("image_id", "blob_key", name=op.f("pk_placements")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_placements_blob_key", "placements", ["blob_key"])
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("blob_key", sa.String(length=64), nullable=False),
        sa.Column("expected_size", sa.BigInteger(), nullable=True),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_expires_at", UtcTime(), nullable=False),
        sa.Column("digests", sa.JSON(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("verifier", sa.String(length=64), nullable=True),
        sa.Column("verifier_expires_at", UtcTime(), nullable=True),
        sa.Column("verified", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rights", sa.JSON(), nullable=True),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["blob_key"], ["blobs.key"], name=op.f("fk_uploads_blob_key")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_uploads_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index("ix_uploads_blob_key", "uploads", ["blob_key"])
    op.create_index("ix_uploads_image_id", "uploads", ["image_id"])
    op.create_index("ix_uploads_lease_expires_at", "uploads", ["lease_expires_at"])
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
        "upload_parts",
        sa.Column("upload_id", sa.String(length=36), nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name=op.f("fk_upload_parts_upload_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload_id", "first", name=op.f("pk_upload_parts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "upload_pieces",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("upload_id", sa.String(length=36), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name=op.f("fk_upload_pieces_upload_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload_pieces")),
    )
    op.create_index("ix_upload_pieces_lease_owner", "upload_pieces", ["lease_owner"])
    op.create_index("ix_upload_pieces_upload_id", "upload_pieces", ["upload_id"])
    op.create_table(
        "upload_results",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("refusal", sa.JSON(), nullable=True),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_upload_results_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload_results")),
    )
    op.create_index("ix_upload_results_ended_at", "upload_results", ["ended_at"])
    op.create_index("ix_upload_results_image_id_ended_at", "upload_results", ["image_id", "ended_at"])
    op.create_table(
        "inspections",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=False),
        sa.Column("lease_expires_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspections")),
    )
    op.create_index("ix_inspections_lease_expires_at", "inspections", ["lease_expires_at"])


def _create_accounts() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("extra", sa.JSON(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("name", name=op.f("uq_projects_name")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("default_project_id", sa.String(length=32), nullable=True),
        sa.Column("extra", sa.JSON(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["default_project_id"], ["projects.id"], name=op.f("fk_users_default_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "role_assignments",
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("project_id", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_role_assignments_project_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_role_assignments_user_id")),
        sa.PrimaryKeyConstraint("user_id", "project_id", "role", name=op.f("pk_role_assignments")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "application_credentials",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("project_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("secret_hash", sa.String(length=255), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_application_credentials_project_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_application_credentials_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application_credentials")),
    )
    op.create_index(
        "uq_application_credentials_user_id_name", "application_credentials", ["user_id", "name"], unique=True
    )
    op.create_table(
        "tokens",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("audit_id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("project_id", sa.String(length=32), nullable=True),
        sa.Column("methods", sa.JSON(), nullable=False),
        sa.Column("application_credential_id", sa.String(length=32), nullable=True),
        sa.Column("issued_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.Column("idle_until", UtcTime(), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_credential_id"],
            ["application_credentials.id"],
            name=op.f("fk_tokens_application_credential_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_tokens_project_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_tokens")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tokens_application_credential_id", "tokens", ["application_credential_id"])
    op.create_index("ix_tokens_expires_at", "tokens", ["expires_at"])
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"])
    op.create_table(
        "access_keys",
        sa.Column("access", sa.String(length=128), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.String(length=255), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=32), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("security_token_hash", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_access_keys_project_id")),
        sa.ForeignKeyConstraint(
            ["token_hash"], ["tokens.hash"], name=op.f("fk_access_keys_token_hash"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_access_keys_user_id")),
        sa.PrimaryKeyConstraint("access", name=op.f("pk_access_keys")),
    )
    op.create_index("ix_access_keys_expires_at", "access_keys", ["expires_at"])
    op.create_index("ix_access_keys_token_hash", "access_keys", ["token_hash"])
    op.create_index("ix_access_keys_user_id", "access_keys", ["user_id"])
    op.create_table(
        "login_failures",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("failed_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_failures")),
    )
    op.create_index("ix_login_failures_failed_at", "login_failures", ["failed_at"])
    op.create_index("ix_login_failures_who_failed_at", "login_failures", ["who", "failed_at"])
    op.create_table(
        "known_networks",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", "network", name=op.f("pk_known_networks")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_known_networks_seen_at", "known_networks", ["seen_at"])
