"""Runs ``stillage inspect``: inspects files and prints the verdicts."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from stillage.cli.local_rules import local_rules
from stillage.cli.show.layout import Layout
from stillage.cli.show.report import print_verdict
from stillage.cli.show.texts import command_for, readable, say
from stillage.cli.statuses import result_view
from stillage.client.local import Rules, inspect_file, size_of
from stillage.errors import BadSettings
from stillage.formats.hints import HEAD, hints_of
from stillage.formats.registry import FORMATS
from stillage.formats.safety import Declaration
from stillage.formats.verdict import Verdict, verdict_view

ACCEPTED, REFUSED, UNREADABLE = 0, 1, 2
LONG = 256 << 20
"""Files from this size on, in bytes, get a progress bar."""


def inspect_files(files: list[str], disk_format: str | None, *, as_json: bool, config_file: Path | None) -> int:
    """Print the verdict on each of *files*, as if declared as *disk_format*; return the exit status."""
    try:
        rules = local_rules(config_file)
    except BadSettings as error:
        say(f"stillage: {error}", problem=True)
        if as_json:
            _print_json(result_view(error))
        return UNREADABLE
    by = _Inspector(Declaration(disk_format), rules, draws=not as_json)
    return max([_inspect_one(by, name, as_json=as_json) for name in files])


def _inspect_one(by: "_Inspector", name: str, *, as_json: bool) -> int:
    """Print the verdict on one file; return the exit status."""
    try:
        found, layout, hints = by.file(name)
    except OSError as error:
        _say_unreadable(name, error.strerror or str(error), as_json=as_json)
        return UNREADABLE
    if found.accepted is None:
        why = "it refers back to bytes that were read already; pass the file itself, not a pipe"
        _say_unreadable(name, why, as_json=as_json)
        return UNREADABLE
    if as_json:
        view = verdict_view(found)
        for hazard in view["hazards"]:
            hazard["fix"] = command_for(hazard["fix"], name, found.format)
        _print_json({"file": readable(name), **view, "hints": hints})
    else:
        print_verdict(Console(highlight=False, emoji=False), name, found, layout, hints)
    return ACCEPTED if found.accepted else REFUSED


def _say_unreadable(name: str, why: str, *, as_json: bool) -> None:
    if as_json:
        _print_json({"file": readable(name), "accepted": None, "error": why})
    else:
        say(f"{readable(name)}: cannot read it: {why}", problem=True)


def _print_json(document: dict[str, Any]) -> None:
    # One line for each file, so that a script can read them one by one.
    say(json.dumps(document))


@dataclass(frozen=True, slots=True)
class _Inspector:
    declaration: Declaration
    rules: Rules
    draws: bool = True

    def file(self, name: str) -> tuple[Verdict, Layout | None, list[str]]:
        """Inspect one file, whole; return hints about it as well.

        Raises:
            OSError: If it cannot be read to its end.
        """
        if name == "-":
            return self._run(sys.stdin.fileno(), name)
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return self._run(descriptor, name)
        finally:
            os.close(descriptor)

    def _run(self, descriptor: int, name: str) -> tuple[Verdict, Layout | None, list[str]]:
        size = size_of(descriptor)
        layout = None if size is None or not self.draws else Layout(size)
        formats = FORMATS if layout is None else layout.watched(FORMATS)
        found = inspect_file(descriptor, size, self.declaration, self.rules, formats=formats)
        if layout is not None:
            with _progress(name, size) as advance:
                layout.look(descriptor, advance)
        head = b"" if size is None else os.pread(descriptor, HEAD, 0)
        return found, layout, hints_of(name, found.format, head) if found.complete else []


@contextmanager
def _progress(name: str, size: int | None) -> Iterator[Callable[[int], None]]:
    """Show the progress of a long file on a terminal."""
    if size is None or size < LONG or not (console := Console(stderr=True)).is_terminal:
        yield lambda _count: None
        return
    from rich.progress import (  # noqa: PLC0415 - few files are long
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(escape(readable(name)), total=size)
        yield lambda count: progress.advance(task, count)
