"""Tables of metadata definitions: namespaces, and what is in them."""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from stillage.db.columns import UtcTime, sorted_text
from stillage.db.tables.base import metadata

metadef_namespaces = Table(
    "metadef_namespaces",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),  # names can change
    Column("name", sorted_text(80), nullable=False, unique=True),
    Column("display_name", String(80)),
    Column("description", Text),
    Column("visibility", String(16), nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("owner", String(255)),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

# Objects, properties, tags and associations of resource types alike: each is a document with a name.
metadef_definitions = Table(
    "metadef_definitions",
    metadata,
    Column("namespace_id", Integer, ForeignKey("metadef_namespaces.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", sorted_text(80), primary_key=True),
    Column("members", JSON, nullable=False),
    Column("size", Integer, nullable=False),  # of the JSON of `members`, in bytes
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Index("ix_metadef_definitions_kind_name", "kind", "name"),
    sqlite_with_rowid=False,
)
