"""Does work in threads and hands out the results in order, a bounded number of them at once."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 4
"""Pieces of work for each thread that may be begun or done before their turn. More would only take memory."""


class Pool:
    """Threads for one conversion. Use it as a context manager: leaving ends the threads, and drops what waits.

    Args:
        threads: None takes one for each processor.
        nice: How much nicer than the process the threads are, where they share it with a server.
    """

    def __init__(self, threads: int | None = None, *, nice: int = 0) -> None:
        self._threads = threads or os.cpu_count() or 1
        self._nice = nice

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if "_executor" in self.__dict__:
            self._executor.shutdown(wait=True, cancel_futures=True)

    @cached_property
    def _executor(self) -> "ThreadPoolExecutor":
        """Made for the first piece of work: most disks are copied without any, and the import takes a while."""
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        return ThreadPoolExecutor(self._threads, "conversion", _give_way, (self._nice,))

    def in_order(self, do: Callable[[T], R], work: Iterable[T]) -> Iterator[R]:
        """Yield what *do* returns for each item of *work*, in that order. *work* is taken as results are.

        Raises:
            Exception: What *do* raised for an item, in its turn.
        """
        running: deque[Future[R]] = deque()
        try:
            for item in work:
                running.append(self._executor.submit(do, item))
                if len(running) >= AHEAD * self._threads:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


def _give_way(nice: int) -> None:
    if nice and sys.platform == "linux":  # elsewhere it would make the whole process nicer
        os.nice(nice)
