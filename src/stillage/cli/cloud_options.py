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
Parallel = Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Number of connections.")]
GiveUpAfter = Annotated[
    float, typer.Option("--give-up-after", min=0, metavar="S", help="Seconds without progress before giving up.")
]


@dataclass(frozen=True, slots=True)
class Talk:
    """Which server a command talks to, and how it tells what came of it.

    Attributes:
        cloud: Entry in clouds.yaml; None takes the environment's, or the deployment on this machine.
        data: Data folder of the deployment to use in place of that.
        config_file: TOML file with the settings of the deployment on this machine.
        give_up_after_s: Without any success.
        as_json: Print for scripts.
    """

    cloud: str | None = None
    data: Path | None = None
    config_file: Path | None = None
    give_up_after_s: float = GIVE_UP_AFTER_S
    as_json: bool = False
