"""``stillage upload``: files become images, in Stillage or any Glance."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.filesize import decimal

from stillage import app, config
from stillage.cli import cloud_options as cloudy
from stillage.cli.cloud_options import CloudName, GiveUpAfter, Parallel
from stillage.cli.options import Config, Json
from stillage.cli.show.progress import Switch, show_progress
from stillage.cli.show.report import readable
from stillage.client.images import Attributes
from stillage.client.local import Rules
from stillage.client.session import Session
from stillage.client.upload import Order, Outcome, Upload
from stillage.errors import BadSettings, StillageError
from stillage.images.image import CONTAINER_FORMATS, DISK_FORMATS, Visibility

UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
SMALLEST_PIECE = 64 << 10

Files = Annotated[list[str], typer.Argument(metavar="FILE…", help="Disk images.")]
Name = Annotated[str | None, typer.Option(help="Of the image. Default: the file's name.", show_default=False)]
Property = Annotated[list[str] | None, typer.Option("--property", metavar="KEY=VALUE", help="May be repeated.")]
Tag = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="May be repeated.")]
Format = Annotated[str | None, typer.Option("--disk-format", metavar="FORMAT", help="Default: the one found.")]
Container = Annotated[str, typer.Option("--container-format", metavar="FORMAT")]
Visible = Annotated[Visibility | None, typer.Option(help="Default: the server's.", show_default=False)]
MinDisk = Annotated[int | None, typer.Option(min=0, metavar="GIB", help="Least disk of an instance.")]
MinRam = Annotated[int | None, typer.Option(min=0, metavar="MIB", help="Least memory of an instance.")]
Protected = Annotated[bool | None, typer.Option("--protected/--unprotected", help="Keep it from being deleted.")]
ImageId = Annotated[
    str | None, typer.Option("--image", metavar="ID", help="A queued image to fill, in place of a new one.")
]
PieceSize = Annotated[
    str | None,
    typer.Option("--piece-size", metavar="SIZE", help="Bytes of a request, such as 16MiB. Default: by itself."),
]
NoInspect = Annotated[bool, typer.Option("--no-inspect", help="Leave the verdict to the server.")]
Instant = Annotated[
    bool, typer.Option("--instant", help="Hash the file first: what the server has already is not sent.")
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
    parallel: Parallel = 4,
    piece_size: PieceSize = None,
    no_inspect: NoInspect = False,
    instant: Instant = False,
    give_up_after: GiveUpAfter = cloudy.GIVE_UP,
    as_json: Json = False,
    cloud: CloudName = None,
    config_file: Config = None,
) -> None:
    """Make images of files. What was interrupted goes on where it was when the same command is run again.

    Status: 0 done, 1 refused before anything was sent, 2 wrong use, 3 refused by the server, 4 no network,
    5 the image is not the file, 130 interrupted.
    """
    given = Attributes(
        name=name or "",
        disk_format=_one_of(disk_format, DISK_FORMATS, "--disk-format"),
        container_format=str(_one_of(container_format, CONTAINER_FORMATS, "--container-format")),
        visibility=visibility.value if visibility else None,
        protected=protected,
        min_disk=min_disk,
        min_ram=min_ram,
        tags=tuple(tags or ()),
        properties=_pairs(properties or []),
    )
    if len(files) > 1 and (name is not None or image is not None):
        raise typer.BadParameter("one name and one image are for one file", param_hint="FILE…")
    if image is not None and given != Attributes(name=""):
        raise typer.BadParameter(
            "the image that is there keeps its attributes; give them to none", param_hint="--image"
        )
    try:
        settings = config.load(config_file)
        rules = None if no_inspect else Rules(app.policy_of(settings), app.may_be_empty(settings))
    except BadSettings as error:
        typer.echo(f"stillage: {error}", err=True)
        raise typer.Exit(cloudy.USAGE) from error
    order = Order(None if image else given, image, parallel, _bytes(piece_size), rules, instant)
    with show_progress(quiet=as_json) as shown:
        sender = _Sender(order, shown, as_json=as_json)
        status = cloudy.converse(cloud, give_up_after, shown, lambda session: sender.send_all(session, files))
    raise typer.Exit(status)


class _Sender:
    def __init__(self, order: Order, shown: Switch, *, as_json: bool) -> None:
        self._order = order
        self._shown = shown
        self._as_json = as_json

    async def send_all(self, session: Session, files: list[str]) -> int:
        """Send one file after the other; return the greatest status."""
        return max([await self._send(session, file) for file in files])

    async def _send(self, session: Session, file: str) -> int:
        self._shown.file = readable(Path(file).name)
        order = self._order
        if order.attributes is not None and not order.attributes.name:
            order = replace(order, attributes=replace(order.attributes, name=self._shown.file))
        started = time.monotonic()
        one: Upload | None = None
        problem: StillageError | None = None
        try:
            one = Upload(session, order, state=cloudy.state_folder(), progress=self._shown)
            await one.run(file)
        except StillageError as error:
            problem = error
        outcome = one.outcome if one is not None else Outcome()
        seconds = time.monotonic() - started
        if self._as_json:
            typer.echo(json.dumps(_view(file, outcome, seconds, problem)))
        elif problem is not None:
            typer.echo(f"{self._shown.file}: {problem}", err=True)
        else:
            typer.echo(_sentence(self._shown.file, outcome, seconds))
        return cloudy.OK if problem is None else cloudy.status_of(problem)


def _view(file: str, outcome: Outcome, seconds: float, problem: StillageError | None) -> dict[str, Any]:
    return {
        "file": readable(file),
        "status": cloudy.OK if problem is None else cloudy.status_of(problem),
        "error": None if problem is None else str(problem),
        "image": outcome.image_id,
        "size": outcome.size,
        "way": outcome.way,
        "sent": outcome.sent,
        "zeros": outcome.zeros,
        "resumed": outcome.resumed,
        "verified": dict(outcome.verified),
        "seconds": round(seconds, 3),
    }


def _sentence(file: str, outcome: Outcome, seconds: float) -> str:
    """What is said of success: the image, how the bytes went, and what was compared."""
    parts = [f"{decimal(outcome.sent)} sent in {seconds:.1f} s"]
    if outcome.sent:
        parts[0] += f" ({outcome.sent / max(seconds, 1e-3) / 1e6:.0f} MB/s)"
    if outcome.zeros:
        parts.append(f"{decimal(outcome.zeros)} of zeros skipped")
    if outcome.resumed:
        parts.append(f"{decimal(outcome.resumed)} were there already")
    if outcome.way == "instant":
        parts.append("the server had these bytes")
    compared = " and ".join(sorted(outcome.verified)) or "the size"
    return f"{file}: image {outcome.image_id} is active; {', '.join(parts)}; verified by {compared}"


def _one_of(value: str | None, allowed: tuple[str, ...], option: str) -> str | None:
    if value is not None and value not in allowed:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(allowed)}", param_hint=option)
    return value


def _pairs(properties: list[str]) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in properties]
    if wrong := next((key for key, equals, _ in pairs if not equals or not key), None):
        raise typer.BadParameter(f"{wrong!r} is not KEY=VALUE", param_hint="--property")
    return {key: value for key, _, value in pairs}


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    number, factor = text, 1
    for unit, size in UNITS.items():
        if text.lower().endswith(unit.lower()):
            number, factor = text[: -len(unit)], size
    if not number.isascii() or not number.isdigit() or int(number) * factor < SMALLEST_PIECE:
        raise typer.BadParameter(f"{text!r} is no size such as 16MiB, of 64KiB or more", param_hint="--piece-size")
    return int(number) * factor
