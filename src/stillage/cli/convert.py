"""``stillage convert``: converts a disk image to another format, in one pass and without a temporary copy."""

from typing import Annotated

import typer

from stillage.cli.convert_request import ConvertRequest, format_by_suffix
from stillage.cli.options import Config, Json
from stillage.images.image import DISK_FORMATS

In = Annotated[str, typer.Argument(metavar="IN", help="The disk image to read.")]
Out = Annotated[str, typer.Argument(metavar="OUT", help="The file to write.")]
OutputFormat = Annotated[
    str | None, typer.Option("--output-format", "-O", metavar="FORMAT", help="Default: by the suffix of OUT.")
]
Subformat = Annotated[
    str | None,
    typer.Option(metavar="KIND", help="Such as streamOptimized or fixed. Default: the first one.", show_default=False),
]
Compress = Annotated[
    str | None, typer.Option(metavar="zlib|zstd", help="Compress a qcow2. Other formats are compressed or not.")
]
DiskFormat = Annotated[
    str | None,
    typer.Option(metavar="FORMAT", help="Read IN only if it is of this format. Default: any.", show_default=False),
]
Check = Annotated[bool, typer.Option("--check", help="Read both disks again at the end, and compare them.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")]


def convert(
    source: In,
    output: Out,
    output_format: OutputFormat = None,
    subformat: Subformat = None,
    compress: Compress = None,
    disk_format: DiskFormat = None,
    check: Check = False,
    force: Force = False,
    as_json: Json = False,
    config_file: Config = None,
) -> None:
    """Convert a disk image. OUT appears when it is complete; until then nothing of it can be seen.

    Status: 0 done, 1 refused, 2 usage error or unreadable, 5 the disks differ, 130 interrupted.
    """
    wanted = output_format or format_by_suffix(output)
    if wanted is None:
        raise typer.BadParameter("OUT has no known suffix; name the format", param_hint="--output-format")
    if disk_format is not None and disk_format not in DISK_FORMATS:
        raise typer.BadParameter(
            f"{disk_format!r} is unknown; use one of {', '.join(DISK_FORMATS)}", param_hint="--disk-format"
        )
    from stillage.cli.converting import convert_file  # noqa: PLC0415 - what it imports would slow down --help

    request = ConvertRequest(
        source, output, wanted, subformat, compress, disk_format, check, force, as_json, config_file
    )
    raise typer.Exit(convert_file(request))
