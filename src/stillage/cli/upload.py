"""``stillage upload``: uploads files as images to Stillage or any Glance."""

from typing import Annotated

import typer

from stillage.cli.cloud_options import (
    SMALLEST_RATE,
    CloudName,
    GiveUpAfter,
    LimitRate,
    LocalData,
    Quiet,
    Talk,
    UploadParallel,
    size_of,
)
from stillage.cli.options import Config, Json
from stillage.client.attributes import Attributes
from stillage.client.errors import GIVE_UP_AFTER_S
from stillage.images.image import CONTAINER_FORMATS, DISK_FORMATS, Visibility

SMALLEST_PIECE = 64 << 10

Files = Annotated[list[str], typer.Argument(metavar="FILE…", help="Disk images.")]
Name = Annotated[str | None, typer.Option(help="Name of the image. Default: the file's name.", show_default=False)]
Property = Annotated[
    list[str] | None, typer.Option("--property", metavar="KEY=VALUE", help="Property of the image; may be repeated.")
]
Tag = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="Tag of the image; may be repeated.")]
Format = Annotated[str | None, typer.Option("--disk-format", metavar="FORMAT", help="Default: the format found.")]
Container = Annotated[str, typer.Option("--container-format", metavar="FORMAT")]
Visible = Annotated[Visibility | None, typer.Option(help="Default: the server's.", show_default=False)]
MinDisk = Annotated[int | None, typer.Option(min=0, metavar="GIB", help="Smallest disk of an instance.")]
MinRam = Annotated[int | None, typer.Option(min=0, metavar="MIB", help="Smallest memory of an instance.")]
Protected = Annotated[bool | None, typer.Option("--protected/--unprotected", help="Protect the image from deletion.")]
ImageId = Annotated[
    str | None, typer.Option("--image", metavar="ID", help="Upload to this queued image instead of creating one.")
]
PieceSize = Annotated[
    str | None,
    typer.Option("--piece-size", metavar="SIZE", help="Bytes per request, such as 16MiB. Default: automatic."),
]
NoInspect = Annotated[bool, typer.Option("--no-inspect", help="Leave inspection to the server.")]
Instant = Annotated[
    bool, typer.Option("--instant", help="Hash the file first, and send nothing that the server already has.")
]

Replace = Annotated[
    bool, typer.Option("--replace", help="Delete other images of this name in the project once this one is verified.")
]
IfChanged = Annotated[
    bool, typer.Option("--if-changed", help="Send nothing if an image of this name has these bytes already.")
]
UniqueName = Annotated[
    bool,
    typer.Option(
        "--unique-name", help="Like --if-changed, but refuse the upload if an image of this name has different bytes."
    ),
]


def upload(
    files: Files,
    name: Name = None,
    properties: Property = None,
    disk_format: Format = None,
    container_format: Container = "bare",
    visibility: Visible = None,
    tags: Tag = None,
    min_disk: MinDisk = None,
    min_ram: MinRam = None,
    protected: Protected = None,
    image: ImageId = None,
    parallel: UploadParallel = None,
    piece_size: PieceSize = None,
    no_inspect: NoInspect = False,
    instant: Instant = False,
    replace: Replace = False,
    if_changed: IfChanged = False,
    unique_name: UniqueName = False,
    limit_rate: LimitRate = None,
    quiet: Quiet = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    as_json: Json = False,
    cloud: CloudName = None,
    data: LocalData = None,
    config_file: Config = None,
) -> None:
    """Upload files as images. Run the same command again to resume after an interruption.

    Status: 0 done, 1 refused before anything was sent, 2 usage error, 3 refused by the server, 4 no network,
    5 image and file differ, 130 interrupted.
    """
    given = Attributes(
        name=name or "",
        disk_format=one_of(disk_format, DISK_FORMATS, "--disk-format"),
        container_format=str(one_of(container_format, CONTAINER_FORMATS, "--container-format")),
        visibility=visibility.value if visibility else None,
        protected=protected,
        min_disk=min_disk,
        min_ram=min_ram,
        tags=tuple(tags or ()),
        properties=pairs(properties or []),
    )
    if len(files) > 1 and (name is not None or image is not None):
        raise typer.BadParameter("--name and --image work with a single file only", param_hint="FILE…")
    if image is not None and given != Attributes(name=""):
        raise typer.BadParameter(
            "an existing image keeps its attributes; remove the other options", param_hint="--image"
        )
    if replace and unique_name:
        raise typer.BadParameter("use --replace or --unique-name, not both", param_hint="--replace")
    if image is not None and (replace or if_changed or unique_name):
        raise typer.BadParameter("an image that exists has its name; remove --image", param_hint="--image")
    rate = size_of(limit_rate, "--limit-rate", SMALLEST_RATE)
    from stillage.cli.uploading import upload_files  # noqa: PLC0415 - what it imports would slow down --help

    status = upload_files(
        files,
        None if image else given,
        image,
        connections=parallel,
        piece_bytes=size_of(piece_size, "--piece-size", SMALLEST_PIECE),
        inspects=not no_inspect,
        instant=instant,
        by_name=(replace, if_changed, unique_name),
        talk=Talk(cloud, data, config_file, give_up_after, as_json, quiet, rate),
    )
    raise typer.Exit(status)


def one_of(value: str | None, allowed: tuple[str, ...], option: str) -> str | None:
    if value is not None and value not in allowed:
        raise typer.BadParameter(f"{value!r} is unknown; use one of {', '.join(allowed)}", param_hint=option)
    return value


def pairs(properties: list[str]) -> dict[str, str]:
    parted = [pair.partition("=") for pair in properties]
    if wrong := next((key for key, equals, _ in parted if not equals or not key), None):
        raise typer.BadParameter(f"{wrong!r} is not KEY=VALUE", param_hint="--property")
    return {key: value for key, _, value in parted}
