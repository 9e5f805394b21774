"""Options shared by ``upload`` and ``download``."""

from typing import Annotated

import typer

CloudName = Annotated[
    str | None,
    typer.Option(
        "--os-cloud", "--cloud", metavar="NAME", help="Entry of clouds.yaml. Default: OS_CLOUD, or the OS_* variables."
    ),
]
Parallel = Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Number of connections.")]
GiveUpAfter = Annotated[
    float, typer.Option("--give-up-after", min=0, metavar="S", help="Seconds without progress before giving up.")
]
