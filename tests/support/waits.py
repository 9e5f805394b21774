"""How long clients wait without progress, measured by those who are the clients."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_WAIT_S = 20.0
"""For anything to come, or to be taken; docs/design.md says so. Who is stopped cannot keep it: that does not count."""


class Waits:
    """How long clients waited without any progress. What took too long is in `too_long`, the longest in `longest_s`."""

    def __init__(self) -> None:
        self.too_long: list[str] = []
        self.longest_s = 0.0

    @contextmanager
    def timing(self, what: str) -> Iterator[None]:
        """Measure one wait: the block sends something, or waits for one answer."""
        begun = time.monotonic()
        try:
            yield
        finally:
            waited_s = time.monotonic() - begun
            self.longest_s = max(self.longest_s, waited_s)
            if waited_s > LONGEST_WAIT_S:
                self.too_long.append(f"a client waited {waited_s:.0f} s for {what}")
