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
from stillage.cli.conversation import converse
from stillage.cli.show.progress import show_progress
from stillage.cli.show.texts import readable
from stillage.cli.statuses import OK, result_view
from stillage.client.records import Record, Records, patch_of
from stillage.client.session import Session
from stillage.errors import StillageError

COLUMNS = ("id", "name", "status", "disk_format", "size", "visibility", "created_at")
AGAIN = "run the same command again"


def list_all(talk: Talk, filters: Sequence[tuple[str, str]], most: int | None) -> int:
    """Print the images that pass *filters*, at most *most*."""

    async def work(records: Records) -> int:
        found = await records.matching(filters, most)
        if talk.as_json:
            print_json({"images": found})
        else:
            print_table(COLUMNS, found)
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

    async def work(records: Records) -> int:
        image_id = str((await records.find(image))["id"])
        for project in projects:
            await records.share(image_id, project)
        for project in removed:
            await records.unshare(image_id, project)
        members = await records.members(image_id)
        if talk.as_json:
            print_json({"image": image_id, "members": members})
        else:
            print_table(("member_id", "status"), members)
        return OK

    return ask(talk, work)


def ask(talk: Talk, work: Callable[[Records], Awaitable[int]]) -> int:
    async def run(session: Session) -> int:
        return await work(Records(session))

    with show_progress(quiet=True) as shown:
        return converse(talk, shown, run, after_interrupt=AGAIN)


def print_json(document: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(document, indent=2))


def print_record(talk: Talk, record: Record) -> None:
    if talk.as_json:
        print_json(record)
    else:
        print_table(("attribute", "value"), [{"attribute": name, "value": record[name]} for name in sorted(record)])


def print_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table()
    for column in columns:
        table.add_column(column.removesuffix("_at").replace("_", " ").capitalize(), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(column, row.get(column)) for column in columns))
    Console(highlight=False, emoji=False).print(table)


def _cell(column: str, value: object) -> Text:
    # Text, so that a name like "[red]" is not taken for markup; readable, so that none moves the cursor.
    if column == "size" and isinstance(value, int):
        return Text(decimal(value))
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return Text("" if value is None else readable(str(value)))
