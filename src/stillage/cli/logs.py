"""Structured logs: short lines for people, JSON for machines. Everything goes to standard error."""

import json
import logging
import sys
from typing import Any

import orjson
import structlog

from stillage.api import log_context
from stillage.cli.log_lines import LogLines, as_it_is
from stillage.cli.short_lines import shorten

ENCODER = json.JSONEncoder(default=repr, separators=(",", ":"))
AS_REPR = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
"""What JSON has no type for is shown as Python shows it."""


def configure(log_format: str, level: str) -> None:
    """Set up structlog, and the standard library's logging behind it.

    Args:
        log_format: ``console``, ``json``, or ``auto``: console on a terminal.
        level: Least level shown.
    """
    for_people = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [log_context.merge, structlog.processors.add_log_level]
    shared += _for_people() if for_people else _for_machines()
    renderer = _console() if for_people else _as_json
    number = logging.getLevelNamesMapping()[level.upper()]
    lines = LogLines(sys.stderr, lambda event: str(renderer(None, "", event)))
    structlog.configure(
        processors=[*shared, as_it_is],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library: one shape for all.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def _for_people() -> list[structlog.typing.Processor]:
    return [structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False), shorten]


def _for_machines() -> list[structlog.typing.Processor]:
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(tracebacks),
    ]


def _console() -> structlog.typing.Processor:
    # Python's own tracebacks: never with the values of local variables, among which are tokens and passwords.
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        pad_event_to=0,
        pad_level=False,
        exception_formatter=structlog.dev.plain_traceback,
    )


def _as_json(_logger: Any, _method: str, event: structlog.typing.EventDict) -> str:
    """Return *event* as JSON in ASCII: no control character of Unicode reaches a terminal."""
    try:
        line = orjson.dumps(event, repr, AS_REPR)
    except TypeError:  # an unpaired surrogate, or an integer of more than 64 bits
        return ENCODER.encode(event)
    return line.decode() if line.isascii() else ENCODER.encode(event)
