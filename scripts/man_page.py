"""Writes share/man/man1/stillage.1, the manual page of the command, from the commands themselves."""

import re
import runpy
from pathlib import Path
from typing import Any

import typer

from stillage import __version__
from stillage.cli.main import app

CLI_PAGE = runpy.run_path(str(Path(__file__).with_name("cli_page.py")))
PAGE = Path(__file__).parent.parent / "share" / "man" / "man1" / "stillage.1"
STATUSES = (
    ("0", "Done."),
    ("1", "Refused before anything was sent."),
    ("2", "Usage error: options, clouds.yaml, settings, an unreadable file."),
    ("3", "Refused by the server."),
    ("4", "The network failed for too long."),
    ("5", "Image and file differ."),
    ("130", "Interrupted."),
)
FILES = (
    (
        "~/.local/share/stillage",
        "The data folder of 'stillage serve'; $XDG_DATA_HOME/stillage, --data or STILLAGE_DATA.",
    ),
    ("~/.local/state/stillage", "Unfinished uploads and downloads; $XDG_STATE_HOME/stillage."),
    ("clouds.yaml", "Clouds to upload to: here, in ~/.config/openstack or /etc/openstack, or OS_CLIENT_CONFIG_FILE."),
)


def page() -> str:
    root = typer.main.get_command(app)
    parts = [
        f'.TH STILLAGE 1 "" "stillage {__version__}" "User commands"',
        ".SH NAME\nstillage \\- image service for virtual\\-machine disks",
        ".SH SYNOPSIS\n.B stillage\n.I COMMAND\n.RI [ OPTION \\&.\\|.\\|.]",
        f".SH DESCRIPTION\n{_text(root.help or '')}",
        ".SH COMMANDS",
        *(_section(command, context) for command, context in CLI_PAGE["_commands"](root, "stillage", None)),
        ".SH EXIT STATUS",
        *(_row(name, meaning) for name, meaning in STATUSES),
        ".SH FILES",
        *(_row(name, meaning) for name, meaning in FILES),
    ]
    return "\n".join(parts) + "\n"


def _section(command: Any, context: Any) -> str:
    records = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    paragraphs = "\n.PP\n".join(_text(part) for part in (command.help or "").split("\n\n"))
    rows = [_row(CLI_PAGE["_plain"](name), meaning) for name, meaning in records]
    return "\n".join([f".SS {_text(context.command_path)}", paragraphs, *rows])


def _row(name: str, meaning: str) -> str:
    return f".TP\n.B {_text(name)}\n{_text(meaning)}"


def _text(text: str) -> str:
    """Return *text* on one line, as roff shows it: nothing in it is a request."""
    line = re.sub(r"[\\-]|[^ -~]", lambda found: _character(found[0]), " ".join(text.split()))
    return rf"\&{line}" if line.startswith((".", "'")) else line


def _character(character: str) -> str:
    return {"\\": r"\e", "-": r"\-"}.get(character, rf"\[u{ord(character):04X}]")


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
