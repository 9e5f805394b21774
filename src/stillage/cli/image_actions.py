"""Runs ``stillage image``: asks the server, and prints the answer as tables or as one JSON document."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from stillage.cli.cloud_options import Talk
from stillage.cli.conversation import chosen, converse
from stillage.cli.show.progress import show_progress
from stillage.cli.show.texts import readable
from stillage.cli.statuses import OK, result_view
from stillage.client.projects import project_id_of
from stillage.client.records import Record, Records, patch_of
from stillage.client.session import Session
from stillage.errors import StillageError

KEPT = ("id", "name")
COLUMNS = (*KEPT, "status", "size", "disk_format", "visibility", "created_at")
"""Of a list. Where there is no room for all, the last ones go first."""
SHORT_NAME = 12
GAP = 2
AGAIN = "run the same command again"


def list_all(talk: Talk, filters: Sequence[tuple[str, str]], most: int | None) -> int:
    """Print the images that pass *filters*, at most *most*."""

    async def work(records: Records) -> int:
        found = await records.matching(filters, most)
        if talk.as_json:
            print_json({"images": found})
        else:
            print_images(found, _console())
        return OK

    return ask(talk, work)


def show(talk: Talk, image: str) -> int:
    """Print the record of *image*."""

    async def work(records: Records) -> int:
        print_record(talk, await records.find(image))
        return OK

    return ask(talk, work)


def change(
    talk: Talk,
    image: str,
    values: Mapping[str, Any],
    removed: Sequence[str],
    tags: Sequence[str],
    removed_tags: Sequence[str],
) -> int:
    """Set *values* of *image*, remove the properties *removed*, add and remove tags; print the record."""

    async def work(records: Records) -> int:
        record = await records.find(image)
        wanted = dict(values)
        if tags or removed_tags:
            wanted["tags"] = sorted({*record.get("tags", ()), *tags} - {*removed_tags})
        print_record(talk, await records.change(str(record["id"]), patch_of(wanted, removed)))
        return OK

    return ask(talk, work)


def act(talk: Talk, image: str, action: str, document: Mapping[str, Any]) -> int:
    """Call *action* of *image* with *document*; print the record as it is then."""

    async def work(records: Records) -> int:
        image_id = str((await records.find(image))["id"])
        await records.act(image_id, action, document)
        print_record(talk, await records.find(image_id))
        return OK

    return ask(talk, work)


def delete(talk: Talk, images: Sequence[str]) -> int:
    """Delete *images*; return the highest status."""

    async def work(records: Records) -> int:
        views = [await _deleted(talk, records, image) for image in dict.fromkeys(images)]
        worst: int = max(view["status"] for view in views)
        if talk.as_json:
            print_json({"status": worst, "images": views})
        return worst

    return ask(talk, work)


async def _deleted(talk: Talk, records: Records, image: str) -> dict[str, Any]:
    """Delete *image*; return what JSON says of it, and tell people now."""
    image_id, problem = None, None
    try:
        image_id = str((await records.find(image))["id"])
        await records.delete(image_id)
    except StillageError as error:
        problem = error
    if problem is not None:
        typer.echo(f"{readable(image)}: {problem}", err=True)
    elif not talk.as_json:
        typer.echo(f"{readable(image)}: image {image_id} deleted")
    return {"asked": image, "image": image_id, **result_view(problem)}


def share(talk: Talk, image: str, projects: Sequence[str], removed: Sequence[str]) -> int:
    """Share *image* with *projects*, and with those of *removed* no longer; print with whom it is shared."""

    async def work(session: Session) -> int:
        records, cloud = Records(session), chosen(talk)
        image_id = str((await records.find(image))["id"])
        for project in projects:
            await records.share(image_id, await project_id_of(session, cloud, project))
        for project in removed:
            await records.unshare(image_id, await project_id_of(session, cloud, project))
        members = await records.members(image_id)
        if talk.as_json:
            print_json({"image": image_id, "members": members})
        else:
            print_table(("member_id", "status"), members)
        return OK

    return _converse(talk, work)


def ask(talk: Talk, work: Callable[[Records], Awaitable[int]]) -> int:
    return _converse(talk, lambda session: work(Records(session)))


def _converse(talk: Talk, work: Callable[[Session], Awaitable[int]]) -> int:
    with show_progress(quiet=True) as shown:
        return converse(talk, shown, work, after_interrupt=AGAIN)


def print_json(document: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(document, indent=2))


def print_record(talk: Talk, record: Record) -> None:
    if talk.as_json:
        print_json(record)
    else:
        print_table(("attribute", "value"), [{"attribute": name, "value": record[name]} for name in sorted(record)])


def print_images(found: Sequence[Record], console: Console) -> None:
    """Print a line for each image. Ids stay whole: a narrow terminal gets fewer columns, and shorter names."""
    cells = {column: [_cell(column, image.get(column)) for image in found] for column in COLUMNS}
    widths = {column: max([len(_heading(column)), *(cell.cell_len for cell in cells[column])]) for column in COLUMNS}
    if not console.is_terminal:
        console.width = sum(widths.values()) + GAP * len(COLUMNS)
    shown, needed = list(COLUMNS), {**widths, "name": min(widths["name"], SHORT_NAME)}
    while len(shown) > len(KEPT) and sum(needed[column] + GAP for column in shown) - GAP > console.width:
        shown.pop()
    left = console.width - sum(widths[column] + GAP for column in shown if column != "name")
    table = Table(box=None, pad_edge=False)
    for column in shown:
        table.add_column(_heading(column), no_wrap=True, width=min(left, widths["name"]) if column == "name" else None)
    for row in zip(*(cells[column] for column in shown), strict=True):
        table.add_row(*row)
    console.print(table)


def print_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table()
    for column in columns:
        table.add_column(_heading(column), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(column, row.get(column)) for column in columns))
    _console().print(table)


def _console() -> Console:
    return Console(highlight=False, emoji=False)


def _heading(column: str) -> str:
    return column.removesuffix("_at").replace("_", " ").capitalize()


def _cell(column: str, value: object) -> Text:
    # Text, so that a name like "[red]" is not taken for markup; readable, so that none moves the cursor.
    if column == "size" and isinstance(value, int):
        return Text(decimal(value))
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return Text("" if value is None else readable(str(value)))
