"""``stillage inspect``: checks files offline, with the same verdict as an upload."""

from typing import Annotated

import typer

from stillage.cli.options import Config, Json
from stillage.images.image import DISK_FORMATS

Files = Annotated[list[str], typer.Argument(metavar="FILE…", help="Disk images; - reads standard input.")]
DiskFormat = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT", help="Inspect as if this format were declared. Default: any format.", show_default=False
    ),
]


def inspect(files: Files, disk_format: DiskFormat = None, as_json: Json = False, config_file: Config = None) -> None:
    """Say whether files would be accepted, and why not. Status: 0 accepted, 1 refused, 2 unreadable."""
    if disk_format is not None and disk_format not in DISK_FORMATS:
        raise typer.BadParameter(
            f"{disk_format!r} is unknown; use one of {', '.join(DISK_FORMATS)}", param_hint="--disk-format"
        )
    from stillage.cli.inspecting import inspect_files  # noqa: PLC0415 - what it imports would slow down --help

    raise typer.Exit(inspect_files(files, disk_format, as_json=as_json, config_file=config_file))
