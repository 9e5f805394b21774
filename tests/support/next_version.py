"""``stillage`` as a version to come: images have one more column, which its step adds and the version before ignores.

For tests of nodes that are replaced one after the other.
"""

from sqlalchemy import Column, Connection, String, text

from stillage.db import schema, tables
from stillage.db.migrations import steps

COLOUR = "colour"


def take(connection: Connection, to: str = "head") -> None:
    connection.execute(text(f"ALTER TABLE images ADD COLUMN {COLOUR} VARCHAR(16)"))
    connection.execute(text("UPDATE alembic_version SET version_num = :step"), {"step": schema.CURRENT})


def become() -> None:
    """Change this process's version, before anything uses the tables."""
    tables.images.append_column(Column(COLOUR, String(16), default="red"))
    schema.STEPS = (*schema.STEPS, "next")
    schema.CURRENT = "next"
    steps.take = take


if __name__ == "__main__":
    become()
    from stillage.cli.main import run

    run()
