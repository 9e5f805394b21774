"""Taking the steps in `versions` that a database lacks, with Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def take(connection: Connection, to: str = "head") -> None:
    """Take the steps that lead to the one named *to*; ``head`` is the last."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def names() -> tuple[str, ...]:
    """Return the steps that there are, the first one first."""
    return tuple(step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions())[::-1]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    # ConfigParser reads % as its own; a path may hold one.
    config.set_main_option("path_separator", "os")
    return config
