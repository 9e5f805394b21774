"""``stillage backup`` and ``stillage restore``: a verified copy of a node, made while it serves."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from stillage import config
from stillage.cli.accounts import require_database
from stillage.cli.options import Config, Data, Json
from stillage.cli.server import processes
from stillage.cli.server.data_folder import DataFolder
from stillage.config import Settings
from stillage.db import schema
from stillage.db.session import make_engine
from stillage.errors import BadSettings
from stillage.ids import StoreId
from stillage.operations.backup.making import Node, back_up
from stillage.operations.backup.restoring import restore as restore_node
from stillage.store_settings import FilesSettings

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the backup.")]


def backup(folder: Folder, data: Data = None, config_file: Config = None, as_json: Json = False) -> None:
    """Copy a node to DIR while it serves, and verify the copy. Run it again to copy what is new.

    It copies the database, images in folders, files of users, and keys: protect DIR as the data folder. Images in
    buckets stay there. Status 1 if images are damaged.
    """
    settings = config.load(config_file, data=data)
    _require_sqlite(settings, "backed up with: pg_dump --format=custom --file=stillage.dump")
    require_database(settings)
    os.umask(0o077)
    engine = make_engine(settings.database)
    try:
        schema.require_usable(engine)
        summary = back_up(_node(settings), engine, folder, datetime.now(UTC))
    finally:
        engine.dispose()
    told = {"images": summary.images, "blobs": summary.blobs, "bytes": summary.bytes, "copied": summary.copied}
    _tell(
        f"the backup in {folder}",
        {**told, "damaged": list(summary.damaged), "left_out": list(summary.left_out)},
        as_json,
    )


def restore(folder: Folder, data: Data = None, config_file: Config = None, as_json: Json = False) -> None:
    """Restore a backup in DIR to a new data folder, and verify it. Run it again after an interruption.

    Status 1 if images are damaged.
    """
    settings = config.load(config_file, data=data)
    _require_sqlite(settings, "restored with: pg_restore --dbname=stillage stillage.dump")
    os.umask(0o077)
    DataFolder(settings.data).prepare()
    lock = processes.take(settings.data)
    try:
        copies = restore_node(folder, _node(settings))
    finally:
        os.close(lock)
    told = {"copied": copies.copied, "damaged": sorted(copies.damage), "left_out": sorted(copies.left_out)}
    _tell(f"restored to {settings.data}:", told, as_json)


def _require_sqlite(settings: Settings, with_what: str) -> None:
    if not settings.database.startswith("sqlite:"):
        raise BadSettings(f"the database is PostgreSQL; it is {with_what}; docs/operation.md says how to copy the rest")
    if settings.database_url is not None:
        raise BadSettings("database_url is set; leave it out: the backup needs the database in the data folder")


def _node(settings: Settings) -> Node:
    own = [one for one in settings.stores if isinstance(one, FilesSettings) and one.layout == "stillage"]
    folders = {StoreId(one.id): settings.data / one.path for one in own}
    return Node(settings.data, settings.secret_path, folders)


def _tell(what: str, told: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(told))
    else:
        counted = [f"{told[name]:,} {name}" for name in ("images", "blobs", "bytes", "copied") if name in told]
        typer.echo(f"{what} {', '.join(counted)}, {len(told['damaged'])} damaged")
        for store in told["left_out"]:
            typer.echo(f"not copied: the images of store {store}; keep its bucket or folder", err=True)
    if told["damaged"]:
        raise typer.Exit(1)
