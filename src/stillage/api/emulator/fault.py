"""What can go wrong on request: a fault, and a rule that says which requests it meets. Read from JSON or a header."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any

from stillage.errors import InvalidInput

MOST_DELAY_S = 600.0
MOST_BYTES = 1 << 50


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request. What is not set goes right.

    Attributes:
        delay: Seconds before anything else happens.
        status: The answer, with a body as of this API; the request does nothing.
        expired_token: The token of the request has expired, now and later.
        cut_upload_at: The connection breaks after so many bytes of the request's body.
        cut_answer_at: The connection breaks after so many bytes of the answer's body.
        full_store: No room is left in the store.
        slow_store: Bytes that the store reads or writes per second.
        stuck_in_saving: The upload is answered as if it were done, and its image stays `saving`.
        proxy_limit: Bytes of a body, more of which a proxy refuses: 413 with a page of HTML.
    """

    delay: float = 0.0
    status: int | None = None
    expired_token: bool = False
    cut_upload_at: int | None = None
    cut_answer_at: int | None = None
    full_store: bool = False
    slow_store: float | None = None
    stuck_in_saving: bool = False
    proxy_limit: int | None = None

    @property
    def shown(self) -> dict[str, Any]:
        """What is set, by name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value not in (None, False) and (name, value) != UNSET}

    def __or__(self, other: "Fault") -> "Fault":
        """Return both. *other* comes first where both set the same."""
        return replace(self, **other.shown)


UNSET = ("delay", 0.0)
NOTHING = Fault()


@dataclass(frozen=True, slots=True)
class Rule:
    """Which requests a fault meets.

    Attributes:
        method: None for all.
        path: A pattern of the whole path, in which ``*`` is any text; None for all.
        after: So many requests pass before the first that it meets.
        times: So many requests it meets; None for all.
    """

    fault: Fault = field(default_factory=Fault)
    method: str | None = None
    path: str | None = None
    after: int = 0
    times: int | None = None

    def meets(self, method: str, path: str) -> bool:
        return self.method in (None, method) and (self.path is None or fnmatchcase(path, self.path))


def rule_of(document: Mapping[str, Any]) -> Rule:
    """Return the rule that a JSON object describes: the members of a rule, and those of its fault beside them.

    Raises:
        InvalidInput: If a member is unknown or has another type, or no fault is named.
    """
    own = {name: READ_RULE[name](name, value) for name, value in document.items() if name in READ_RULE}
    fault = fault_of({name: value for name, value in document.items() if name not in READ_RULE})
    if fault == NOTHING:
        raise InvalidInput(f"the rule has no fault; add one of {', '.join(READ)}")
    return Rule(fault, **own)


def fault_of(members: Mapping[str, Any]) -> Fault:
    """Return the fault that *members* describe; InvalidInput if one is unknown or has another type."""
    for name in members:
        if name not in READ:
            raise InvalidInput(f"unknown fault {name[:64]!r}; use one of {', '.join(READ)}")
    return Fault(**{name: READ[name](name, value) for name, value in members.items()})


def fault_in(header: str) -> Fault:
    """Return the fault in the text of a header, such as ``delay=0.5, status=503`` or ``full_store``."""
    parts = [part.strip().partition("=") for part in header.split(",") if part.strip()]
    return fault_of({name.strip(): _value(text.strip()) if equals else True for name, equals, text in parts})


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if "." in text else int(text[:20])
    except ValueError:
        return text


def _number(most: float) -> Callable[[str, Any], float]:
    def read(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidInput(f"{name} must be a number, not {str(value)[:64]!r}")
        if not 0 <= value <= most:
            raise InvalidInput(f"{name} must be from 0 to {most:g}, not {value}")
        return value

    return read


def _whole(least: int, most: int) -> Callable[[str, Any], int]:
    def read(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidInput(f"{name} must be an integer from {least} to {most}, not {str(value)[:64]!r}")
        return value

    return read


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{name} must be true or false, not {str(value)[:64]!r}")
    return value


def _rate(name: str, value: Any) -> float:
    rate = _number(MOST_BYTES)(name, value)
    if not rate:
        raise InvalidInput(f"{name} must be more than 0 bytes per second")
    return rate


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > 1000:
        raise InvalidInput(f"{name} must be a text of at most 1000 characters")
    return value


def _method(name: str, value: Any) -> str:
    return _text(name, value).upper()


READ: Mapping[str, Callable[[str, Any], Any]] = {
    "delay": _number(MOST_DELAY_S),
    "status": _whole(400, 599),
    "expired_token": _flag,
    "cut_upload_at": _whole(0, MOST_BYTES),
    "cut_answer_at": _whole(0, MOST_BYTES),
    "full_store": _flag,
    "slow_store": _rate,
    "stuck_in_saving": _flag,
    "proxy_limit": _whole(0, MOST_BYTES),
}
READ_RULE: Mapping[str, Callable[[str, Any], Any]] = {
    "method": _method,
    "path": _text,
    "after": _whole(0, 1 << 31),
    "times": _whole(1, 1 << 31),
}
