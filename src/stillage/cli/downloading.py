"""Runs ``stillage download``: downloads an image and prints the result."""

import json
import sys
import time
from typing import Any

import typer
from rich.filesize import decimal

from stillage.cli import conversation, statuses
from stillage.cli.cloud_options import Talk
from stillage.cli.show.progress import Switch, show_progress
from stillage.cli.show.texts import readable
from stillage.client.download import Download, Fetched
from stillage.client.rate_limit import RateLimit
from stillage.client.session import Session
from stillage.client.stream import StreamDownload
from stillage.errors import StillageError


def download_image(
    image: str,
    output: str | None,
    *,
    connections: int,
    force: bool,
    disk: bool,
    talk: Talk,
) -> int:
    """Download *image*, an id or a name, to *output* and return the exit status. *output* None: its name, here.

    With *disk* the disk inside the image comes in its place, raw.
    """
    to_pipe = output == "-"
    rate = None if talk.bytes_per_s is None else RateLimit(talk.bytes_per_s)
    with show_progress(quiet=talk.as_json or talk.quiet) as shown:
        shown.file = readable(image)

        async def fetch(session: Session) -> int:
            outcome, started = Fetched(), time.monotonic()
            problem: StillageError | None = None
            try:
                if to_pipe:
                    piped = StreamDownload(session, sys.stdout.fileno(), progress=shown, disk=disk, rate=rate)
                    outcome = piped.outcome
                    await piped.run(image)
                else:
                    state = conversation.state_folder()
                    one = Download(
                        session, state=state, connections=connections, force=force, progress=shown, disk=disk, rate=rate
                    )
                    outcome = one.outcome
                    await one.run(image, output)
            except StillageError as error:
                problem = error
            _print(outcome, shown, talk, time.monotonic() - started, problem, to_pipe=to_pipe)
            return statuses.status_of(problem)

        return conversation.converse(talk, shown, fetch, to_pipe=to_pipe)


def _print(
    outcome: Fetched, shown: Switch, talk: Talk, seconds: float, problem: StillageError | None, *, to_pipe: bool
) -> None:
    """Print what came of it. *to_pipe*: on standard error, since the other has the image."""
    if talk.as_json:
        typer.echo(json.dumps(_view(outcome, seconds, problem)), err=to_pipe)
    elif problem is not None:
        typer.echo(f"{shown.file}: {problem}", err=True)
    elif not talk.quiet:
        typer.echo(_sentence(outcome, seconds), err=to_pipe)


def _view(outcome: Fetched, seconds: float, problem: StillageError | None) -> dict[str, Any]:
    return {
        "file": None if outcome.file is None else readable(outcome.file),
        **statuses.result_view(problem),
        "image": outcome.image_id,
        "size": outcome.size,
        "received": outcome.received,
        "resumed": outcome.resumed,
        "verified": dict(outcome.verified),
        "seconds": round(seconds, 3),
    }


def _sentence(outcome: Fetched, seconds: float) -> str:
    rate = outcome.received / max(seconds, 1e-3) / 1e6
    parts = [f"{decimal(outcome.received)} received in {seconds:.1f} s ({rate:.0f} MB/s)"]
    if outcome.resumed:
        parts.append(f"{decimal(outcome.resumed)} resumed")
    compared = " and ".join(sorted(outcome.verified)) or "the size"
    return f"{readable(outcome.file or '-')}: image {outcome.image_id}; {', '.join(parts)}; verified by {compared}"
