"""What each log line of a request says besides its own: the request's id, and who makes it.

One context variable, not one for each fact as in `structlog.contextvars`: every request sets and reads them.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from structlog.typing import EventDict

FACTS: ContextVar[Mapping[str, Any]] = ContextVar("FACTS", default=MappingProxyType({}))


def begin(**facts: Any) -> None:
    """Replace what an earlier request has left."""
    FACTS.set(facts)


def add(**facts: Any) -> None:
    FACTS.set({**FACTS.get(), **facts})


def merge(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Add the facts to a line. A processor of structlog."""
    for name, value in FACTS.get().items():
        event.setdefault(name, value)
    return event
