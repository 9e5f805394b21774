"""What every table belongs to, and how constraints and indexes are named."""

from typing import Any

from sqlalchemy import Connection, MetaData, event

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


@event.listens_for(metadata, "before_create")
def _give_postgresql_the_conditions_of_sqlite(_metadata: MetaData, connection: Connection, **_: Any) -> None:
    """Make partial indexes on PostgreSQL too. An option with its name loads its dialect: 4 MiB."""
    if connection.dialect.name == "postgresql":
        for table in metadata.tables.values():
            for index in table.indexes:
                if (where := index.kwargs.get("sqlite_where")) is not None:
                    index.kwargs["postgresql_where"] = where
