"""What a conversion tells of itself while it runs."""

from collections.abc import Callable
from typing import Protocol

Advance = Callable[[int], None]
"""Called with how many bytes of the disk are done since the last time."""


class Progress(Protocol):
    def begin(self, what: str, total: int, done: int = 0) -> None:
        """Begin a stage of *total* bytes of the disk."""

    def advance(self, count: int) -> None:
        """*count* more bytes of the disk are done."""
