"""``stillage``: serve, and administer what it serves."""

import math
import sys
from typing import Annotated

import typer

from stillage import config
from stillage.cli import accesskeys, projects, users
from stillage.cli import scrub as scrubbing
from stillage.cli.download import download
from stillage.cli.inspect import inspect
from stillage.cli.options import Config, Data
from stillage.cli.server import serve as serving
from stillage.cli.token import token
from stillage.cli.upload import upload
from stillage.config import CENTURY_S
from stillage.db import schema
from stillage.db.session import make_engine
from stillage.errors import StillageError

app = typer.Typer(help="An image service for virtual-machine disks.", no_args_is_help=True, add_completion=False)
db = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(users.app, name="user")
app.add_typer(projects.app, name="project")
app.add_typer(accesskeys.app, name="accesskey")
app.command()(token)
app.command()(inspect)
app.command()(upload)
app.command()(download)


@app.command()
def serve(
    data: Data = None,
    listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Default: 127.0.0.1:9292.")] = None,
    tls: Annotated[bool | None, typer.Option("--tls/--no-tls", help="HTTPS, the default, or plain HTTP.")] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Server processes. Default: 1.")] = None,
    config_file: Config = None,
) -> None:
    """Serve the image API. The first start makes everything that it needs in the data folder."""
    serving.serve(lambda: config.load(config_file, data=data, listen=listen, tls=tls, workers=workers))


def _above_zero(rate: float | None) -> float | None:
    if rate is not None and not 0 < rate < math.inf:  # nor what is no number
        raise typer.BadParameter("it must be more than 0")
    return rate


@app.command()
def scrub(
    data: Data = None,
    config_file: Config = None,
    older_than_s: Annotated[
        int, typer.Option(metavar="S", min=0, max=CENTURY_S, help="Leave what was read in the last S seconds.")
    ] = 0,
    rate: Annotated[
        float | None, typer.Option(metavar="MB/S", callback=_above_zero, help="Read no faster than this.")
    ] = None,
    damaged_only: Annotated[
        bool, typer.Option("--damaged", help="Only images that are marked as damaged: were they mended?")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Read every stored image again and compare it with what was uploaded. Status 1 if one is damaged."""
    settings = config.load(config_file, data=data)
    bytes_per_s = rate * 1_000_000 if rate is not None else None
    scrubbing.scrub(
        settings, older_than_s=older_than_s, bytes_per_s=bytes_per_s, damaged_only=damaged_only, as_json=as_json
    )


@db.command()
def upgrade(data: Data = None, config_file: Config = None) -> None:
    """Bring the database to the schema of this version. SQLite does it at every start by itself."""
    engine = make_engine(config.load(config_file, data=data).database)
    schema.upgrade(engine)
    engine.dispose()


def run() -> None:
    """The command's entry: a user reads a sentence, never a traceback."""
    try:
        app()
    except StillageError as error:
        typer.echo(f"stillage: {error}", err=True)
        sys.exit(1)
