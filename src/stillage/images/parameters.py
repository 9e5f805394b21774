"""Reads the parameters that lists have in common from a query string. Pure."""

from collections.abc import Collection, Iterable

from stillage.errors import InvalidInput

DEFAULT_LIMIT = 25
MAX_LIMIT = 1000


def given_once(pairs: Iterable[tuple[str, str]], known: Collection[str]) -> dict[str, str]:
    """Return the values in *pairs* by their names.

    Raises:
        InvalidInput: If a name is not *known*, or has two values.
    """
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise InvalidInput(f"unknown parameter {name[:32]!r}; use one of {', '.join(known)}")
        if given.setdefault(name, value) != value:
            raise InvalidInput(f"{name} was given twice with different values; give it once")
    return given


def limit_of(given: str | None, *, most: int = MAX_LIMIT) -> int:
    """Return the page size. More than *most* is silently reduced to it, as in Glance.

    Raises:
        InvalidInput: If it is no number.
    """
    if given is None:
        return DEFAULT_LIMIT
    if not (given.isascii() and given.isdigit()):
        raise InvalidInput(f"limit must be an integer of 0 or more, not {given[:32]!r}")
    digits = given.lstrip("0")
    return most if len(digits) > 9 else min(int(digits or "0"), most)
