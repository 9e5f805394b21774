"""Runs an upload or a download in a session with its cloud, and turns errors into exit statuses."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import typer
import uvloop

from stillage.client import clouds, state
from stillage.client.clouds import Cloud
from stillage.client.errors import (
    BadCloud,
    NetworkGaveUp,
    RefusedLocally,
    ServerRefused,
    UnusableFile,
    VerificationFailed,
)
from stillage.client.progress import Progress
from stillage.client.session import Session
from stillage.errors import StillageError

OK, REFUSED_LOCALLY, USAGE, SERVER_REFUSED, NETWORK, UNVERIFIED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
STATUSES: dict[type[StillageError], int] = {
    RefusedLocally: REFUSED_LOCALLY,
    BadCloud: USAGE,
    UnusableFile: USAGE,
    ServerRefused: SERVER_REFUSED,
    NetworkGaveUp: NETWORK,
    VerificationFailed: UNVERIFIED,
}


def status_of(problem: StillageError | None) -> int:
    """Return the exit status of a command that ended with *problem*, None for success."""
    return OK if problem is None else STATUSES.get(type(problem), USAGE)


def result_view(problem: StillageError | None) -> dict[str, Any]:
    """Return what JSON says of how a transfer ended."""
    error, code = (None, None) if problem is None else (str(problem), problem.code)
    return {"status": status_of(problem), "error": error, "code": code}


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
