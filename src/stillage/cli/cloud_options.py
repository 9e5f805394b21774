"""Options shared by the commands that talk to a server."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from stillage.client.errors import GIVE_UP_AFTER_S

CloudName = Annotated[
    str | None,
    typer.Option(
        "--os-cloud",
        "--cloud",
        metavar="NAME",
        help="Entry of clouds.yaml. Default: OS_CLOUD, the OS_* variables, or the server on this machine.",
    ),
]
LocalData = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Use the server on this machine that has this data folder.", show_default=False
    ),
]
UploadParallel = Annotated[
    int | None,
    typer.Option(
        "--parallel",
        min=1,
        max=64,
        metavar="N",
        help="Number of connections. Default: 4, or 1 to a server on this machine, which shares its processors.",
        show_default=False,
    ),
]
Parallel = Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Number of connections.")]
GiveUpAfter = Annotated[
    float, typer.Option("--give-up-after", min=0, metavar="S", help="Seconds without progress before giving up.")
]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors, and the id of an uploaded image.")]
LimitRate = Annotated[
    str | None,
    typer.Option("--limit-rate", metavar="RATE", help="Maximum bytes per second, such as 10MiB, over all connections."),
]
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SMALLEST_RATE = 16 << 10


def size_of(text: str | None, option: str, smallest: int) -> int | None:
    """Return the bytes that *text* says, such as ``16MiB``.

    Raises:
        BadParameter: If it is not a size of at least *smallest* bytes, which is a number of KiB.
    """
    if text is None:
        return None
    unit = next((unit for unit in UNITS if text.lower().endswith(unit.lower())), "")
    number = text[: len(text) - len(unit)]
    if not number.isascii() or not number.isdigit() or (size := int(number) * UNITS.get(unit, 1)) < smallest:
        raise typer.BadParameter(
            f"{text!r} is not a size of at least {smallest >> 10}KiB, for instance 16MiB", param_hint=option
        )
    return size


@dataclass(frozen=True, slots=True)
class Talk:
    """Which server a command talks to, and how it tells what came of it.

    Attributes:
        cloud: Entry in clouds.yaml; None takes the environment's, or the deployment on this machine.
        data: Data folder of the deployment to use in place of that.
        config_file: TOML file with the settings of the deployment on this machine.
        give_up_after_s: Without any success.
        as_json: Print for scripts.
        quiet: Print errors only.
        bytes_per_s: The most of the transfer; None does not limit it.
    """

    cloud: str | None = None
    data: Path | None = None
    config_file: Path | None = None
    give_up_after_s: float = GIVE_UP_AFTER_S
    as_json: bool = False
    quiet: bool = False
    bytes_per_s: int | None = None


def talk_of(cloud: str | None, data: Path | None, give_up_after_s: float, as_json: bool) -> Talk:
    """Return how a command talks that moves no data."""
    return Talk(cloud, data, give_up_after_s=give_up_after_s, as_json=as_json)
