"""Bringing a database to the schema that this version needs. Alembic does the work; the steps are in `migrations`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from stillage.db.session import translated
from stillage.errors import BadSettings


def upgrade(engine: Engine) -> None:
    """Run every migration that *engine*'s database lacks. Does nothing when it is current.

    Raises:
        Unavailable: If the database does not answer, or others hold it.
    """
    config = _config()
    with _answering(), engine.connect().execution_options(writes=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def require_current(engine: Engine) -> None:
    """Raise BadSettings unless the database has exactly this version's schema, Unavailable if it does not answer."""
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    with _answering(), engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != wanted:
        raise BadSettings(f"the database is at schema {found}, this version needs {wanted}; run 'stillage db upgrade'")


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise translated(error) from error


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    # ConfigParser reads % as its own; a path may hold one.
    config.set_main_option("path_separator", "os")
    return config
