"""Counts the requests of one process by minute, for an hour. Pure, but for the clock that it is given."""

from collections.abc import Callable, Mapping
from datetime import datetime

MINUTES = 60


class RequestRates:
    """A ring of the last hour: its size does not depend on how many requests there are."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._counts: dict[int, int] = {}

    def count(self) -> None:
        minute = int(self._clock().timestamp()) // 60
        if minute in self._counts:
            self._counts[minute] += 1
            return
        self._counts = {other: n for other, n in self._counts.items() if minute - MINUTES < other <= minute}
        self._counts[minute] = 1

    def by_minute(self) -> Mapping[int, int]:
        """Return the counts by minute since 1970."""
        return dict(self._counts)
