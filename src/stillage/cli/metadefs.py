"""``stillage metadefs``: loads metadata definitions from files, such as those that Glance brings."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from stillage import config
from stillage.cli.accounts import require_database
from stillage.cli.options import Config, Data
from stillage.db import metadefs, schema
from stillage.db.session import Database
from stillage.errors import Forbidden, InvalidInput
from stillage.images.metadefs.definitions import Contents
from stillage.images.metadefs.requests import contents_of, namespace_of

app = typer.Typer(help="Metadata definitions.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of JSON files with a namespace each, or one file.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace namespaces that are here already.")]


@app.callback()
def options() -> None:
    """Metadata definitions."""  # without a callback, a group of one command is that command


@app.command()
def load(folder: Folder, replace: Replace = False, data: Data = None, config_file: Config = None) -> None:
    """Load namespaces from files, each with all that is in it. Nothing is stored if a file is invalid."""
    settings = config.load(config_file, data=data)
    require_database(settings)
    namespaces = [_read(file) for file in _files(folder)]

    async def store() -> Iterator[tuple[str, bool]]:
        database = Database(settings.database)
        try:
            schema.require_usable(database.engine)
            loaded = [await database.write(metadefs.load, each, replaces=replace) for each in namespaces]
        finally:
            database.close()
        return zip((each.namespace.name for each in namespaces), loaded, strict=True)

    for name, is_new in asyncio.run(store()):
        typer.echo(f"namespace {name} {'loaded' if is_new else 'is here already; use --replace to replace it'}")


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.json")) if folder.is_dir() else [folder]
    if not files:
        raise InvalidInput(f"there is no .json file in {folder}")
    return files


def _read(file: Path) -> Contents:
    """Return the namespace that *file* describes; InvalidInput, naming the file, if it does not."""
    now = datetime.now(UTC)
    try:
        document: Any = json.loads(file.read_bytes())
        return Contents(namespace_of(document, None, now), contents_of(document, now))
    except OSError as error:
        raise InvalidInput(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, InvalidInput, Forbidden) as error:  # ValueError: it is not JSON, or not UTF-8
        raise InvalidInput(f"{file}: {error}") from error
