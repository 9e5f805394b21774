"""Runs ``stillage import``: imports one image after the other and prints the results."""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import typer
from rich.filesize import decimal

from stillage.cli import conversation, statuses
from stillage.cli.cloud_options import Talk
from stillage.cli.show.progress import Switch, show_progress
from stillage.cli.show.texts import file_name_of, readable
from stillage.client.attributes import Attributes
from stillage.client.importing import Import, Order, Outcome
from stillage.client.session import Session
from stillage.errors import StillageError


def import_all(
    formats: Mapping[str, str],
    attributes: Attributes,
    *,
    stores: tuple[str, ...],
    all_stores: bool,
    must_succeed: bool,
    waits: bool,
    talk: Talk,
) -> int:
    """Import the sources of *formats*, which says of each what it is, and return the exit status.

    Args:
        formats: By URL or path.
        attributes: Of every image; without a name it is that of the file.
        stores: To fill; empty leaves it to the server.
        all_stores: Fill all there are.
        must_succeed: False if one store is enough.
        waits: Until each import has ended.
        talk: The options of the conversation.
    """
    order = Order(attributes, stores, all_stores, must_succeed, waits)
    with show_progress(quiet=talk.as_json) as shown:

        async def import_each(session: Session) -> int:
            importer = _Importer(session, order, shown, as_json=talk.as_json)
            return max([await importer.run(source, kind) for source, kind in formats.items()])

        return conversation.converse(talk, shown, import_each)


class _Importer:
    def __init__(self, session: Session, order: Order, shown: Switch, *, as_json: bool) -> None:
        self._session = session
        self._order = order
        self._shown = shown
        self._as_json = as_json

    async def run(self, source: str, disk_format: str) -> int:
        """Import *source*; return the exit status."""
        self._shown.file = readable(file_name_of(source))
        given = self._order.attributes
        attributes = replace(given, disk_format=disk_format, name=given.name or self._shown.file)
        one = Import(self._session, replace(self._order, attributes=attributes), progress=self._shown)
        started = time.monotonic()
        problem: StillageError | None = None
        try:
            await one.run(source)
        except StillageError as error:
            problem = error
        self._print(source, one.outcome, time.monotonic() - started, problem)
        return statuses.status_of(problem)

    def _print(self, source: str, outcome: Outcome, seconds: float, problem: StillageError | None) -> None:
        if self._as_json:
            typer.echo(json.dumps(_view(source, outcome, seconds, problem)))
        elif problem is not None:
            typer.echo(f"{self._shown.file}: {problem}", err=True)
        else:
            typer.echo(f"{self._shown.file}: {_sentence(outcome, seconds)}")


def _view(source: str, outcome: Outcome, seconds: float, problem: StillageError | None) -> dict[str, Any]:
    image = outcome.image
    return {
        "source": readable(source),
        **statuses.result_view(problem),
        "image": outcome.image_id,
        "task": outcome.task_id,
        "state": image.get("status"),
        "size": image.get("size"),
        "stores": _listed(image.get("stores")),
        "failed_stores": _listed(image.get("os_glance_failed_import")),
        "sent": outcome.sent,
        "seconds": round(seconds, 3),
    }


def _sentence(outcome: Outcome, seconds: float) -> str:
    image = outcome.image
    if image.get("status") != "active":
        return f"image {outcome.image_id} is {image.get('status')}, and its import goes on as task {outcome.task_id}"
    parts = [f"image {outcome.image_id} is active", f"{decimal(image.get('size') or 0)} in {seconds:.1f} s"]
    if failed := image.get("os_glance_failed_import"):
        parts.append(f"not in {failed}")
    return "; ".join(parts)


def _listed(stores: str | None) -> list[str]:
    return stores.split(",") if stores else []
