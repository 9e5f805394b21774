"""``stillage db``: upgrades the database schema."""

import asyncio

import typer

from stillage import config
from stillage.cli.accounts import require_database
from stillage.cli.options import Config, Data
from stillage.db import schema
from stillage.db.session import Database, make_engine
from stillage.operations.identity import shared_secret

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.command()
def upgrade(data: Data = None, config_file: Config = None) -> None:
    """Upgrade the database to the schema of this version. With SQLite every start does this."""
    engine = make_engine(config.load(config_file, data=data).database)
    schema.upgrade(engine)
    engine.dispose()


@app.command("adopt-secret")
def adopt_secret(data: Data = None, config_file: Config = None) -> None:
    """Let nodes start with the secret of this one, and no other. Use it when the old secret is lost.

    Access keys and upload URLs that were made with the old secret stop working.
    """
    settings = config.load(config_file, data=data)
    require_database(settings)

    async def adopt() -> None:
        database = Database(settings.database)
        try:
            schema.require_usable(database.engine)
            await shared_secret.adopt_secret(database, settings.secret)
        finally:
            database.close()

    asyncio.run(adopt())
