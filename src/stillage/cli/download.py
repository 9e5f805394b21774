"""``stillage download``: downloads an image from Stillage or any Glance to a file."""

from typing import Annotated, Literal

import typer

from stillage.cli.cloud_options import (
    SMALLEST_RATE,
    CloudName,
    GiveUpAfter,
    LimitRate,
    LocalData,
    Parallel,
    Quiet,
    Talk,
    size_of,
)
from stillage.cli.options import Json
from stillage.client.errors import GIVE_UP_AFTER_S

ImageName = Annotated[str, typer.Argument(metavar="ID|NAME", help="Id or name of the image.")]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="File, or - for standard output. Default: the image's name, here.",
    ),
]
DiskFormat = Annotated[
    Literal["raw"] | None,
    typer.Option(help="Download the disk inside the image, raw, with holes. Default: the image.", show_default=False),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")]


def download(
    image: ImageName,
    output: Output = None,
    parallel: Parallel = 4,
    disk_format: DiskFormat = None,
    force: Force = False,
    limit_rate: LimitRate = None,
    quiet: Quiet = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    as_json: Json = False,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """Download an image to a file. Run the same command again to resume after an interruption.

    Status: 0 done, 2 usage error, 3 refused by the server, 4 no network, 5 file and image differ, 130 interrupted.
    """
    rate = size_of(limit_rate, "--limit-rate", SMALLEST_RATE)
    talk = Talk(cloud, data, None, give_up_after, as_json, quiet, rate)
    from stillage.cli.downloading import download_image  # noqa: PLC0415 - what it imports would slow down --help

    status = download_image(
        image,
        output,
        connections=parallel,
        force=force,
        disk=disk_format is not None,
        talk=talk,
    )
    raise typer.Exit(status)
