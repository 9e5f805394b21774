"""Places for work that is dear, such as checking a password: bounded in all and for each who asks.

What waits for a place is told to come back, so that nobody waits behind a crowd of unknown clients.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from stillage.errors import TooManyAtOnce, Unavailable


class Places:
    """Of one process. What is remembered of a holder is forgotten with its last place, so memory is bounded as well."""

    def __init__(self, what: str, *, total: int, each: int, reserved: int = 0) -> None:
        """*each*: the most of one holder; *reserved*: places that only those who are known may take."""
        self._what = what
        self._total = total
        self._each = each
        self._reserved = reserved
        self._held: Counter[str] = Counter()

    @contextmanager
    def taken(self, holder: str, *, known: bool = False) -> Iterator[None]:
        """Hold a place.

        Raises:
            TooManyAtOnce: If *holder* has as many as one may have.
            Unavailable: If all are taken.
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
