"""The interface of a store, which keeps blobs under keys. Open, write, commit; without commit a blob is discarded."""

from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from stillage.ids import BlobKey
from stillage.spans import Span

SHARDS = 256


class BlobWriter(Protocol):
    """A blob being written. It is not readable before `commit`."""

    async def write(self, block: bytes) -> None:
        """Append *block*. Returns when it is queued or written; a failure may be raised by a later call.

        Raises:
            StorageFull, StoreReadOnly, StoreFailed: As they say.
        """

    async def flush(self) -> None:
        """Return when everything written so far can be read back with `read_at`."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return bytes written before the last `flush`, fewer at the end. Blocks; call it from a thread."""

    async def commit(self) -> None:
        """Make the bytes durable and readable under the key. A power cut before it returns may lose them."""


class BlobReader(Protocol):
    """An open, published blob. It stays readable while it is open, even if it is deleted."""

    @property
    def size(self) -> int:
        """Size in bytes; less than was stored if the blob was truncated."""

    @property
    def file_descriptor(self) -> int | None:
        """A descriptor for the kernel to send from; None if the blob is not a local file."""

    def read(self, offset: int, length: int) -> Awaitable[bytes | bytearray]:
        """Start to read. Await the result: *length* bytes from *offset*, fewer only at the end of the blob."""


class PartialBlob(Protocol):
    """A blob that comes in pieces, in any order, through any number of handles in any process of the node.

    It outlives processes. Until it is published it cannot be read as a blob.
    """

    async def hold(self, span: Span) -> bool:
        """Keep *span* from every other handle until this one ends. False if another one holds some of it."""

    async def clear(self, span: Span) -> None:
        """Make *span*, which is held, read as zeros: what was written there never counted."""

    async def write(self, offset: int, block: bytes) -> None:
        """Write *block* at *offset*, in a span that is held and cleared. A failure may be raised by a later call.

        Raises:
            StorageFull, StoreReadOnly, StoreFailed: As they say.
        """

    async def flush(self) -> None:
        """Return when everything written so far is durable, and can be read."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return *length* bytes, zeros where nothing was written. Blocks; call it from a thread."""

    async def read(self, offset: int, length: int) -> bytes:
        """As `read_at`, without blocking."""

    async def data_from(self, span: Span) -> int:
        """Return the first offset in *span* that may not be zeros; its end if there is none. Reads nothing."""

    async def publish(self, size: int) -> bool:
        """Make the first *size* bytes the blob, durably. False while another handle holds any span.

        Does nothing if a process that died had already done it.
        """


class Store(Protocol):
    async def begin(self, key: BlobKey) -> None:
        """Create an empty partial blob, durably, unless there is one."""

    def partial(self, key: BlobKey) -> AbstractAsyncContextManager[PartialBlob]:
        """Open a partial blob.

        Raises:
            BlobNotFound: If there is none.
        """

    async def copy(self, key: BlobKey, new_key: BlobKey) -> None:
        """Publish the bytes of a published blob under another key as well; do nothing if that was done before.

        They may share their place on disk. An existing partial blob stays: until the copy counts, its bytes do. Where
        there is none, `partial` opens the copy, which nobody may write to.

        Raises:
            BlobNotFound: If none is published under *key*.
        """

    async def drop_partial(self, key: BlobKey) -> None:
        """Remove the partial blob, if there is one, of a blob that was published another way."""

    def writer(self, key: BlobKey) -> AbstractAsyncContextManager[BlobWriter]:
        """Begin a blob. Leaving without `commit` removes every trace of it, even after cancellation."""

    def reader(self, key: BlobKey) -> AbstractAsyncContextManager[BlobReader]:
        """Open a published blob.

        Raises:
            BlobNotFound: If none is published under *key*.
        """

    async def delete(self, key: BlobKey) -> None:
        """Remove the blob and whatever a crash left of it, durably. Does nothing if there is nothing."""

    async def free_bytes(self) -> int | None:
        """Return the free space in bytes; None if it is unknown."""

    async def find_old(self, shard: int, older_than_s: float) -> dict[BlobKey, bool]:
        """Return keys of blobs and partial blobs not touched for *older_than_s*; true where there is a partial blob.

        Args:
            shard: 0 … `SHARDS` - 1; together they are all blobs, each a part that can be looked through at once.
            older_than_s: Younger ones may belong to an upload that runs.
        """

    async def check(self) -> None:
        """Raise Unavailable unless blobs can be written and read now."""
