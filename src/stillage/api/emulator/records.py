"""Which requests came: what a test compares with what its client should have sent."""

import hashlib
import json
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web

MOST = 10_000
"""So many requests are kept; older ones are forgotten."""
MOST_JSON = 64 << 10
SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "x-auth-token", "x-service-token", "x-subject-token", "x-security-token"}
)
SECRET_PATHS = ("/identity/", "/v3/", "/v3.0/", "/console/")
"""Bodies below them may have passwords in them, and are not kept."""


class Records:
    def __init__(self) -> None:
        self._kept: deque[dict[str, Any]] = deque(maxlen=MOST)

    def add(self, request: web.Request, at: datetime) -> dict[str, Any]:
        """Keep *request*, and return its record, to which its answer is added."""
        record: dict[str, Any] = {
            "at": at.isoformat().replace("+00:00", "Z"),
            "method": request.method,
            "path": request.path,
            "query": request.query_string,
            "headers": {name.lower(): _shown(name.lower(), value) for name, value in request.headers.items()},
            "body_bytes": 0,
            "json": None,
            "fault": {},
            "status": None,
        }
        self._kept.append(record)
        return record

    def find(self, *, method: str | None = None, path: str | None = None) -> Sequence[dict[str, Any]]:
        """Return the requests with *method* whose path is like *path*, the oldest first."""
        return [
            record
            for record in self._kept
            if method in (None, record["method"]) and (path is None or fnmatchcase(record["path"], path))
        ]

    def clear(self) -> None:
        self._kept.clear()


def json_in(path: str, media_type: str, body: bytes) -> Any:
    """Return the JSON of a body that is kept; None if it is none, too large, or may have secrets in it."""
    if "json" in media_type and len(body) <= MOST_JSON and not path.startswith(SECRET_PATHS):
        with suppress(ValueError, RecursionError):
            return json.loads(body)
    return None


def _shown(name: str, value: str) -> str:
    """Return *value*, or of a secret a digest, which tells one from another."""
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:16]}" if name in SECRET_HEADERS else value
