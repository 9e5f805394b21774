"""Runs an upload or a download in a session with its cloud, and turns errors into exit statuses."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import typer
import uvloop

from stillage.cli.statuses import INTERRUPTED, status_of
from stillage.client import clouds, state
from stillage.client.clouds import Cloud
from stillage.client.progress import Progress
from stillage.client.session import Session
from stillage.errors import StillageError


def chosen(name: str | None) -> Cloud:
    """Return the cloud named by the command line or the environment.

    Raises:
        BadCloud: If there is none.
    """
    return clouds.choose(name, os.environ, folder=Path.cwd())


def state_folder() -> Path:
    return state.folder(os.environ)


def converse(
    cloud: str | None, give_up_after_s: float, progress: Progress, work: Callable[[Session], Awaitable[int]]
) -> int:
    """Do *work* in a session with *cloud*; return the exit status."""

    async def run() -> int:
        async with Session.to(chosen(cloud), give_up_after_s=give_up_after_s, say=progress.say) as session:
            return await work(session)

    try:
        return uvloop.run(run())
    except StillageError as error:
        typer.echo(f"stillage: {error}", err=True)
        return status_of(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        typer.echo("stillage: interrupted; run the same command again to resume", err=True)
        return INTERRUPTED
