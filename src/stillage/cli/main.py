"""``stillage``: serve, and administer what it serves."""

import os
import sys
from typing import Annotated

import typer
from typer.main import get_command

from stillage import __version__
from stillage.cli import garbage
from stillage.cli.ending import ended
from stillage.cli.lazy import Command, LazyGroup


class Commands(LazyGroup):
    table = {  # noqa: RUF012 - nobody changes it
        "serve": Command(
            "stillage.cli.server.serve:command",
            "Serve the image API. The first start creates everything it needs in the data folder.",
        ),
        "upload": Command(
            "stillage.cli.upload:upload",
            "Upload files as images. Run the same command again to resume after an interruption.",
        ),
        "import": Command(
            "stillage.cli.imports:command",
            "Import images: the server reads URLs itself, and verifies files that are staged.",
        ),
        "download": Command(
            "stillage.cli.download:download",
            "Download an image to a file. Run the same command again to resume after an interruption.",
        ),
        "image": Command(
            "stillage.cli.images:app", "Images at a server: list, show, set, delete, share and save them."
        ),
        "inspect": Command(
            "stillage.cli.inspect:inspect",
            "Say whether files would be accepted, and why not. Status: 0 accepted, 1 refused, 2 unreadable.",
        ),
        "convert": Command(
            "stillage.cli.convert:convert",
            "Convert a disk image. OUT appears when it is complete; until then nothing of it can be seen.",
        ),
        "doctor": Command(
            "stillage.cli.doctor:doctor",
            "Probe the path to a server, and say which directive of a proxy would break a large upload.",
        ),
        "scrub": Command(
            "stillage.cli.scrub:command",
            "Read every stored image again and compare it with what was uploaded. Status 1 if any is damaged.",
        ),
        "backup": Command(
            "stillage.cli.backup:backup",
            "Copy a node to DIR while it serves, and verify the copy. Run it again to copy what is new.",
        ),
        "restore": Command(
            "stillage.cli.backup:restore",
            "Restore a backup in DIR to a new data folder, and verify it. Run it again after an interruption.",
        ),
        "adopt": Command(
            "stillage.cli.adopt:adopt",
            "Adopt the images of a Glance that is stopped: serve its files from where they are, or take them over.",
        ),
        "worker": Command(
            "stillage.cli.server.jobs_alone:command",
            "Run jobs, such as imports, and serve nothing. For servers with run_jobs = false, or beside others.",
        ),
        "job": Command("stillage.cli.jobs:app", "Imports and other work that outlives its request."),
        "completion": Command("stillage.cli.completion:completion", "Print the completion script of a shell."),
        "token": Command("stillage.cli.token:token", "Print a token for X-Auth-Token."),
        "user": Command("stillage.cli.users:app", "Users of the embedded identity."),
        "project": Command("stillage.cli.projects:app", "Projects of the embedded identity."),
        "quota": Command("stillage.cli.quotas:app", "What projects may use."),
        "accesskey": Command("stillage.cli.accesskeys:app", "Access keys (AK/SK) of users of the embedded identity."),
        "metadefs": Command("stillage.cli.metadefs:app", "Metadata definitions."),
        "db": Command("stillage.cli.database:app", "The database."),
    }


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"stillage {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """An image service for virtual-machine disks."""


def run() -> None:
    """The command's entry: a user reads a sentence, never a traceback."""
    garbage.start()
    if "_STILLAGE_COMPLETE" in os.environ:
        from stillage.cli.completion import prepare  # noqa: PLC0415 - only a shell that completes a line needs it

        prepare()
        app()
    status = ended(get_command(app), sys.argv[1:])
    garbage.end()
    sys.exit(status)
