"""``stillage scrub``: read every stored image again, and compare."""

import asyncio
import json

import typer
from rich.console import Console

from stillage import app
from stillage.cli import logs
from stillage.cli.accounts import require_database
from stillage.config import Settings
from stillage.db import schema


def scrub(
    settings: Settings, *, older_than_s: float, bytes_per_s: float | None, damaged_only: bool, as_json: bool
) -> None:
    """Scrub, and print what is damaged. Exit status 1 if something is.

    Raises:
        BadSettings: If there is no deployment to look at, or it is not of this version.
    """
    require_database(settings)
    logs.configure(settings.log_format, settings.log_level)
    read, damaged = asyncio.run(_scrub(settings, older_than_s, bytes_per_s, damaged_only=damaged_only, as_json=as_json))
    if as_json:
        typer.echo(json.dumps({"images": read, "damaged": damaged}))
    else:
        Console().print(f"{read} images read, {damaged} damaged", highlight=False)
    if damaged:
        raise typer.Exit(1)


async def _scrub(
    settings: Settings, older_than_s: float, bytes_per_s: float | None, *, damaged_only: bool, as_json: bool
) -> tuple[int, int]:
    read = damaged = 0
    async with app.build(settings, owner="") as worker:
        schema.require_current(worker.services.database.engine)
        scrub = worker.scrub(older_than_s=older_than_s, bytes_per_s=bytes_per_s, damaged_only=damaged_only)
        async for scrubbed in scrub:
            read += 1
            if scrubbed.damage is None:
                continue
            damaged += 1
            found = {"image_id": scrubbed.blob.image_id, "key": scrubbed.blob.key, "damage": scrubbed.damage}
            typer.echo(json.dumps(found) if as_json else f"image {found['image_id']} is damaged: {found['damage']}")
    return read, damaged
