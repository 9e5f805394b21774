"""The options that ``upload`` and ``download`` share."""

from typing import Annotated

import typer

CloudName = Annotated[
    str | None,
    typer.Option("--os-cloud", "--cloud", metavar="NAME", help="Entry of clouds.yaml. Default: OS_CLOUD, or OS_*."),
]
Parallel = Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Connections at once.")]
GiveUpAfter = Annotated[
    float, typer.Option("--give-up-after", min=0, metavar="S", help="Seconds without any success before giving up.")
]
