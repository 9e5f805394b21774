"""Shorten log lines for a person at a terminal: one line for a request, without the ids that only machines compare."""

import math
from typing import Any

from structlog.typing import EventDict

IDS = ("user_id", "project_id", "client_request_id")
"""Whose request it was; the audit and the JSON lines say it."""
TRACED = ("request_id", "upload_id")
"""Needed to follow a problem through the log, and only then."""
SERVER_ERROR = 500


def shorten(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Return *event* with what a person reads. A processor of structlog."""
    is_quiet = event.get("level") in ("info", "debug")
    for name in IDS:
        event.pop(name, None)
    if is_quiet and not event.get("status", 0) >= SERVER_ERROR:
        for name in TRACED:
            event.pop(name, None)
    if is_quiet:
        del event["level"]
    if event["event"] == "request":
        event["event"] = _request(event)
    return {name: value for name, value in event.items() if value is not None}


def _request(event: EventDict) -> str:
    """Take what every request has out of *event*, and return it as one phrase."""
    method, path, status, seconds, peer = (event.pop(name) for name in ("method", "path", "status", "seconds", "peer"))
    return f"{method} {path} {status} {_duration(seconds)} {peer}"


def _duration(seconds: float) -> str:
    return f"{math.ceil(seconds * 1000)} ms" if seconds < 1 else f"{seconds:.1f} s"
