"""How a command ends: with one sentence and a fitting status, whatever was wrong, and with JSON if asked for."""

import errno
import json
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import typer

from stillage.errors import StillageError

FAILED, USAGE, INTERRUPTED = 1, 2, 130
AGAIN = "interrupted; run the same command again"


def ended(group: Any, words: Sequence[str]) -> int:
    """Run the command of *group*, of typer, that *words* name; return the exit status.

    What a command says itself of its end stays; this says it of every other one.
    """
    try:
        with group.make_context("stillage", list(words)) as context:
            group.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, typer.Abort, EOFError, StillageError, OSError) as error:
        return told(words, error)
    except Exception as error:
        # typer exports none of the classes of its errors but that of a wrong value.
        if not hasattr(error, "format_message"):
            raise
        return _tell(words, mistake, USAGE, "usage") if (mistake := _mistake(error)) else USAGE
    return 0


def told(words: Sequence[str], error: BaseException) -> int:
    """Say why the command that *words* name has ended with *error*; return its exit status."""
    if isinstance(error, StillageError):
        return _tell(words, str(error), FAILED, error.code, error)
    if isinstance(error, OSError):
        return _of_system(words, error)
    return _tell(words, AGAIN, INTERRUPTED, "interrupted")


def _of_system(words: Sequence[str], error: OSError) -> int:
    if error.errno == errno.EPIPE:  # who reads has seen enough; nor may Python complain when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    where = f"{error.filename}: " if error.filename else ""
    return _tell(words, f"{where}{error.strerror or error}", FAILED, "os_error")


def _asks_for_json(words: Sequence[str]) -> bool:
    """Whether *words*, which may be wrong, ask for JSON."""
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options or ("-f", "json") in pairwise(options)


def _mistake(error: Any) -> str:
    """Return the sentence about an error of typer; nothing if there was no command, and it has printed the help."""
    text = " ".join(str(error.format_message()).split()).rstrip(".").replace("Value error, ", "")
    path = "stillage" if error.ctx is None else error.ctx.command_path
    return f"{text[:1].lower()}{text[1:]}; see '{path} --help'" if text else ""


def _tell(words: Sequence[str], why: str, status: int, code: str, error: StillageError | None = None) -> int:
    print(f"stillage: {why}", file=sys.stderr)  # noqa: T201 - what a user of the command reads
    if _asks_for_json(words):
        facts = {} if error is None else error.facts
        view = {"status": status, "error": why, "code": code, "rule": facts.get("rule"), "offset": facts.get("offset")}
        print(json.dumps({**view, "fix": None if error is None else error.fix}), flush=True)  # noqa: T201
    return status
