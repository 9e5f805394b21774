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
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from stillage.client.progress import Unit


class _Amount(DownloadColumn):
    """Bytes, or a percentage where only that is known."""

    def render(self, task: Task) -> Text:
        return super().render(task) if task.fields["unit"] == "bytes" else Text(f"{task.percentage:.0f} %")


class _Rate(TransferSpeedColumn):
    """Bytes per second; nothing where they are not known."""

    def render(self, task: Task) -> Text:
        return super().render(task) if task.fields["unit"] == "bytes" else Text()


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
            _Amount(binary_units=True),
            _Rate(),
            TimeRemainingColumn(),
        )
        console = Console(stderr=True, highlight=False)
        with Progress(*columns, console=console, transient=True) as progress:
            yield cls(progress)

    def say(self, sentence: str) -> None:
        self._progress.console.print(escape(sentence), soft_wrap=True)

    def begin(self, what: str, total: int, done: int = 0, *, unit: Unit = "bytes") -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(escape(what), total=total, completed=done, unit=unit)

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, count)
