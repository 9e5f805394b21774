"""``stillage image trash``, ``restore``, ``purge``, ``retention``: what deletions leave, and which images are kept."""

from typing import Annotated

import typer

from stillage.cli.cloud_options import CloudName, GiveUpAfter, LocalData, talk_of
from stillage.cli.options import Json
from stillage.client.errors import GIVE_UP_AFTER_S

Deleted = Annotated[str, typer.Argument(metavar="ID", help="Id of a deleted image; `stillage image trash` lists them.")]
Family = Annotated[str, typer.Argument(metavar="FAMILY", help="Name of the family.")]
Newest = Annotated[
    int | None, typer.Option("--keep-newest", min=1, metavar="N", help="Keep the N newest images.", show_default=False)
]
Days = Annotated[
    int | None,
    typer.Option(
        "--keep-days", min=1, metavar="D", help="Keep images created within the last D days.", show_default=False
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what the rule would delete, and set nothing.")]
Unset = Annotated[bool, typer.Option("--remove", help="Remove the rule: keep all images.")]


def trash(
    as_json: Json = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """List deleted images that can be restored, the latest deletion first."""
    from stillage.cli import trash_actions  # noqa: PLC0415 - what it imports would slow down --help

    raise typer.Exit(trash_actions.list_trash(talk_of(cloud, data, give_up_after, as_json)))


def restore(
    image: Deleted,
    as_json: Json = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """Restore a deleted image."""
    from stillage.cli import trash_actions  # noqa: PLC0415

    raise typer.Exit(trash_actions.restore(talk_of(cloud, data, give_up_after, as_json), image))


def purge(
    image: Deleted,
    as_json: Json = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """Delete an image in the trash for good."""
    from stillage.cli import trash_actions  # noqa: PLC0415

    raise typer.Exit(trash_actions.purge(talk_of(cloud, data, give_up_after, as_json), image))


def retention(
    family: Family,
    keep_newest: Newest = None,
    keep_days: Days = None,
    dry_run: DryRun = False,
    remove: Unset = False,
    as_json: Json = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """Set which images of a family are kept, or show the rule; list what it deletes.

    An image is kept if it meets one of the two limits. Upkeep deletes the others, but never the latest, nor one that
    is protected or that another project has accepted.
    """
    limits = {"keep_newest": keep_newest, "keep_days": keep_days}
    given = {name: limit for name, limit in limits.items() if limit is not None}
    if remove and (given or dry_run):
        raise typer.BadParameter("it cannot be combined with limits or --dry-run", param_hint="--remove")
    from stillage.cli import trash_actions  # noqa: PLC0415

    talk = talk_of(cloud, data, give_up_after, as_json)
    if remove:
        raise typer.Exit(trash_actions.remove_rule(talk, family))
    raise typer.Exit(trash_actions.show_rule(talk, family, given, is_set=bool(given) and not dry_run))
