"""Limit how much expensive work, such as checking passwords, runs at once: in total and per client.

When the limit is reached, clients are told to retry later, so that none waits behind a crowd of unknown clients.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from stillage.errors import TooManyAtOnce, Unavailable


class Places:
    """The places of one process. A holder without places is forgotten, so memory is bounded as well."""

    def __init__(self, what: str, *, total: int, each: int, reserved: int = 0) -> None:
        """*each*: the limit per holder; *reserved*: places that only known holders may take."""
        self._what = what
        self._total = total
        self._each = each
        self._reserved = reserved
        self._held: Counter[str] = Counter()

    @contextmanager
    def taken(self, holder: str, *, known: bool = False) -> Iterator[None]:
        """Hold a place.

        Raises:
            TooManyAtOnce: If *holder* has reached the limit per holder.
            Unavailable: If all places are taken.
        """
        if self._held[holder] >= self._each:
            raise TooManyAtOnce(self._what, self._each)
        if self._held.total() >= self._total - (0 if known else self._reserved):
            raise Unavailable(f"too many {self._what} are in progress; try again later")
        self._held[holder] += 1
        try:
            yield
        finally:
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]
