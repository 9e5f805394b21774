"""Shows the progress of a transfer: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from stillage.cli.show.texts import say
from stillage.client.progress import Progress, Unit

LINE_EVERY_S = 10.0
MIB = 1 << 20


@contextmanager
def show_progress(*, quiet: bool) -> Iterator["Switch"]:
    """Show progress on standard error. *quiet*: only sentences."""
    if quiet or not sys.stderr.isatty():
        yield Switch(_Lines(quiet=quiet))
        return
    from stillage.cli.show.bar import Bar  # noqa: PLC0415 - to import it takes longer than many a command

    with Bar.shown() as bar:
        yield Switch(bar)


class Switch:
    """The progress of one command; `file` is the file it works on."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self.file = ""

    def say(self, sentence: str) -> None:
        self._shown.say(f"{self.file}: {sentence}" if self.file else f"stillage: {sentence}")

    def begin(self, what: str, total: int, done: int = 0, *, unit: Unit = "bytes") -> None:
        self._shown.begin(f"{self.file}: {what}", total, done, unit=unit)

    def advance(self, count: int) -> None:
        self._shown.advance(count)


class _Lines:
    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._what, self._total, self._done = "", 0, 0
        self._unit: Unit = "bytes"
        self._begun_at = self._shown_at = time.monotonic()
        self._begun_with = 0

    def say(self, sentence: str) -> None:
        say(sentence, problem=True)

    def begin(self, what: str, total: int, done: int = 0, *, unit: Unit = "bytes") -> None:
        self._unit = unit
        self._what, self._total, self._done, self._begun_with = what, total, done, done
        self._begun_at = self._shown_at = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if self._quiet or now - self._shown_at < LINE_EVERY_S:
            return
        self._shown_at = now
        rate = max(self._done - self._begun_with, 1) / (now - self._begun_at)
        left = (self._total - self._done) / rate
        share = self._done * 100 // max(self._total, 1)
        far = f"{share} %"
        if self._unit == "bytes":
            far += f", {self._done // MIB} of {self._total // MIB} MiB, {rate / 1e6:.1f} MB/s"
        say(f"{self._what}: {far}, {left:.0f} s left", problem=True)
