"""Runs a command in a session with its cloud, and turns errors into exit statuses."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import typer
import uvloop

from stillage.cli.cloud_options import Talk
from stillage.cli.statuses import INTERRUPTED, result_view, status_of
from stillage.client import clouds, state
from stillage.client.clouds import Cloud
from stillage.client.progress import Progress
from stillage.client.session import Session
from stillage.errors import StillageError

RESUME = "run the same command again to resume"


def chosen(talk: Talk) -> Cloud:
    """Return the cloud that the command line or the environment names, or the deployment on this machine.

    Raises:
        BadCloud: If there is none.
    """
    if talk.data is not None:
        own = {"OS_CLIENT_CONFIG_FILE": str(talk.data / "clouds.yaml")}
        return clouds.choose(talk.cloud or clouds.LOCAL, own, folder=talk.data)
    return clouds.choose(talk.cloud, os.environ, folder=Path.cwd(), local=lambda: _local(talk.config_file))


def _local(config_file: Path | None) -> Path | None:
    """Return the clouds.yaml that `stillage serve` wrote by the same settings; None if it wrote none here."""
    from stillage import config  # noqa: PLC0415 - only who has no cloud of their own waits for the settings

    path = config.load(config_file).data / "clouds.yaml"
    return path if os.access(path, os.R_OK) else None


def state_folder() -> Path:
    return state.folder(os.environ)


def converse(
    talk: Talk,
    progress: Progress,
    work: Callable[[Session], Awaitable[int]],
    *,
    after_interrupt: str = RESUME,
    to_pipe: bool = False,
) -> int:
    """Do *work* in a session with the cloud of *talk*; return the exit status.

    Args:
        talk: The options.
        progress: Where outages are told.
        work: Prints what came of it, and returns the exit status.
        after_interrupt: What to do after Ctrl-C.
        to_pipe: Standard output has data, so JSON goes to standard error.
    """

    async def run() -> int:
        async with Session.to(chosen(talk), give_up_after_s=talk.give_up_after_s, say=progress.say) as session:
            return await work(session)

    try:
        return uvloop.run(run())
    except StillageError as error:
        _tell(talk, str(error), result_view(error), to_pipe=to_pipe)
        return status_of(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        why = f"interrupted; {after_interrupt}"
        _tell(
            talk,
            why,
            {**result_view(None), "status": INTERRUPTED, "error": why, "code": "interrupted"},
            to_pipe=to_pipe,
        )
        return INTERRUPTED


def _tell(talk: Talk, why: str, view: dict[str, object], *, to_pipe: bool) -> None:
    typer.echo(f"stillage: {why}", err=True)
    if talk.as_json:
        typer.echo(json.dumps(view), err=to_pipe)
