"""Bringing a database to the schema that this version needs: a new one gets the tables as they are now.

An older one takes the steps in `migrations` that it lacks, and both end alike. Alembic is imported only for those
steps: it costs a start more than most of the rest, in time and in memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from stillage.db.session import is_passing
from stillage.db.tables import metadata
from stillage.errors import BadSettings

# As Alembic makes it, which looks here for the step that the database has taken.
VERSION_TABLE = """CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)"""
CURRENT = "0010"
"""The last step. A test compares it with what Alembic finds in `migrations`."""


def upgrade(engine: Engine) -> None:
    """Make the tables of *engine*'s database if it is empty, else take the steps that it lacks.

    Raises:
        BadSettings: If the database does not answer, or others hold it.
    """
    with _connected(engine) as connection, connection.execution_options(writes=True).begin():
        found = _found(connection)
        if found is None and not inspect(connection).get_table_names():
            _create(connection)
        elif found != CURRENT:
            from stillage.db.migrations import steps  # noqa: PLC0415 - see above

            steps.take(connection)


def require_current(engine: Engine) -> None:
    """Raise BadSettings unless the database answers and has exactly this version's schema."""
    with _connected(engine) as connection:
        found = _found(connection)
    if found != CURRENT:
        raise BadSettings(f"the database is at schema {found}, this version needs {CURRENT}; run 'stillage db upgrade'")


def _create(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.execute(text(VERSION_TABLE))
    connection.execute(text("INSERT INTO alembic_version VALUES (:current)"), {"current": CURRENT})


def _found(connection: Connection) -> str | None:
    """Return the step at which the database is; None before the first. The table is Alembic's."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    """Connect for somebody who waits at a terminal, and is told what the database says if it does not answer."""
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise _silent(engine, error) from error
    with connection:
        try:
            yield connection
        except DBAPIError as error:
            if not is_passing(error):
                raise
            raise _silent(engine, error) from error


def _silent(engine: Engine, error: DBAPIError) -> BadSettings:
    why = " ".join(str(error.orig).split())
    return BadSettings(f"the database {engine.url.render_as_string()} does not answer: {why}")
