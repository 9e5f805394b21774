"""Hints about a file that is about to be sent: it may be the wrong one. Reads little of it."""

import os
from contextlib import suppress

from stillage.cli.local_rules import USUAL
from stillage.client.local import inspect_file, size_of
from stillage.formats.hints import HEAD, hints_of
from stillage.formats.registry import FORMATS
from stillage.formats.safety import Declaration
from stillage.formats.stream import Examination


def hints_about(file: str) -> list[str]:
    """Return hints about *file*; none about what cannot be read, or only once."""
    with suppress(OSError):
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            size = size_of(descriptor)
            if size is not None:
                return hints_of(file, _format_of(descriptor, size), os.pread(descriptor, HEAD, 0))
        finally:
            os.close(descriptor)
    return []


def _format_of(descriptor: int, size: int) -> str | None:
    examination = Examination(FORMATS, size=size)
    examination.feed(os.pread(descriptor, HEAD, 0))
    matched = [facts.format for facts in examination.findings.matched if facts.format != "raw"]
    if matched:  # its tables are none of our business
        return matched[0]
    return inspect_file(descriptor, size, Declaration(None), USUAL).format
