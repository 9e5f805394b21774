"""Runs ``stillage upload``: uploads one file after the other and prints the results."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from rich.filesize import decimal

from stillage import config
from stillage.cli import conversation, statuses
from stillage.cli.cloud_options import Talk
from stillage.cli.hinting import hints_about
from stillage.cli.show.progress import Switch, show_progress
from stillage.cli.show.texts import readable
from stillage.client.attributes import Attributes
from stillage.client.local import Rules
from stillage.client.rate_limit import RateLimit
from stillage.client.same_name import NamedUpload, NameRules
from stillage.client.session import Session
from stillage.client.upload import Order, Outcome, Upload
from stillage.deployment import policy_of, profile_of
from stillage.errors import BadSettings, StillageError


def upload_files(
    files: list[str],
    attributes: Attributes | None,
    image: str | None,
    *,
    connections: int | None,
    piece_bytes: int | None,
    inspects: bool,
    instant: bool,
    by_name: tuple[bool, bool, bool],
    talk: Talk,
) -> int:
    """Upload *files* and return the exit status.

    Args:
        files: Paths.
        attributes: Of new images; None if *image* names an existing one.
        image: Its id.
        connections: How many at the same time; None for the usual number.
        piece_bytes: Of a request; None lets the size decide.
        inspects: Whether to inspect a file before anything of it is sent.
        instant: Whether to ask first if the server has the same bytes.
        by_name: What to do about images of the same name, as in `NameRules`.
        talk: The options of the conversation. Its settings are also those to inspect files by.
    """
    try:
        settings = config.load(talk.config_file)
        rules = Rules(policy_of(settings), profile_of(settings).may_be_empty) if inspects else None
    except BadSettings as error:
        typer.echo(f"stillage: {error}", err=True)
        return statuses.USAGE
    rate = None if talk.bytes_per_s is None else RateLimit(talk.bytes_per_s)
    order = Order(attributes, image, connections, piece_bytes, rules, instant, rate)
    with show_progress(quiet=talk.as_json or talk.quiet) as shown:
        sender = _Sender(order, shown, NameRules(*by_name), talk)
        return conversation.converse(talk, shown, lambda session: sender.send_all(session, files))


class _Sender:
    def __init__(self, order: Order, shown: Switch, by_name: NameRules, talk: Talk) -> None:
        self._order = order
        self._shown = shown
        self._by_name = by_name
        self._talk = talk

    async def send_all(self, session: Session, files: list[str]) -> int:
        """Send one file after the other; return the highest status."""
        return max([await self._send(session, file) for file in files])

    async def _send(self, session: Session, file: str) -> int:
        self._shown.file = readable(Path(file).name)
        order = self._order
        if order.attributes is not None and not order.attributes.name:
            order = replace(order, attributes=replace(order.attributes, name=self._shown.file))
        hints = hints_about(file) if self._talk.as_json or not self._talk.quiet else []
        if not self._talk.as_json:
            for hint in hints:
                typer.echo(f"{self._shown.file}: hint: {hint}", err=True)
        started = time.monotonic()
        one: Upload | None = None
        problem: StillageError | None = None
        try:
            state = conversation.state_folder()
            one = Upload(session, order, state=state, progress=self._shown)
            name = order.attributes.name if order.attributes is not None else ""
            await NamedUpload(session, one, self._by_name, state=state).run(file, name)
        except StillageError as error:
            problem = error
        outcome = one.outcome if one is not None else Outcome()
        seconds = time.monotonic() - started
        if self._talk.as_json:
            typer.echo(json.dumps({**_view(file, outcome, seconds, problem), "hints": hints}))
        elif problem is not None:
            typer.echo(f"{self._shown.file}: {problem}", err=True)
        elif self._talk.quiet:
            typer.echo(outcome.image_id)
        else:
            typer.echo(_sentence(self._shown.file, outcome, seconds))
        return statuses.status_of(problem)


def _view(file: str, outcome: Outcome, seconds: float, problem: StillageError | None) -> dict[str, Any]:
    return {
        "file": readable(file),
        **statuses.result_view(problem, file),
        "image": outcome.image_id,
        "size": outcome.size,
        "way": outcome.way,
        "sent": outcome.sent,
        "zeros": outcome.zeros,
        "resumed": outcome.resumed,
        "taken": outcome.taken,
        "verified": dict(outcome.verified),
        "replaced": list(outcome.replaced),
        "seconds": round(seconds, 3),
    }


def _sentence(file: str, outcome: Outcome, seconds: float) -> str:
    """Return what to print after success: the image, how its bytes were sent, and what was compared."""
    if outcome.way == "unchanged":
        return f"{file}: image {outcome.image_id} has these bytes already{_replaced(outcome)}; nothing was sent"
    parts = [f"{decimal(outcome.sent)} sent in {seconds:.1f} s"]
    if outcome.sent:
        parts[0] += f" ({outcome.sent / max(seconds, 1e-3) / 1e6:.0f} MB/s)"
    if outcome.zeros:
        parts.append(f"{decimal(outcome.zeros)} of zeros skipped")
    if outcome.resumed:
        parts.append(f"{decimal(outcome.resumed)} resumed")
    if outcome.taken:
        parts.append(f"{decimal(outcome.taken)} taken from what the server already had")
    if outcome.way == "instant":
        parts.append("the server already had these bytes")
    compared = " and ".join(sorted(outcome.verified)) or "the size"
    return f"{file}: image {outcome.image_id} is active; {', '.join(parts)}; verified by {compared}{_replaced(outcome)}"


def _replaced(outcome: Outcome) -> str:
    return f"; deleted {', '.join(outcome.replaced)}" if outcome.replaced else ""
