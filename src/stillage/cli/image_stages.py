"""``stillage image deprecate``, ``obsolete`` and ``reactivate``: when an image should not be used any more."""

from typing import Annotated, Any

import typer

from stillage.cli.cloud_options import CloudName, GiveUpAfter, LocalData, Talk, talk_of
from stillage.cli.options import Json
from stillage.client.errors import GIVE_UP_AFTER_S

Image = Annotated[str, typer.Argument(metavar="ID|NAME", help="Id or name of the image, or FAMILY:latest.")]
ReplacedBy = Annotated[
    str | None,
    typer.Option(metavar="IMAGE", help="What to use instead: an id, a name, or FAMILY:latest.", show_default=False),
]
At = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="When, such as 2027-06-30 or 2027-06-30T12:00:00Z. Default: now."),
]


def deprecate(
    image: Image,
    replaced_by: ReplacedBy = None,
    at: At = None,
    as_json: Json = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """Deprecate an image: it works as before, and is no longer the latest of its family."""
    _act(talk_of(cloud, data, give_up_after, as_json), image, "deprecate", _given(replaced_by, at))


def obsolete(
    image: Image,
    replaced_by: ReplacedBy = None,
    at: At = None,
    as_json: Json = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """Make an image obsolete: it is hidden from lists, and its data cannot be downloaded."""
    _act(talk_of(cloud, data, give_up_after, as_json), image, "obsolete", _given(replaced_by, at))


def reactivate(
    image: Image,
    as_json: Json = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """Take an image that is deprecated, obsolete or deactivated into use again."""
    _act(talk_of(cloud, data, give_up_after, as_json), image, "reactivate", {})


def _given(replaced_by: str | None, at: str | None) -> dict[str, Any]:
    given = {"replaced_by": replaced_by, "at": at}
    return {name: value for name, value in given.items() if value is not None}


def _act(talk: Talk, image: str, action: str, document: dict[str, Any]) -> None:
    from stillage.cli import image_actions  # noqa: PLC0415 - what it imports would slow down --help

    raise typer.Exit(image_actions.act(talk, image, action, document))
