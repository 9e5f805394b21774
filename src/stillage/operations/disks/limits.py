"""Limit what expanding compressed disks costs: how many at once, and how much more than is sent."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stillage.errors import TooManyConversions

WASTED_PER_S = 64 << 20
"""Bytes that one project may have expanded and not sent, each second."""
MOST_WASTED = 1 << 30
"""The same at once. A request for one byte costs a whole unit, 64 KiB of most formats and 2 MiB of ZVHD2."""
REMEMBERED = 1000
"""Projects whose waste is remembered. One that is forgotten begins with nothing wasted."""


class ExpandingLimits:
    """Of one process.

    Args:
        slots: Requests that may expand a compressed disk at once.
        now: Seconds, ever increasing.
    """

    def __init__(self, slots: int, now: Callable[[], float]) -> None:
        self._slots = slots
        self._now = now
        self._running = 0
        self._wasted: OrderedDict[str, tuple[float, float]] = OrderedDict()  # bytes, and when they were counted

    @contextmanager
    def slot(self, project: str) -> Iterator[None]:
        """Hold a slot for a request of *project*.

        Raises:
            TooManyConversions: If there is none, or the project has wasted too much.
        """
        if (excess := self._wasted_by(project) - MOST_WASTED) > 0:
            wait_s = int(excess / WASTED_PER_S) + 1
            why = "this project asks for small parts of compressed disks faster than they are expanded"
            raise TooManyConversions(why, retry_after_s=wait_s)
        if self._running >= self._slots:
            raise TooManyConversions(f"this server expands or compresses {self._slots} disks at once, its limit")
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def count(self, project: str, *, expanded: int, sent: int) -> None:
        """Count what a request of *project* has cost."""
        wasted = self._wasted_by(project) + max(0, expanded - sent)
        self._wasted[project] = (wasted, self._now())
        self._wasted.move_to_end(project)
        while len(self._wasted) > REMEMBERED:
            self._wasted.popitem(last=False)

    def _wasted_by(self, project: str) -> float:
        wasted, at = self._wasted.get(project, (0.0, 0.0))
        return max(0.0, wasted - (self._now() - at) * WASTED_PER_S)
