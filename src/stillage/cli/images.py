"""``stillage image``: lists, shows, changes, deletes, shares and saves images at Stillage or any Glance."""

from typing import Annotated, Any

import typer

from stillage.cli.cloud_options import CloudName, GiveUpAfter, LocalData, talk_of
from stillage.cli.download import download
from stillage.cli.image_stages import deprecate, obsolete, reactivate
from stillage.cli.image_trash import purge, restore, retention, trash
from stillage.cli.options import Json
from stillage.cli.upload import MinDisk, MinRam, Property, Protected, pairs
from stillage.client.errors import GIVE_UP_AFTER_S
from stillage.images.image import Visibility
from stillage.images.status import Status

app = typer.Typer(help="Images at a server: list, show, set, delete, share and save them.", no_args_is_help=True)
app.command("save")(download)

Image = Annotated[str, typer.Argument(metavar="ID|NAME", help="Id or name of the image, or FAMILY:latest.")]
Several = Annotated[list[str], typer.Argument(metavar="ID|NAME…", help="Ids or names of images.")]
Projects = Annotated[
    list[str] | None, typer.Argument(metavar="PROJECT…", help="Projects to share it with, by name or id.")
]
NamedSo = Annotated[str | None, typer.Option("--name", help="Only images with this name.", show_default=False)]
Tagged = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="Only images with this tag.")]
InStatus = Annotated[Status | None, typer.Option("--status", help="Only images in this status.", show_default=False)]
Seen = Annotated[Visibility | None, typer.Option(help="Only images of this visibility.", show_default=False)]
OwnedBy = Annotated[
    str | None, typer.Option("--owner", metavar="PROJECT", help="Only images of this project, by its id.")
]
Hidden = Annotated[bool, typer.Option("--hidden", help="List hidden images instead.")]
Most = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Most images to list. Default: all.")]
NewName = Annotated[str | None, typer.Option("--name", help="New name.", show_default=False)]
Visible = Annotated[Visibility | None, typer.Option(help="New visibility.", show_default=False)]
NoProperty = Annotated[
    list[str] | None, typer.Option("--remove-property", metavar="KEY", help="Property to remove; may be repeated.")
]
Tag = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="Tag to add; may be repeated.")]
NoTag = Annotated[list[str] | None, typer.Option("--remove-tag", metavar="TAG", help="Tag to remove; may be repeated.")]
Hide = Annotated[bool | None, typer.Option("--hide/--unhide", help="Hide it from default lists.")]
Unshared = Annotated[
    list[str] | None, typer.Option("--remove", metavar="PROJECT", help="Project to stop sharing it with.")
]


@app.command("list")
def list_all(
    name: NamedSo = None,
    tags: Tagged = None,
    status: InStatus = None,
    visibility: Seen = None,
    owner: OwnedBy = None,
    hidden: Hidden = False,
    limit: Most = None,
    as_json: Json = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """List images, the newest first."""
    filters = [
        *([("name", name)] if name is not None else []),
        *(("tag", tag) for tag in tags or ()),
        *([("status", status.value)] if status else []),
        *([("visibility", visibility.value)] if visibility else []),
        *([("owner", owner)] if owner is not None else []),
        *([("os_hidden", "true")] if hidden else []),
    ]
    from stillage.cli import image_actions  # noqa: PLC0415 - what it imports would slow down --help

    raise typer.Exit(image_actions.list_all(talk_of(cloud, data, give_up_after, as_json), filters, limit))


@app.command()
def show(
    image: Image,
    as_json: Json = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """Show all attributes of an image."""
    from stillage.cli import image_actions  # noqa: PLC0415

    raise typer.Exit(image_actions.show(talk_of(cloud, data, give_up_after, as_json), image))


@app.command("set")
def change(
    image: Image,
    name: NewName = None,
    properties: Property = None,
    removed: NoProperty = None,
    tags: Tag = None,
    removed_tags: NoTag = None,
    visibility: Visible = None,
    min_disk: MinDisk = None,
    min_ram: MinRam = None,
    protected: Protected = None,
    hide: Hide = None,
    as_json: Json = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """Change attributes of an image."""
    base = {
        "name": name,
        "visibility": visibility.value if visibility else None,
        "min_disk": min_disk,
        "min_ram": min_ram,
        "protected": protected,
        "os_hidden": hide,
    }
    values: dict[str, Any] = {**pairs(properties or []), **{key: v for key, v in base.items() if v is not None}}
    if not (values or removed or tags or removed_tags):
        raise typer.BadParameter("name what to change, such as --name or --property", param_hint="ID|NAME")
    from stillage.cli import image_actions  # noqa: PLC0415

    talk = talk_of(cloud, data, give_up_after, as_json)
    raise typer.Exit(image_actions.change(talk, image, values, removed or [], tags or [], removed_tags or []))


@app.command()
def delete(
    images: Several,
    as_json: Json = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """Delete images. If one cannot be deleted, the others still are."""
    from stillage.cli import image_actions  # noqa: PLC0415

    raise typer.Exit(image_actions.delete(talk_of(cloud, data, give_up_after, as_json), images))


@app.command()
def share(
    image: Image,
    projects: Projects = None,
    removed: Unshared = None,
    as_json: Json = False,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """Share an image with projects, or stop sharing it; print all projects it is shared with.

    A project sees the image in its lists once it has accepted it; it can show and download it at once.
    """
    from stillage.cli import image_actions  # noqa: PLC0415

    talk = talk_of(cloud, data, give_up_after, as_json)
    raise typer.Exit(image_actions.share(talk, image, projects or [], removed or []))


for command in (deprecate, obsolete, reactivate, trash, restore, purge, retention):
    app.command()(command)
