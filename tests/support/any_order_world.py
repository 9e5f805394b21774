"""What runs in any order: processes on faulty sides of a database and a store, their uploads, and what clients know."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fakes import Clock, unheard
from faulty import STALLED, Crash, Fate, FaultyDatabase, faulty
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.formats.safety import Policy
from stillage.images.access import Access
from stillage.images.creation import Defaults
from stillage.images.image import Visibility
from stillage.images.quota import Limits, Quotas
from stillage.operations.download import Download
from stillage.operations.images import Images
from stillage.operations.upkeep.sweep import Sweep
from stillage.operations.upload.acceptance import UploadRules
from stillage.operations.upload.ingest import Ingest
from stillage.stores.files.blobs import FileStore
from stillage.stores.memory import MemoryStore
from stillage.stores.s3.blobs import S3Store
from stores import only

T = TypeVar("T")
AnyStore = MemoryStore | FileStore | S3Store
LEASE_S = 3600.0  # of the clock in `fakes`; nothing here takes long enough to renew one
RULES = UploadRules(
    max_image_bytes=4 << 20,
    hash_algorithm="sha512",
    may_be_empty=frozenset({"raw"}),
    recordable_formats=frozenset(),
    format_property=None,
    lease_s=LEASE_S,
    policy=Policy(max_virtual_size=1 << 40),
    quotas=Quotas(project=Limits(bytes=300 << 20, images=8, uploads=5)),
    spare_bytes=0,
)


def owner_of(number: int) -> LeaseOwner:
    return LeaseOwner.parse(f"node-{number % 2}/{number}")


class Process:
    """The operations of one server process, on its faulty sides of database and store."""

    def __init__(self, database: Database, store: AnyStore, clock: Clock, owner: LeaseOwner) -> None:
        self.owner = owner
        self.fate = Fate()
        mine, shelf = FaultyDatabase(database, self.fate), only(faulty(store, self.fate))
        access = Access({})
        self.images = Images(
            mine,
            shelf,
            access=access,
            defaults=Defaults(Visibility.SHARED),
            limits=RULES.quotas.project,
            deleted_download_s=0,
            clock=clock,
            report=unheard,
        )
        self.ingest = Ingest(mine, shelf, access=access, rules=RULES, owner=owner, clock=clock)
        self.download = Download(mine, shelf, access=access, deleted_s=60)
        self.sweep = Sweep(mine, shelf, clock=clock)


class Body:
    """What a client sends, when the test says so."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self._queue: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()
        self.waits = asyncio.Event()

    def put(self, piece: bytes | BaseException | None) -> None:
        """A piece; None is the end, an exception what reading then raises."""
        if isinstance(piece, bytes):
            self.sent += piece
        self.waits.clear()
        self._queue.put_nowait(piece)

    async def pieces(self) -> AsyncIterator[bytes]:
        while True:
            if self._queue.empty():
                self.waits.set()
            piece = await self._queue.get()
            if isinstance(piece, BaseException):
                raise piece
            if piece is None:
                return
            yield piece


@dataclass
class Upload:
    image_id: str
    process: Process
    body: Body
    task: "asyncio.Task[Any]"
    stalled: asyncio.Event
    has_begun: bool = False


@dataclass
class Known:
    """What clients know of an image.

    Attributes:
        data: What was acknowledged, or seen to be active: it never changes.
        possible: What may be active although nobody was told.
        failed: An upload that had begun has ended without success.
        properties: What patches may have set.
        deleted: True if acknowledged, None if it may be.
    """

    data: bytes | None = None
    possible: list[bytes] = field(default_factory=list)
    failed: bool = False
    properties: dict[str, set[str]] = field(default_factory=dict)
    deleted: bool | None = False


def begun(work: Coroutine[Any, Any, T]) -> tuple["asyncio.Task[T]", asyncio.Event]:
    """Begin *work*. The event is set while it stalls."""
    stalled = asyncio.Event()
    context = copy_context()
    context.run(STALLED.set, stalled)
    return asyncio.get_running_loop().create_task(work, context=context), stalled


async def begun_there(work: Coroutine[Any, Any, T]) -> tuple["asyncio.Task[T]", asyncio.Event]:
    return begun(work)


async def first_of(task: "asyncio.Future[Any]", *events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait({task, *waiting}, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()


async def ended(tasks: list["asyncio.Future[Any]"]) -> None:
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception, Crash):
            await task
