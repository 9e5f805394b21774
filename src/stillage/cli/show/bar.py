"""A progress bar on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class Bar:
    """The progress of one command, as `client.progress.Progress`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    @classmethod
    @contextmanager
    def shown(cls) -> Iterator[Self]:
        """Show one on standard error, and remove it at the end."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        console = Console(stderr=True, highlight=False)
        with Progress(*columns, console=console, transient=True) as progress:
            yield cls(progress)

    def say(self, sentence: str) -> None:
        self._progress.console.print(escape(sentence), soft_wrap=True)

    def begin(self, what: str, total: int, done: int = 0) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(escape(what), total=total, completed=done)

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, count)
