"""``stillage doctor``: probes the path to an image service before large images are sent."""

from typing import Annotated

import typer

from stillage.cli.cloud_options import CloudName, LocalData, Talk
from stillage.cli.options import Json

Url = Annotated[
    str | None,
    typer.Argument(metavar="URL", help="URL of the image service. Default: that of the cloud.", show_default=False),
]
CaCert = Annotated[
    str | None,
    typer.Option("--cacert", metavar="FILE", help="Authorities to trust. Default: OS_CACERT, or the cloud's."),
]
Wait = Annotated[float, typer.Option("--wait", min=0.1, metavar="S", help="Seconds to wait for an answer that is due.")]
Thorough = Annotated[
    bool, typer.Option("--thorough", help="Also test long time limits and send 321 MiB; takes minutes.")
]


def doctor(
    url: Url = None,
    thorough: Thorough = False,
    wait: Wait = 10.0,
    cacert: CaCert = None,
    as_json: Json = False,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """Probe the path to a server, and say which directive of a proxy would break a large upload.

    Without a cloud it runs the probes that need no login. With one it also uploads small images, and deletes them.

    Status: 0 good, 1 problems found, 2 usage error, 4 no network, 130 interrupted.
    """
    from stillage.cli.doctoring import examine  # noqa: PLC0415 - what it imports would slow down --help

    raise typer.Exit(examine(url, Talk(cloud, data, as_json=as_json), cacert=cacert, answer_s=wait, thorough=thorough))
