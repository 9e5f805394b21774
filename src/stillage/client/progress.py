"""Reports how far a transfer is."""

from typing import Protocol


class Progress(Protocol):
    def say(self, sentence: str) -> None:
        """Something that people want to know."""

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """A stage of *total* bytes begins, of which *done* are done already."""

    def advance(self, count: int) -> None:
        """So many bytes more; fewer than 0 takes back what did not arrive."""
