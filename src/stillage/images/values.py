"""Check values that clients send: each check returns the value, or says what it must be.

A check takes what the value is, for the message, and the value.
"""

from collections.abc import Callable
from typing import Any

from stillage.errors import InvalidInput

MAX_TEXT = 255
MAX_INTEGER = 2**31 - 1


def text(what: str, value: Any, *, limit: int = MAX_TEXT) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{what} must be a string, not {kind_of(value)}")
    if len(value) > limit:
        raise InvalidInput(f"{what} is too long: at most {limit} characters, this has {len(value)}")
    if "\0" in value or not is_unicode(value):
        raise InvalidInput(f"{what} must be text without NUL characters and unpaired surrogates")
    return value


def is_unicode(value: str) -> bool:
    """False if *value* has an unpaired surrogate, which JSON allows."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def or_null(check: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda what, value: None if value is None else check(what, value)


def boolean(what: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{what} must be true or false, not {kind_of(value)}")
    return value


def count(what: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INTEGER:
        raise InvalidInput(f"{what} must be an integer from 0 to {MAX_INTEGER}")
    return value


def one_of(*allowed: str) -> Callable[[str, Any], str]:
    def check(what: str, value: Any) -> str:
        if value not in allowed:
            raise InvalidInput(f"{what} must be one of {', '.join(allowed)}, not {text(what, value)!r}")
        return str(value)

    return check


def kind_of(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "null")
