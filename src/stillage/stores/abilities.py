"""What only some stores can do: partial blobs, a list of old blobs, free room, a descriptor to send from.

An operation tests for the ability that it needs, with ``isinstance(store, Lists)``. Each ability describes what happens
without it. An operation that cannot do without one requires it in the type of its store.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from stillage.ids import BlobKey
from stillage.images.upload import Kept
from stillage.spans import Span
from stillage.stores.base import BlobReader, Store

SHARDS = 256


@dataclass(frozen=True, slots=True)
class OldBlobs:
    """Keys of blobs not touched for a while. A key may be in both sets."""

    whole: AbstractSet[BlobKey]
    partial: AbstractSet[BlobKey]


@runtime_checkable
class Lists(Protocol):
    """Can say which blobs are there. Without it a file that no row names stays for ever."""

    async def find_old(self, shard: int, older_than_s: float) -> OldBlobs:
        """Return the blobs of one shard that were last touched *older_than_s* ago.

        Args:
            shard: 0 … `SHARDS` - 1, the number that a key's first two hexadecimal digits are; each shard can be looked
                through at once, and together they are all blobs.
            older_than_s: Younger ones may belong to an upload that runs.
        """


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a store says that it has of a blob.

    Attributes:
        size: In bytes.
        version: Another text for other bytes, and maybe for the same bytes once they were stored again.
    """

    size: int
    version: str


@runtime_checkable
class Looks(Protocol):
    """Can say what it has of a blob without reading it. Without it only a scrub finds out that a blob is gone."""

    async def look(self, key: BlobKey) -> Glimpse:
        """Return what there is.

        Raises:
            BlobNotFound: If there is nothing.
            Unavailable: If it cannot be said now.
        """


@runtime_checkable
class Measures(Protocol):
    """Can say how much room is left. Without it an upload for which there is no room ends when a write fails."""

    async def free_bytes(self) -> int:
        """Return how many more bytes there is room for."""


@runtime_checkable
class Allocates(Protocol):
    """Can say how much of a disk a blob takes. Without it the size of an image is all that is known."""

    async def allocated_bytes(self, key: BlobKey) -> int:
        """Return how many bytes of the disk a published blob takes; holes take none.

        Raises:
            BlobNotFound: If it is not there.
            StoreFailed, Unavailable: If it cannot be said now.
        """


@runtime_checkable
class TakesFiles(Protocol):
    """Can make a file a blob without copying it. Without it nothing can be taken over from another service."""

    async def take(self, key: BlobKey, file: int) -> None:
        """Make the bytes of *file*, an open descriptor, the blob *key*, durably. The file keeps its name.

        Raises:
            CannotTakeFile: If they would have to be copied.
            StorageFull, StoreReadOnly, StoreFailed: As they say.
        """


@runtime_checkable
class Rations(Protocol):
    """Can say how much is left of what its operator lets it have. Without it a store may have all that it can.

    This is less than a disk has, and nobody else takes of it: an upload may use the last byte.
    """

    async def left_bytes(self) -> int:
        """Return how many more bytes it may have, fewer than none if it has too many."""


@dataclass(frozen=True, slots=True)
class FlushInterval:
    """How often what was written to a partial blob is made durable: as rarely as the loss of the rest allows.

    Attributes:
        every_s: While bytes come in slowly.
        most: So many bytes at the latest, however fast they come.
        ahead: So many bytes may be received before they are verified, where that takes longer than receiving, so that
            no client waits long for it after its last byte. More than `most`.
    """

    every_s: float
    most: int
    ahead: int


DISK_FLUSH_INTERVAL = FlushInterval(every_s=0.5, most=32 << 20, ahead=64 << 20)

Recall = Callable[[Span], Awaitable[Sequence[Kept]]]
"""Returns what was kept of a span and counts, in order, without overlaps."""


async def recall_nothing(_span: Span) -> Sequence[Kept]:
    """Stand in for the memory of a store that needs none."""
    return ()


@runtime_checkable
class ActsLate(Protocol):
    """May do what it was asked for although whoever asked it is dead. Without it what was removed stays away.

    What nobody needs in such a store is removed, and removed once more.
    """

    def late_by_s(self) -> float:
        """Return after how many seconds it does no more."""


@runtime_checkable
class Locates(Protocol):
    """Can say where a blob is. Without it its copies have no location, and services read them through the API."""

    def location(self, key: BlobKey) -> str:
        """Return the URL of a blob, without secrets, for who can read the storage of this store."""


@dataclass(frozen=True, slots=True)
class Cached:
    """What a cache has of a blob.

    Attributes:
        size: Bytes that are here, of all that it has.
        hits: How often this process has read a part of it.
        filled_at, read_at: When the first part came, and when one was read last; in seconds since 1970.
    """

    key: BlobKey
    size: int
    hits: int
    filled_at: float
    read_at: float


