"""Computes digests of a file in threads during the transfer: hashlib and the kernel release the interpreter."""

import asyncio
import hashlib
import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from threading import Condition, Event
from typing import Self

from stillage.client.local import BLOCK, HOLE, hole_at


class Frontier:
    """How far a file can be read so far. It grows while bytes arrive."""

    def __init__(self, at: int = 0) -> None:
        self._at = at
        self._given_up = False
        self._changed = Condition()

    def advance(self, to: int) -> None:
        with self._changed:
            self._at = max(self._at, to)
            self._changed.notify_all()

    def give_up(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._given_up = True
            self._changed.notify_all()

    def beyond(self, at: int) -> int | None:
        """Wait for bytes after *at* and return how far they go; None if there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._given_up or self._at > at)
            return None if self._given_up else self._at


class Digests:
    """One thread per algorithm. Each reads the file by itself, from the page cache.

    Use it as an asynchronous context manager; leaving ends the threads.
    """

    def __init__(self, descriptor: int, size: int, names: Iterable[str], frontier: Frontier | None = None) -> None:
        self._descriptor = descriptor
        self._size = size
        self._names = tuple(names)
        self._frontier = frontier or Frontier(size)
        self._stopped = Event()
        self._running: dict[str, asyncio.Task[str | None]] = {}

    async def __aenter__(self) -> Self:
        for name in self._names:
            self._running[name] = asyncio.create_task(asyncio.to_thread(self._run, name))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped.set()
        self._frontier.give_up()
        for task in self._running.values():
            with suppress(OSError):
                await task

    @property
    def done(self) -> dict[str, str]:
        """The digests that are finished."""
        tasks = {name: task for name, task in self._running.items() if task.done() and not task.exception()}
        return {name: digest for name, task in tasks.items() if (digest := task.result()) is not None}

    async def all(self) -> dict[str, str]:
        """Wait for all of them.

        Raises:
            OSError: If the file cannot be read to its end.
        """
        for task in self._running.values():
            await asyncio.shield(task)
        return self.done

    def _run(self, name: str) -> str | None:
        digest = hashlib.new(name, usedforsecurity=False)
        at = 0
        while at < self._size:
            limit = self._frontier.beyond(at)
            if limit is None or self._stopped.is_set():
                return None
            while at < limit and not self._stopped.is_set():
                hole = hole_at(self._descriptor, at, limit)
                length = min(BLOCK, limit - at)
                block = HOLE[: min(len(HOLE), hole)] if hole else os.pread(self._descriptor, length, at)
                if not block:
                    raise OSError(0, "the file was truncated")
                digest.update(block)
                at += len(block)
        return digest.hexdigest()


def known_here(names: Collection[str]) -> list[str]:
    """Return those of *names* that this Python can compute."""
    return [name for name in names if name in hashlib.algorithms_available]
