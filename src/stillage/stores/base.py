"""What every store can do: write a blob, read it, delete it. What only some can do is in `stores.abilities`.

Open, write, commit; without commit a blob is discarded.
"""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from stillage.ids import BlobKey

Block = bytes | bytearray | memoryview
"""Bytes that do not change as long as they are referred to."""


class BlobWriter(Protocol):
    """A blob being written. It stays only if it is committed.

    From `finish` on a store may show it under its key: whoever reads a blob asks the database first if it is published.
    """

    async def write(self, block: bytes) -> None:
        """Append *block*. Returns when it is queued or written; a failure may be raised by a later call.

        Raises:
            StorageFull, StoreReadOnly, StoreFailed: As they say.
        """

    async def finish(self) -> None:
        """Return when everything written can be read back with `read_at`. Nothing can be written after that."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return bytes of a finished blob, fewer at the end. Blocks; call it from a thread."""

    async def commit(self) -> None:
        """Make the bytes durable and readable under the key. A power cut before it returns may lose them."""


class BlobReader(Protocol):
    """An open, published blob."""

    @property
    def size(self) -> int:
        """Size in bytes; less than was stored if the blob was truncated."""

    def read(self, offset: int, length: int) -> Awaitable[bytes | bytearray]:
        """Start to read. Await the result: *length* bytes from *offset*, fewer only at the end of the blob."""

    def stream(self, first: int, length: int, block: int) -> AsyncGenerator[Block]:
        """Yield *length* bytes from *first* in order, at most *block* at once; fewer in all only at the blob's end.

        This is how to read much: it costs the store one request, and is read ahead of its consumer. Close it
        (`contextlib.aclosing`).
        """


class Store(Protocol):
    def writer(self, key: BlobKey, size: int | None = None) -> AbstractAsyncContextManager[BlobWriter]:
        """Begin a blob. Leaving without `commit` removes every trace of it, even after cancellation.

        Args:
            key: Of this blob alone.
            size: How many bytes are expected; None if that is unknown. The blob may get a different number.
        """

    def reader(self, key: BlobKey) -> AbstractAsyncContextManager[BlobReader]:
        """Open a published blob.

        Raises:
            BlobNotFound: If none is published under *key*.
        """

    async def delete(self, key: BlobKey) -> None:
        """Remove the blob and whatever a crash left of it, durably. Does nothing if there is nothing."""

    async def check(self) -> None:
        """Raise Unavailable unless blobs can be written and read now."""

    def close(self) -> None:
        """Let go of threads and connections. No other method may be called after it."""
