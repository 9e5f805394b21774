"""A bucket: named objects that others put there. An image is made of one, or exported to a new one."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Found:
    """An object, as it was when it was looked at.

    Attributes:
        version: Changes when the object is replaced.
    """

    size: int
    version: str


class Bucket(Protocol):
    """One bucket. Keys are those of `images.object_name`: relative, without ``..``."""

    async def head(self, key: str) -> Found:
        """Return what is known of an object.

        Raises:
            BucketNotFound, ObjectNotFound: If there is none.
            BucketFailed: If the bucket does not answer.
        """

    def read(self, key: str, found: Found) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open an object that `head` has found, and yield its bytes in order.

        Raises:
            ObjectChanged: If it is not that one, or changes meanwhile. Also while its bytes are yielded.
            BucketNotFound, ObjectNotFound, BucketFailed: As `head`.
        """

    def create(self, key: str) -> AbstractAsyncContextManager["ObjectWriter"]:
        """Begin a new object. Unless it is committed, leaving the context leaves nothing.

        Raises:
            BucketNotFound, BucketFailed: If nothing can be written there.
        """


class ObjectWriter(Protocol):
    """Writes one object, in order."""

    async def write(self, block: bytes | bytearray) -> None:
        """Write the next bytes; BucketFailed if that is not possible."""

    async def commit(self) -> None:
        """Make the object visible, whole and durable.

        Raises:
            ObjectExists: If there is one of this name; it is left as it is.
            BucketFailed: If it cannot be made durable.
        """
