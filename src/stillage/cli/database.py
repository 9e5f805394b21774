"""``stillage db``: upgrades the database schema."""

import typer

from stillage import config
from stillage.cli.options import Config, Data
from stillage.db import schema
from stillage.db.session import make_engine

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.command()
def upgrade(data: Data = None, config_file: Config = None) -> None:
    """Upgrade the database to the schema of this version. With SQLite every start does this."""
    engine = make_engine(config.load(config_file, data=data).database)
    schema.upgrade(engine)
    engine.dispose()
