"""``stillage download``: an image becomes a file, from Stillage or any Glance."""

import json
import time
from typing import Annotated, Any

import typer
from rich.filesize import decimal

from stillage.cli import cloud_options as cloudy
from stillage.cli.cloud_options import CloudName, GiveUpAfter, Parallel
from stillage.cli.options import Json
from stillage.cli.show.progress import show_progress
from stillage.cli.show.report import readable
from stillage.client.download import Download, Fetched
from stillage.client.session import Session
from stillage.errors import StillageError

ImageName = Annotated[str, typer.Argument(metavar="ID|NAME", help="The image.")]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE", help="Default: the image's name, in this folder.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file that is there.")]


def download(
    image: ImageName,
    output: Output = None,
    parallel: Parallel = 4,
    force: Force = False,
    give_up_after: GiveUpAfter = cloudy.GIVE_UP,
    as_json: Json = False,
    cloud: CloudName = None,
) -> None:
    """Make a file of an image. What was interrupted goes on where it was when the same command is run again.

    Status: 0 done, 2 wrong use, 3 refused by the server, 4 no network, 5 the file is not the image, 130 interrupted.
    """
    with show_progress(quiet=as_json) as shown:
        shown.file = readable(image)

        async def fetch(session: Session) -> int:
            one = Download(session, state=cloudy.state_folder(), connections=parallel, force=force, progress=shown)
            started = time.monotonic()
            problem: StillageError | None = None
            try:
                await one.run(image, output)
            except StillageError as error:
                problem = error
            seconds = time.monotonic() - started
            if as_json:
                typer.echo(json.dumps(_view(one.outcome, seconds, problem)))
            elif problem is not None:
                typer.echo(f"{shown.file}: {problem}", err=True)
            else:
                typer.echo(_sentence(one.outcome, seconds))
            return cloudy.OK if problem is None else cloudy.status_of(problem)

        status = cloudy.converse(cloud, give_up_after, shown, fetch)
    raise typer.Exit(status)


def _view(outcome: Fetched, seconds: float, problem: StillageError | None) -> dict[str, Any]:
    return {
        "file": None if outcome.file is None else readable(outcome.file),
        "status": cloudy.OK if problem is None else cloudy.status_of(problem),
        "error": None if problem is None else str(problem),
        "image": outcome.image_id,
        "size": outcome.size,
        "received": outcome.received,
        "resumed": outcome.resumed,
        "verified": dict(outcome.verified),
        "seconds": round(seconds, 3),
    }


def _sentence(outcome: Fetched, seconds: float) -> str:
    rate = outcome.received / max(seconds, 1e-3) / 1e6
    parts = [f"{decimal(outcome.received)} fetched in {seconds:.1f} s ({rate:.0f} MB/s)"]
    if outcome.resumed:
        parts.append(f"{decimal(outcome.resumed)} were there already")
    compared = " and ".join(sorted(outcome.verified)) or "the size"
    return f"{readable(outcome.file or '')}: image {outcome.image_id}; {', '.join(parts)}; verified by {compared}"
