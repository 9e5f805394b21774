"""Sends what a conversion has written on its way to the disk, so that the end does not wait for all of it."""

from stillage.conversion.progress import Progress
from stillage.write_back import PUSH_EVERY, push


class Pushing:
    """The *progress* of a conversion to *target*, a descriptor; pushes after every `PUSH_EVERY` bytes of the disk."""

    def __init__(self, progress: Progress, target: int) -> None:
        self._progress = progress
        self._target = target
        self._unpushed = 0

    def begin(self, what: str, total: int, done: int = 0) -> None:
        self._progress.begin(what, total, done)

    def advance(self, count: int) -> None:
        self._progress.advance(count)
        self._unpushed += count
        if self._unpushed >= PUSH_EVERY:
            self._unpushed = 0
            push(self._target, 0, 0)
