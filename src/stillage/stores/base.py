"""What a store is: bytes at rest under a key. Open, write, commit; discarding is what happens by default."""

from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from stillage.ids import BlobKey
from stillage.spans import Span

SHARDS = 256


class BlobWriter(Protocol):
    """One blob on its way in. Nobody can read it before `commit`."""

    async def write(self, block: bytes) -> None:
        """Append *block*. Returns when it is queued or written; a failure may show at a later call.

        Raises:
            StorageFull, StoreReadOnly, StoreFailed: As they say.
        """

    async def flush(self) -> None:
        """Return when everything written so far can be read back with `read_at`."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return bytes written before the last `flush`, short at the end. Blocks; call it from a thread."""

    async def commit(self) -> None:
        """Make the bytes durable and readable under the key. Until it returns a power cut may lose them."""


class BlobReader(Protocol):
    """One published blob, open. It stays readable while it is open, also when it is deleted meanwhile."""

    @property
    def size(self) -> int:
        """How many bytes are there, which are fewer than were stored when something has cut the blob short."""

    @property
    def file_descriptor(self) -> int | None:
        """A descriptor for the kernel to send from; None where the bytes are no local file."""

    def read(self, offset: int, length: int) -> Awaitable[bytes | bytearray]:
        """Begin to read; what is awaited are up to *length* bytes from *offset*, fewer only at the end of the blob."""


class PartialBlob(Protocol):
    """A blob that comes in pieces, in any order, through any number of handles in any process of the node.

    It outlives processes; it is no blob, and nobody can read it as one, until it is published.
    """

    async def hold(self, span: Span) -> bool:
        """Keep *span* from every other handle until this one ends. False if another one holds some of it."""

    async def clear(self, span: Span) -> None:
        """Make *span*, which is held, read as zeros: what was written there was never counted."""

    async def write(self, offset: int, block: bytes) -> None:
        """Put *block* at *offset*, into a span that is held and clear. A failure may show at a later call.

        Raises:
            StorageFull, StoreReadOnly, StoreFailed: As they say.
        """

    async def flush(self) -> None:
        """Return when everything written so far is durable, and can be read."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return *length* bytes, zeros where nothing was written. Blocks; call it from a thread."""

    async def read(self, offset: int, length: int) -> bytes:
        """The same, without blocking."""

    async def data_from(self, span: Span) -> int:
        """Return where in *span* there may be something else than zeros: its end if nowhere. Costs no reading."""

    async def publish(self, size: int) -> bool:
        """Make the first *size* bytes the blob, durably. False while another handle holds any span.

        Nothing happens if that was done before, by a process that died of it.
        """


class Store(Protocol):
    async def begin(self, key: BlobKey) -> None:
        """Make an empty partial blob, durably, unless there is one."""

    def partial(self, key: BlobKey) -> AbstractAsyncContextManager[PartialBlob]:
        """Open a partial blob.

        Raises:
            BlobNotFound: If there is none.
        """

    async def copy(self, key: BlobKey, new_key: BlobKey) -> None:
        """Publish the bytes of a published blob under another key as well; nothing happens if that was done before.

        They may share their place on disk. An existing partial blob stays: until the copy counts, its bytes do. Where
        there is none, `partial` opens the copy, which nobody may write to.

        Raises:
            BlobNotFound: If none is published under *key*.
        """

    async def drop_partial(self, key: BlobKey) -> None:
        """Remove the partial blob, if there is one, of a blob that was published another way."""

    def writer(self, key: BlobKey) -> AbstractAsyncContextManager[BlobWriter]:
        """Begin a blob. Leaving without `commit` removes every trace of it, also after cancellation."""

    def reader(self, key: BlobKey) -> AbstractAsyncContextManager[BlobReader]:
        """Open a published blob.

        Raises:
            BlobNotFound: If none is published under *key*.
        """

    async def delete(self, key: BlobKey) -> None:
        """Remove the blob and whatever a crash left of it, durably. Does nothing when there is nothing."""

    async def free_bytes(self) -> int | None:
        """Return how many more bytes there is room for; None where nobody can say."""

    async def find_old(self, shard: int, older_than_s: float) -> dict[BlobKey, bool]:
        """Return keys of blobs, whole or not, last touched *older_than_s* ago; true where there is a partial blob.

        Args:
            shard: 0 … `SHARDS` - 1; together they are all blobs, each a part that can be looked through at once.
            older_than_s: Younger ones may belong to an upload that runs.
        """

    async def check(self) -> None:
        """Raise Unavailable unless blobs can be written and read now."""
