"""``stillage import``: has the server import images, from URLs or from files that are staged."""

from typing import Annotated

import typer

from stillage.cli.cloud_options import CloudName, GiveUpAfter, LocalData, talk_of
from stillage.cli.options import Json
from stillage.cli.show.texts import file_name_of
from stillage.cli.upload import Container, MinDisk, MinRam, Name, Property, Protected, Tag, Visible, one_of, pairs
from stillage.client.attributes import Attributes
from stillage.client.errors import GIVE_UP_AFTER_S
from stillage.images.image import CONTAINER_FORMATS, DISK_FORMATS

SUFFIXES = {"img": "raw", "qcow": "qcow", "vhdx": "vhdx", **{name: name for name in DISK_FORMATS}}
PACKED = (".gz", ".xz", ".zst", ".bz2")

Sources = Annotated[list[str], typer.Argument(metavar="URL|FILE…", help="Where the images are.")]
Format = Annotated[
    str | None, typer.Option("--disk-format", metavar="FORMAT", help="Default: by the end of the name; .img is raw.")
]
Store = Annotated[list[str] | None, typer.Option("--store", metavar="STORE", help="Store to fill; may be repeated.")]
AllStores = Annotated[bool, typer.Option("--all-stores", help="Fill every store.")]
AllowFailure = Annotated[bool, typer.Option("--allow-failure", help="One store that is filled is enough.")]
Sha256 = Annotated[
    str | None, typer.Option("--sha256", metavar="HEX", help="SHA-256 of the file at the URL, as its server has it.")
]
Sums = Annotated[
    str | None, typer.Option("--sums", metavar="URL", help="URL of a SHA256SUMS file that lists the one to import.")
]
ConvertTo = Annotated[str | None, typer.Option("--convert-to", metavar="FORMAT", help="Have the server convert it.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the import has ended.")]


def command(
    sources: Sources,
    name: Name = None,
    properties: Property = None,
    disk_format: Format = None,
    container_format: Container = "bare",
    visibility: Visible = None,
    tags: Tag = None,
    min_disk: MinDisk = None,
    min_ram: MinRam = None,
    protected: Protected = None,
    stores: Store = None,
    all_stores: AllStores = False,
    allow_failure: AllowFailure = False,
    sha256: Sha256 = None,
    sums: Sums = None,
    convert_to: ConvertTo = None,
    wait: Wait = True,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER_S,
    as_json: Json = False,
    cloud: CloudName = None,
    data: LocalData = None,
) -> None:
    """Import images: the server reads URLs itself, and verifies files that are staged.

    Status: 0 done, or accepted with --no-wait, 2 usage error, 3 refused by the server, 4 no network, 130 interrupted.
    """
    if len(sources) > 1 and (name is not None or sha256 is not None):
        raise typer.BadParameter("--name and --sha256 work with a single image only", param_hint="URL|FILE…")
    if stores and all_stores:
        raise typer.BadParameter("use --store or --all-stores, not both", param_hint="--all-stores")
    expected = {"os_stillage_source_sha256": sha256, "os_stillage_source_sums": sums}
    own = {**expected, "os_stillage_convert_to": one_of(convert_to, DISK_FORMATS, "--convert-to")}
    declared = one_of(disk_format, DISK_FORMATS, "--disk-format")
    given = Attributes(
        name=name or "",
        disk_format=declared,
        container_format=str(one_of(container_format, CONTAINER_FORMATS, "--container-format")),
        visibility=visibility.value if visibility else None,
        protected=protected,
        min_disk=min_disk,
        min_ram=min_ram,
        tags=tuple(tags or ()),
        properties=pairs(properties or []) | {key: value for key, value in own.items() if value is not None},
    )
    formats = {source: declared or format_of(source) for source in sources}
    from stillage.cli.importing import import_all  # noqa: PLC0415 - what it imports would slow down --help

    status = import_all(
        formats,
        given,
        stores=tuple(stores or ()),
        all_stores=all_stores,
        must_succeed=not allow_failure,
        waits=wait,
        talk=talk_of(cloud, data, give_up_after, as_json),
    )
    raise typer.Exit(status)


def format_of(source: str) -> str:
    """Return the format that the end of *source* tells.

    Raises:
        BadParameter: If it tells none.
    """
    name = file_name_of(source).lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    suffix = name.rpartition(".")[2]
    if suffix not in SUFFIXES:
        raise typer.BadParameter(f"the name of {source!r} does not tell its format", param_hint="--disk-format")
    return SUFFIXES[suffix]
