"""Starts the command ``stillage``: a plain `convert` at once, everything else through typer.

To import typer takes as long as to copy 100 MiB. So a complete `convert` is understood here; whatever is anything else,
a mistake or ``--help`` included, is left to `stillage.cli.main`, whose answer is the only one.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from stillage.cli import garbage
from stillage.cli.convert_request import ConvertRequest, format_by_suffix

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
    request = plain_request(words[1:]) if words[:1] == ["convert"] else None
    if request is None:
        from stillage.cli.main import run as run_any  # noqa: PLC0415 - it takes a while to import

        run_any()
        return
    garbage.start()
    from stillage.cli.converting import convert_file  # noqa: PLC0415 - other commands do not need it

    status = convert_file(request)
    garbage.end()
    sys.exit(status)


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
