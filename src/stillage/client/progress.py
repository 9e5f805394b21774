"""Reports the progress of a transfer."""

from typing import Literal, Protocol

Unit = Literal["bytes", "percent"]


class Progress(Protocol):
    def say(self, sentence: str) -> None:
        """Tell the user *sentence*."""

    def begin(self, what: str, total: int, done: int = 0, *, unit: Unit = "bytes") -> None:
        """Begin a stage of *total* bytes, of which *done* are done already."""

    def advance(self, count: int) -> None:
        """Add *count* of them; a negative count takes back what did not arrive."""
