"""Writes docs/cli.md, the page of every command and option, from the commands themselves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from stillage.cli.main import app

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
HEAD = """\
# Commands

The help of each command. More is in [upload.md](upload.md) on `upload` and `download`, in
[formats.md](formats.md#before-the-upload) on `inspect`, in [identity.md](identity.md#administer) on users, projects and
keys, in [operation.md](operation.md) on `serve` and `scrub`, and in [doctor.md](doctor.md) on `doctor`. This page is
written by `scripts/cli_page.py`.
"""


def page() -> str:
    root = typer.main.get_command(app)
    return HEAD + "".join(map(_section, _commands(root, "stillage", None)))


def _commands(command: Any, name: str, parent: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each command with its context. Groups have only the others in them."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    if not hasattr(command, "list_commands"):
        yield command, context
        return
    for child in sorted(command.list_commands(context)):
        yield from _commands(command.resolve_command(context, [child])[1], child, context)


def _section(found: tuple[Any, Any]) -> str:
    command, context = found
    records = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    rows = "".join(f"| `{_cell(_plain(name))}` | {_cell(meaning)} |\n" for name, meaning in records)
    table = f"\n| | |\n|---|---|\n{rows}" if rows else ""
    return f"\n## {context.command_path}\n\n{_paragraphs(command.help or '')}\n{table}"


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _plain(name: str) -> str:
    return name.replace(" <str>", "").replace(" <list[str]>", "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
