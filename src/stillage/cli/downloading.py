"""Runs ``stillage download``: downloads an image and prints the result."""

import json
import time
from typing import Any

import typer
from rich.filesize import decimal

from stillage.cli import conversation, statuses
from stillage.cli.cloud_options import Talk
from stillage.cli.show.progress import show_progress
from stillage.cli.show.texts import readable
from stillage.client.download import Download, Fetched
from stillage.client.session import Session
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
    with show_progress(quiet=talk.as_json) as shown:
        shown.file = readable(image)

        async def fetch(session: Session) -> int:
            one = Download(
                session,
                state=conversation.state_folder(),
                connections=connections,
                force=force,
                disk=disk,
                progress=shown,
            )
            started = time.monotonic()
            problem: StillageError | None = None
            try:
                await one.run(image, output)
            except StillageError as error:
                problem = error
            seconds = time.monotonic() - started
            if talk.as_json:
                typer.echo(json.dumps(_view(one.outcome, seconds, problem)))
            elif problem is not None:
                typer.echo(f"{shown.file}: {problem}", err=True)
            else:
                typer.echo(_sentence(one.outcome, seconds))
            return statuses.status_of(problem)

        return conversation.converse(talk, shown, fetch)


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
    return f"{readable(outcome.file or '')}: image {outcome.image_id}; {', '.join(parts)}; verified by {compared}"
