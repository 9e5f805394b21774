"""Bringing a database to the schema that this version needs: a new one gets the tables as they are now.

An older one takes the steps in `migrations` that it lacks, and both end alike. Alembic is imported only for those
steps: it costs a start more than most of the rest, in time and in memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from stillage.db.tables import metadata
from stillage.db.trouble import is_passing
from stillage.errors import BadSettings

# As Alembic makes it, which looks here for the step that the database has taken.
VERSION_TABLE = """CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)"""
STEPS = ("0.1.0",)
"""The schemas of all versions, this one's last. A test compares them with what Alembic finds in `migrations`."""
CURRENT = STEPS[-1]


def upgrade(engine: Engine) -> None:
    """Make the tables of *engine*'s database if it is empty, else take the steps that it lacks.

    Raises:
        BadSettings: If the database does not answer, others hold it, or no step leads from its schema to this one.
    """
    with _connected(engine) as connection, connection.execution_options(writes=True).begin():
        schema = _schema_of(connection)
        if schema is None and not inspect(connection).get_table_names():
            _create(connection)
        elif schema != CURRENT:
            from stillage.db.migrations import steps  # noqa: PLC0415 - see above

            steps.take(connection)


def require_current(engine: Engine) -> None:
    """Raise BadSettings unless the database answers and has exactly this version's schema."""
    with _connected(engine) as connection:
        schema = _schema_of(connection)
    if schema != CURRENT:
        raise BadSettings(
            f"the database is at schema {schema}, this version needs {CURRENT}; run 'stillage db upgrade'"
        )


def _create(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.execute(text(VERSION_TABLE))
    connection.execute(text("INSERT INTO alembic_version VALUES (:current)"), {"current": CURRENT})


def _schema_of(connection: Connection) -> str | None:
    """Return the last step that the database has taken; None before the first. The table is Alembic's.

    Raises:
        BadSettings: If this version does not know the step.
    """
    if not inspect(connection).has_table("alembic_version"):
        return None
    step: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if step is not None and step not in STEPS:
        raise BadSettings(
            f"the database is at schema {step}, which this version does not know: it belongs to a newer version, or to"
            " one from before 0.1.0. Use the version that made it, or a new database"
        )
    return step


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    """Connect, and translate the error of a database that does not answer to a message for the terminal."""
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