@runtime_checkable
class Caches(Protocol):
    """Can keep what was read on this machine. Without it each download reads the storage itself."""

    @property
    def has_cache(self) -> bool: ...

    def uncached(self, key: BlobKey) -> AbstractAsyncContextManager[BlobReader]:
        """Open a published blob as `reader` does, to read the blob itself: a scrub wants to know if it is damaged."""

    async def cached(self) -> Sequence[Cached]:
        """Return what the cache of this machine has."""

    async def forget_cached(self, key: BlobKey) -> None:
        """Free what the cache has of a blob; parts that are being read as soon as they are not."""


@runtime_checkable
class KeepsOpen(Protocol):
    """Can keep what is deleted readable for those who have it open. Without it deletions wait `deleted_download_s`."""

    def keeps_open(self) -> bool:
        """True if a blob stays readable while it is open, in any process of any node, when another deletes it."""


class PartialBlob(Protocol):
    """A blob that comes in pieces, in any order, through any number of handles in any process.

    It outlives processes. Until it is published it cannot be read as a blob. Of the bytes that several handles write in
    one place only those that count are ever read, by every handle.
    """

    @property
    def flush_interval(self) -> FlushInterval: ...

    async def hold(self, span: Span) -> bool:
        """Keep *span* from every other handle until this one ends. False if another one may still write there.

        True at once in a store where no handle can overwrite what another one has written.
        """

    async def clear(self, span: Span) -> None:
        """Make *span*, which is held, read as zeros: what was written there never counted."""

    async def write(self, offset: int, block: bytes) -> None:
        """Write *block* at *offset*, in a span that is held and cleared. A failure may be raised by a later call.

        Raises:
            StorageFull, StoreReadOnly, StoreFailed: As they say.
        """

    async def write_zeros(self, span: Span) -> None:
        """Keep *span*, which is held and cleared, as zeros."""

    async def flush(self) -> Sequence[Kept]:
        """Make everything written so far durable.

        Return what must be remembered in the transaction that counts it, or else it is lost; not what earlier flushes
        have returned. Nothing in a store that finds bytes by their offsets. There they can be read from now on, in
        others when they count.
        """

    async def read_kept(self, part: Kept, span: Span) -> bytes:
        """Return the bytes of *span* that `flush` told of in *part*, although others may count there."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return *length* bytes, zeros where nothing was written. Blocks; call it from a thread."""

    async def read(self, offset: int, length: int) -> bytes:
        """As `read_at`, without blocking."""

    def stream(self, span: Span, block: int) -> AsyncGenerator[bytes]:
        """Yield the bytes of *span*, in order, at most *block* bytes at once. Close it (`contextlib.aclosing`)."""

    async def data_from(self, span: Span) -> int:
        """Return the first offset in *span* that may not be zeros; its end if there is none. Reads nothing."""

    async def publish(self, size: int) -> bool:
        """Make the first *size* bytes the blob, durably. False while another handle holds any span.

        Does nothing if a process that died had already done it.
        """


@runtime_checkable
class Partials(Protocol):
    """Can keep a blob that comes in pieces. Without it there are no resumable uploads."""

    async def begin(self, key: BlobKey) -> None:
        """Create an empty partial blob, durably, unless there is one."""

    def partial(
        self, key: BlobKey, recall: Recall = recall_nothing, size: int | None = None
    ) -> AbstractAsyncContextManager[PartialBlob]:
        """Open a partial blob; where it is published already, the blob that it became.

        Args:
            key: Of the blob.
            recall: Returns what `PartialBlob.flush` wanted remembered, as far as it counts.
            size: Of the whole, as far as it is known; the same for all handles, or None.

        Raises:
            BlobNotFound: If there is none.
        """

    async def drop_partial(self, key: BlobKey) -> None:
        """Remove the partial blob, if there is one, of a published blob: a disk that hung may begin it again."""


class ResumableStore(Store, Partials, Protocol):
    """A store for resumable uploads."""


@runtime_checkable
class Redirects(Protocol):
    """Can let clients download from where the bytes are. Without it they pass through this process."""

    async def locate(self, key: BlobKey, seconds: int) -> str | None:
        """Return a URL with which anybody can read the blob for *seconds* or a little longer, also ranges of it.

        None if the operator does not want that.
        """


@runtime_checkable
class LocalFile(Protocol):
    """A `BlobReader` that threads can read in. Without it they ask the event loop to."""

    @property
    def file_descriptor(self) -> int:
        """Open as long as the reader is."""


class Source(Protocol):
    """Bytes of a blob on their way into a socket, in order. One thread at a time sends; none when it is closed."""

    @property
    def left(self) -> int:
        """How many bytes were not sent yet."""

    @property
    def threads(self) -> Executor:
        """Where to send."""

    def send(self, connection: int) -> None:
        """Send some bytes into a socket that does not block. Blocks until the store has them.

        Raises:
            BlockingIOError: If the socket takes nothing.
            OSError: If the connection has ended.
            StillageError: What reading a blob raises.
        """

    def close(self) -> None: ...


@runtime_checkable
class Sends(Protocol):
    """A `BlobReader` whose bytes threads can send. Without it they pass through the event loop, which costs more."""

    def sources(self, first: int, length: int) -> AsyncGenerator[Source]:
        """Yield what *length* bytes from *first* on are sent from, in order. Whoever receives a source closes it."""
