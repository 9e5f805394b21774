"""Do work on an open disk in threads, a few pieces ahead, and take the results in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from concurrent.futures import Future
from typing import TypeVar

from stillage.operations.disks.opening import OpenDisk

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 4
"""Pieces of one answer, of 1 or 2 MiB, that are read or compressed at once or wait to be taken."""


async def in_order(disk: OpenDisk, do: Callable[[T], R], items: Iterable[T]) -> AsyncGenerator[R]:
    """Yield what *do* returns for each of *items*, in their order. Close it (`contextlib.aclosing`).

    Raises:
        NotConvertible: If the disk cannot be read there.
    """
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            running.append(disk.file.start(disk.work, do, item))
            if len(running) >= (1 if disk.in_order else AHEAD):
                yield await asyncio.wrap_future(running.popleft())
        while running:
            yield await asyncio.wrap_future(running.popleft())
    finally:
        for waiting in running:
            waiting.cancel()
