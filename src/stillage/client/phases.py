"""Shows an upload in two stages: sending, and once everything is sent, the wait for the server's verdict."""

from stillage.client.progress import Progress

SENDING, WAITING = "sending", "waiting for the server's verdict"


class Phases:
    """The stages of one transfer of *total* bytes, of which *done* were done before."""

    def __init__(self, progress: Progress, total: int, done: int = 0) -> None:
        self._progress = progress
        self._total = total
        self._done = done
        self._waits = False
        progress.begin(SENDING, total, done)

    def advance(self, count: int) -> None:
        """Add *count* bytes; a negative count takes back what did not arrive."""
        self._done += count
        if self._waits:
            if self._done < self._total:
                self._waits = False
                self._progress.begin(SENDING, self._total, self._done)
            return
        self._progress.advance(count)
        if self._done >= self._total:
            self._waits = True
            self._progress.begin(WAITING, self._total)
