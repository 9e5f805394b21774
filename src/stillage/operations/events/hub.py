"""Streams of events: one reader of changes for all streams of a process, and a short queue for each stream.

The database is read once a second, and only while there is a stream. What a position says is a moment of the
deployment's clock, so any process of any node goes on where another was. Rows are read again for as long as a
transaction may have taken that set their time: a change is told at least once, and may be told twice after a resume.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from stillage.accounts.principal import Principal
from stillage.db import events as db
from stillage.db.events import Known
from stillage.db.session import Database
from stillage.errors import StillageError, Unauthenticated
from stillage.images.access import Access
from stillage.images.event import RESET, Event, moment_of, position_of
from stillage.operations.events.telling import events_of
from stillage.operations.identity.places import Places

log = structlog.get_logger()

READ_EVERY_S = 0.8
LATE = timedelta(seconds=20)
"""So much later than its time says a change may be committed: no request takes longer."""
RESUMED = timedelta(minutes=10)
"""Who comes back after a longer time is told to read everything again."""
BEAT_EVERY = 18
"""After so many readings without news a stream is told its position, so that it and proxies know that it lives. The
credentials are looked at then as well: a stream outlives them by some 15 seconds at most, and is told nothing."""
MOST_STREAMS, OF_ONE_USER = 2048, 1024
REMEMBERED = 4096
"""Images whose last status is remembered, to tell when it changes."""
WAITING = 64
"""Batches that wait for a slow reader. With more the stream ends."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events, in order, and the position after them."""

    events: Sequence[Event]
    position: str


@dataclass(eq=False)
class Stream:
    """One reader.

    Attributes:
        principal: Whom it stands for; looked up again before anything is told.
        key: The same for all streams with the same credentials.
        look: Looks the principal up; Unauthenticated if the credentials have ended.
        cut: Ends a connection whose client does not read; set while something is sent.
        has_left: Whether the client has left, which nobody notices before something is sent.
    """

    principal: Principal
    key: str
    look: Callable[[], Awaitable[Principal]]
    cut: Callable[[], None] | None = None
    has_left: Callable[[], bool] = field(default=lambda: False)
    _waiting: deque[Batch] = field(default_factory=lambda: deque(maxlen=WAITING + 1))
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _has_ended: bool = False

    def put(self, events: Sequence[Event], position: str) -> None:
        shown = [event for event in events if event.is_shown_to(self.principal)]
        if (not shown and events) or self._has_ended:
            return
        if len(self._waiting) >= WAITING:
            self._waiting.clear()
            self._waiting.append(Batch((RESET,), position))
            self._has_ended = True
        else:
            self._waiting.append(Batch(shown, position))
        self._news.set()

    def end(self) -> None:
        """Tell nothing more, not even what waits."""
        self._waiting.clear()
        self._has_ended = True
        self._news.set()
        if self.cut is not None:
            self.cut()

    async def batches(self) -> AsyncIterator[Batch]:
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._has_ended:
                return
            self._news.clear()
            await self._news.wait()


class Events:
    """The streams of one process."""

    def __init__(self, database: Database, *, access: Access, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._access = access
        self._clock = clock
        self._places = Places("event streams", total=MOST_STREAMS, each=OF_ONE_USER)
        self._streams: set[Stream] = set()
        self._reading: asyncio.Task[None] | None = None
        self._is_closed = False
        self._known = Known()
        self._statuses: OrderedDict[str, str] = OrderedDict()
        self._position = clock()
        self._quiet = 0

    @asynccontextmanager
    async def stream(
        self, principal: Principal, key: str, look: Callable[[], Awaitable[Principal]], after: str | None
    ) -> AsyncIterator[Stream]:
        """Open a stream of what *principal* may see.

        Args:
            principal: Who reads.
            key: Names the credentials, for instance a digest of them.
            look: See `Stream`.
            after: The position after which it begins; None, or one that is not understood, for now.

        Raises:
            TooManyAtOnce, Unavailable: If there are too many streams.
        """
        with self._places.taken(principal.user_id):
            if self._reading is None:
                await self._begin()
            stream = Stream(principal, key, look)
            self._streams.add(stream)
            try:
                stream.put((), position_of(self._position))
                await self._resume(stream, after)
                yield stream
            finally:
                self._streams.discard(stream)
                if not self._streams and self._reading is not None:
                    self._reading.cancel()
                    self._reading = None

    def close(self) -> None:
        """End all streams at once. Their clients come back, to another process."""
        self._is_closed = True
        for stream in self._streams:
            stream.end()

    async def _begin(self) -> None:
        self._position = self._clock()
        _, self._known = await self._database.read(db.since, self._position - LATE, Known())
        if self._reading is None:  # unless another stream was faster
            self._reading = asyncio.get_running_loop().create_task(self._read_again_and_again())

    async def _resume(self, stream: Stream, after: str | None) -> None:
        moment = moment_of(after) if after is not None else None
        if self._is_closed:
            stream.end()
        if moment is None:
            return
        if not self._position - RESUMED <= moment <= self._clock():
            stream.put((RESET,), position_of(self._position))
            return
        position = self._position
        changes, _ = await self._database.read(db.since, moment - LATE, Known())
        stream.put(list(events_of(changes, self._access, {}, moment)), position_of(position))

    async def _read_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(READ_EVERY_S)
            try:
                await self._read()
            except StillageError as error:
                log.warning("changes cannot be read; trying again", why=str(error))
            except Exception:
                log.exception("changes cannot be read; trying again")

    async def _read(self) -> None:
        self._end_those_that_were_left()
        position, before = self._clock(), self._known
        changes, self._known = await self._database.read(db.since, self._position - LATE, before)
        statuses = {**self._statuses, **{each: str(stamp[-1]) for each, stamp in before.images.items()}}
        events = list(events_of(changes, self._access, statuses, self._position - LATE))
        self._remember({image.id: str(image.status) for image in changes.images})
        self._position = position
        self._quiet = 0 if events else self._quiet + 1
        if events or self._quiet % BEAT_EVERY == 0:
            await self._look_up_principals()
            for stream in self._streams:
                stream.put(events, position_of(position))

    def _remember(self, statuses: Mapping[str, str]) -> None:
        for image_id, status in statuses.items():
            self._statuses[image_id] = status
            self._statuses.move_to_end(image_id)
        while len(self._statuses) > REMEMBERED:
            self._statuses.popitem(last=False)

    def _end_those_that_were_left(self) -> None:
        for stream in self._streams:
            if stream.has_left():
                stream.end()

    async def _look_up_principals(self) -> None:
        """End streams whose credentials have ended. The same credentials count once.

        Before anything is told, and not with every reading: hundreds of users at rest would cost a part of a core.
        """
        by_key: dict[str, list[Stream]] = {}
        for stream in self._streams:
            by_key.setdefault(stream.key, []).append(stream)
        for streams in by_key.values():
            try:
                principal = await streams[0].look()
            except Unauthenticated:
                for stream in streams:
                    stream.end()
            else:
                for stream in streams:
                    stream.principal = principal
