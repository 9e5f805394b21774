"""Bringing a database to the schema that this version needs. Alembic does the work; the steps are in `migrations`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from stillage.db.session import is_passing
from stillage.errors import BadSettings


def upgrade(engine: Engine) -> None:
    """Run every migration that *engine*'s database lacks. Does nothing when it is current.

    Raises:
        BadSettings: If the database does not answer, or others hold it.
    """
    config = _config()
    with _connected(engine) as connection, connection.execution_options(writes=True).begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def require_current(engine: Engine) -> None:
    """Raise BadSettings unless the database answers and has exactly this version's schema."""
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    with _connected(engine) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != wanted:
        raise BadSettings(f"the database is at schema {found}, this version needs {wanted}; run 'stillage db upgrade'")


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


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    # ConfigParser reads % as its own; a path may hold one.
    config.set_main_option("path_separator", "os")
    return config
