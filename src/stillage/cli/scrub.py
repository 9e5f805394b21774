"""``stillage scrub``: reads every stored image again and compares it with its digests."""

import asyncio
import json
import math
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console

from stillage import config
from stillage.cli import logs
from stillage.cli.accounts import require_database
from stillage.cli.options import Config, Data, Json
from stillage.config import Settings
from stillage.db import schema
from stillage.operations.upkeep.scrub import Scrubbed
from stillage.times import CENTURY_S
from stillage.worker import build_worker


def _above_zero(rate: float | None) -> float | None:
    if rate is not None and not 0 < rate < math.inf:  # nor what is no number
        raise typer.BadParameter("must be greater than 0")
    return rate


def command(
    data: Data = None,
    config_file: Config = None,
    older_than_s: Annotated[
        int, typer.Option(metavar="S", min=0, max=CENTURY_S, help="Skip images that were read in the last S seconds.")
    ] = 0,
    rate: Annotated[
        float | None, typer.Option(metavar="MB/S", callback=_above_zero, help="Read no faster than this.")
    ] = None,
    damaged_only: Annotated[
        bool, typer.Option("--damaged", help="Read only images that are marked as damaged.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read every stored image again and compare it with what was uploaded. Status 1 if any is damaged."""
    settings = config.load(config_file, data=data)
    bytes_per_s = rate * 1_000_000 if rate is not None else None
    scrub(settings, older_than_s=older_than_s, bytes_per_s=bytes_per_s, damaged_only=damaged_only, as_json=as_json)


def scrub(
    settings: Settings, *, older_than_s: float, bytes_per_s: float | None, damaged_only: bool, as_json: bool
) -> None:
    """Scrub, and print what is damaged. Exit status 1 if something is.

    Raises:
        BadSettings: If there is no database of this version.
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
    async with build_worker(settings) as worker:
        schema.require_usable(worker.services.database.engine)
        scrub = worker.scrub(older_than_s=older_than_s, bytes_per_s=bytes_per_s, damaged_only=damaged_only)
        async for scrubbed in scrub:
            read += len(scrubbed.image_ids)
            if scrubbed.damage is None:
                continue
            damaged += len(scrubbed.image_ids)
            for line in _told(scrubbed, as_json=as_json):
                typer.echo(line)
    return read, damaged


def _told(scrubbed: Scrubbed, *, as_json: bool) -> Iterator[str]:
    """Yield a line for each image that has these bytes."""
    blob = scrubbed.stored.blob
    for image_id in scrubbed.image_ids:
        found = {"image_id": image_id, "store": blob.store, "key": blob.key, "damage": scrubbed.damage}
        yield json.dumps(found) if as_json else f"image {image_id} is damaged: {scrubbed.damage}"
