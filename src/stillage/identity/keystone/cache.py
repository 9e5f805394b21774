"""A cache of answers that cost a request: kept for a while, and fetched once however many wait for them."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Answer(Generic[V]):
    """One answer. *value*: None says that there is no such thing."""

    value: V | None
    good_for_s: float


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V | None
    since: datetime
    until: datetime


class Lookups(Generic[V]):
    """A bounded memory of what was found, another of what was not, and the questions that are open now.

    The two are apart so that invalid tokens cannot evict the answers that others need.
    """

    def __init__(self, *, found: int, missing: int, clock: Callable[[], datetime]) -> None:
        """*found*, *missing*: how many answers of either kind are kept."""
        self._found: OrderedDict[str, _Entry[V]] = OrderedDict()
        self._missing: OrderedDict[str, _Entry[V]] = OrderedDict()
        self._sizes = (found, missing)
        self._open: dict[str, asyncio.Task[V | None]] = {}
        self._clock = clock

    async def get(self, key: str, ask: Callable[[], Awaitable[Answer[V]]]) -> V | None:
        """Return what is known of *key*, or the answer of *ask*. What *ask* raises is not remembered."""
        now = self._clock()
        for memory in (self._found, self._missing):
            entry = memory.get(key)
            # A clock that was set back must not lengthen anything.
            if entry is not None and entry.since <= now < entry.until:
                memory.move_to_end(key)
                return entry.value
        task = self._open.get(key)
        if task is None:
            task = self._open[key] = asyncio.create_task(self._asked(key, ask))
            task.add_done_callback(_noticed)
        # Shielded: whoever gives up waiting must not take the answer from the others.
        return await asyncio.shield(task)

    def close(self) -> None:
        """Give up the open questions."""
        for task in self._open.values():
            task.cancel()

    async def _asked(self, key: str, ask: Callable[[], Awaitable[Answer[V]]]) -> V | None:
        try:
            answer = await ask()
            self._remember(key, answer)
            return answer.value
        finally:
            del self._open[key]

    def _remember(self, key: str, answer: Answer[V]) -> None:
        now = self._clock()
        self._found.pop(key, None)
        self._missing.pop(key, None)
        memory, size = (self._missing, self._sizes[1]) if answer.value is None else (self._found, self._sizes[0])
        memory[key] = _Entry(answer.value, now, now + timedelta(seconds=answer.good_for_s))
        while len(memory) > size:
            memory.popitem(last=False)


def _noticed(task: "asyncio.Task[V]") -> None:
    # When all who waited have left, nobody else looks at the error.
    if not task.cancelled():
        task.exception()
