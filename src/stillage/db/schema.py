"""Bringing a database to the schema that this version needs: a new one gets the tables as they are now.

An older one takes the steps in `migrations` that it lacks, and both end alike. Alembic is imported only for those
steps: it costs a start more than most of the rest, in time and in memory.

A database says since which schema a version can use it, so that nodes of two versions run on it while they are
replaced one after the other: a step adds what the new version needs, and a step of a later version removes what only
the old one did.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from stillage.db.tables import deployment, metadata
from stillage.db.trouble import is_passing
from stillage.errors import BadSettings

# As Alembic makes it, which looks here for the step that the database has taken.
VERSION_TABLE = """CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)"""
STEPS: tuple[str, ...] = ("0.1.0",)
"""The schemas of all versions, this one's last. A test compares them with what Alembic finds in `migrations`."""
CURRENT = STEPS[-1]
COMPATIBLE_SINCE = "0.1.0"
"""The oldest schema whose version can use a database of `CURRENT`. A step that removes something moves it on."""
UPGRADES = int.from_bytes(b"stillage")
"""The advisory lock of PostgreSQL that upgrades take turns with."""


def upgrade(engine: Engine) -> None:
    """Make the tables of *engine*'s database if it is empty, else take the steps that it lacks.

    Raises:
        BadSettings: If the database does not answer, others hold it, or no step leads from its schema to this one.
    """
    with _connected(engine) as connection, connection.execution_options(writes=True).begin():
        _wait_for_other_upgrades(connection)
        schema = _schema_of(connection)
        if schema is None and not inspect(connection).get_table_names():
            _create(connection)
        elif schema != CURRENT:
            from stillage.db.migrations import steps  # noqa: PLC0415 - see above

            steps.take(connection)


def require_usable(engine: Engine) -> None:
    """Raise BadSettings unless the database answers and has this version's schema, or a newer that it can use."""
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
    connection.execute(insert(deployment).values(name="compatible_since", value=COMPATIBLE_SINCE))


def _wait_for_other_upgrades(connection: Connection) -> None:
    """Hold the lock until the transaction has ended. With SQLite the transaction itself is the lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))  # an upgrade may take minutes
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADES})
        connection.execute(text("RESET lock_timeout"))


def _schema_of(connection: Connection) -> str | None:
    """Return the last step that the database has taken; None before the first. The table is Alembic's.

    `CURRENT`, if it has taken later ones that this version can live with.

    Raises:
        BadSettings: If this version does not know the step, and cannot.
    """
    if not inspect(connection).has_table("alembic_version"):
        return None
    step: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if step is None or step in STEPS:
        return step
    if _compatible_since(connection) in STEPS:
        return CURRENT
    raise BadSettings(
        f"the database is at schema {step}, which this version does not know: it belongs to a newer version, or to"
        " one from before 0.1.0. Use the version that made it, or a new database"
    )


def _compatible_since(connection: Connection) -> str | None:
    if not inspect(connection).has_table(deployment.name):
        return None
    is_it = deployment.c.name == "compatible_since"
    return connection.execute(select(deployment.c.value).where(is_it)).scalar()


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
