"""Facts about the whole deployment, which its nodes agree on. Plain functions of a connection."""

from sqlalchemy import Connection, select, text

from stillage.db.tables import deployment

# The same SQL on SQLite and PostgreSQL, for which SQLAlchemy has different constructs.
INSERT = "INSERT INTO deployment (name, value) VALUES (:name, :value) ON CONFLICT "
SET_FIRST = text(f"{INSERT} DO NOTHING")
SET = text(f"{INSERT} (name) DO UPDATE SET value = excluded.value")


def agree(connection: Connection, name: str, value: str) -> str:
    """Return the value of *name*: *value*, if none was set before."""
    connection.execute(SET_FIRST, {"name": name, "value": value})
    return str(connection.execute(select(deployment.c.value).where(deployment.c.name == name)).scalar_one())


def change(connection: Connection, name: str, value: str) -> None:
    connection.execute(SET, {"name": name, "value": value})
