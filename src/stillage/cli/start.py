"""Starts the command ``stillage``: a plain `convert` or `inspect` at once, everything else through typer.

To import typer takes as long as to copy 100 MiB, and longer than to inspect most files. So complete commands are
understood here; whatever is anything else, a mistake or ``--help`` included, is left to `stillage.cli.main`, whose
answer is the only one.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from stillage.cli import garbage
from stillage.cli.convert_request import ConvertRequest, format_by_suffix
from stillage.errors import StillageError

FLAGS = frozenset({"--check", "--force", "--json"})
LONG = frozenset({"--output-format", "--subformat", "--compress", "--config"})


def run() -> None:
    """The entry of the installed command."""
    try:
        _run()
    except KeyboardInterrupt:  # before there was a command to say it, or after its end
        sys.stderr.write("stillage: interrupted; run the same command again\n")
        sys.exit(130)


def _run() -> None:
    words = sys.argv[1:]
    work = _plain(words)
    if work is None:
        from stillage.cli.main import run as run_any  # noqa: PLC0415 - it takes a while to import

        run_any()
        return
    garbage.start()
    try:
        status = work()
    except (KeyboardInterrupt, StillageError, OSError) as error:
        from stillage.cli.ending import told  # noqa: PLC0415 - it imports typer

        status = told(words, error)
    garbage.end()
    sys.exit(status)


def _plain(words: Sequence[str]) -> Callable[[], int] | None:
    """Return what the command that *words* name does; None where typer has to look at them."""
    command, rest = words[:1], words[1:]
    if command == ["convert"] and (request := plain_request(rest)) is not None:
        from stillage.cli.converting import convert_file  # noqa: PLC0415 - other commands do not need it

        return partial(convert_file, request)
    if command == ["inspect"] and (files := plain_files(rest)):
        from stillage.cli.inspecting import inspect_files  # noqa: PLC0415

        return partial(inspect_files, files, None, as_json="--json" in rest, config_file=None)
    return None


def plain_files(words: Sequence[str]) -> list[str]:
    """Return the files in the *words* behind ``stillage inspect``; none where typer has to look at them."""
    files = [word for word in words if word != "--json"]
    return [] if any(word.startswith("-") for word in files) else files


def plain_request(words: Sequence[str]) -> ConvertRequest | None:
    """Return what the *words* behind ``stillage convert`` ask for; None where typer has to look at them."""
    files: list[str] = []
    flags: set[str] = set()
    values: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            files.append(word)
        elif word in FLAGS:
            flags.add(word)
        elif name in LONG and equals:
            values[name] = value
        elif (word in LONG or word == "-O") and not (value := next(rest, "-")).startswith("-"):
            values["--output-format" if word == "-O" else word] = value
        else:
            return None
    return _request(files, flags, values) if len(files) == 2 else None


def _request(files: Sequence[str], flags: set[str], values: dict[str, str]) -> ConvertRequest | None:
    source, output = files
    output_format, config = values.get("--output-format") or format_by_suffix(output), values.get("--config")
    if output_format is None:
        return None
    return ConvertRequest(
        source=source,
        output=output,
        output_format=output_format,
        subformat=values.get("--subformat"),
        compression=values.get("--compress"),
        check="--check" in flags,
        force="--force" in flags,
        as_json="--json" in flags,
        config_file=None if config is None else Path(config),
    )
