"""Names of files, and commands about them, as text for a terminal."""

import re
import shlex
import sys


def command_for(command: str | None, name: str, format_name: str | None) -> str | None:
    """The command that fixes this very file. OUT, and what else only the user can know, stays as it is."""
    if command is None or name == "-":
        return command
    words = {"IN": shlex.quote(readable(name)), "FORMAT": format_name or "FORMAT"}
    return re.sub(r"\b(IN|FORMAT)\b", lambda found: words[found[1]], command)


def readable(name: str) -> str:
    """A file's name as text that any terminal shows: no control characters, no bytes that are none."""
    if name == "-":
        return "standard input"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name)


def say(line: str, *, problem: bool = False) -> None:
    """Print *line* at once, on standard error if it tells a *problem*: as typer does, without importing it."""
    stream = sys.stderr if problem else sys.stdout
    stream.write(f"{line}\n")
    stream.flush()


def file_name_of(source: str) -> str:
    """Return the last part of a path or URL, without a query."""
    path = source.partition("?")[0].partition("#")[0] if "://" in source else source
    return path.rstrip("/").rpartition("/")[2] or source
