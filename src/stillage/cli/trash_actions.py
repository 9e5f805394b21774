"""Runs ``stillage image trash`` and the commands beside it: asks the server, and prints the answer."""

from collections.abc import Mapping

import typer

from stillage.cli.cloud_options import Talk
from stillage.cli.image_actions import ask, print_json, print_record, print_table
from stillage.cli.statuses import OK
from stillage.client.records import Records
from stillage.client.trash import Trash

COLUMNS = ("id", "name", "disk_format", "size", "deleted_at", "purge_at")
KEPT = {"keep_newest": "the newest {}", "keep_days": "those of the last {} days"}
REMOVED = ("id", "name", "created_at")


def list_trash(talk: Talk) -> int:
    """Print the deleted images that can be restored."""

    async def work(records: Records) -> int:
        found = await Trash(records.session).all()
        if talk.as_json:
            print_json({"trash": found})
        else:
            print_table(COLUMNS, found)
        return OK

    return ask(talk, work)


def restore(talk: Talk, image: str) -> int:
    """Restore *image*; print its record."""

    async def work(records: Records) -> int:
        print_record(talk, await Trash(records.session).restore(image))
        return OK

    return ask(talk, work)


def purge(talk: Talk, image: str) -> int:
    """Delete *image*, which is in the trash, for good."""

    async def work(records: Records) -> int:
        await Trash(records.session).purge(image)
        if talk.as_json:
            print_json({"image": image, "status": OK})
        else:
            typer.echo(f"image {image} deleted for good")
        return OK

    return ask(talk, work)


def show_rule(talk: Talk, family: str, limits: Mapping[str, int], *, is_set: bool) -> int:
    """Set the rule of *family* to *limits* if *is_set*; print it, and what it deletes."""

    async def work(records: Records) -> int:
        rules = Trash(records.session)
        rule = await (rules.set_rule(family, limits) if is_set else rules.rule(family, limits))
        if talk.as_json:
            print_json(rule)
            return OK
        kept = [text.format(rule[name]) for name, text in KEPT.items() if rule[name]]
        typer.echo(f"{family} keeps {' and '.join(kept)}; it {'deletes' if is_set else 'would delete'}:")
        print_table(REMOVED, rule["removes"])
        return OK

    return ask(talk, work)


def remove_rule(talk: Talk, family: str) -> int:
    """Remove the rule of *family*."""

    async def work(records: Records) -> int:
        await Trash(records.session).remove_rule(family)
        if talk.as_json:
            print_json({"family": family, "status": OK})
        else:
            typer.echo(f"{family}: all images are kept")
        return OK

    return ask(talk, work)
