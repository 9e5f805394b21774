"""Stream the bytes of an upload in one pass: count, verify and write them as they arrive, with back-pressure.

The bytes are joined into blocks of 1 MiB before another thread gets them. The slowest stage holds back the socket, so
an upload needs a few MiB of memory whatever its size.
"""

from collections.abc import AsyncGenerator, AsyncIterator

from stillage.errors import ImageTooLarge, SizeMismatch
from stillage.images.upload import Expected
from stillage.operations.upload.verification import BLOCK, Verification, Verified
from stillage.stores.base import BlobWriter


async def blocks_of(body: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Join and split the pieces of *body* into blocks of exactly `BLOCK` bytes; the last may be shorter."""
    pieces: list[bytes] = []
    room = BLOCK
    async for piece in body:
        if not pieces and len(piece) == BLOCK:
            yield piece
            continue
        rest = piece
        while len(rest) >= room:
            pieces.append(rest[:room])
            yield b"".join(pieces)
            rest = rest[room:]
            pieces.clear()
            room = BLOCK
        if rest:
            pieces.append(rest)
            room -= len(rest)
    if pieces:
        yield b"".join(pieces)


async def receive(
    body: AsyncIterator[bytes], *, verification: Verification, writer: BlobWriter, expected: Expected, limit: int
) -> Verified:
    """Verify and write all of *body*; it is not yet committed.

    Raises:
        ContentRejected: As soon as the bytes break a rule.
        ImageTooLarge: At the first byte beyond *limit*.
        SizeMismatch, DigestMismatch: If size or digests differ from *expected*.
        StillageError: What *body* and the writer raise.
    """
    size = 0
    async for block in blocks_of(body):
        size += len(block)
        if size > limit:
            raise ImageTooLarge(limit)
        if expected.size is not None and size > expected.size:
            raise SizeMismatch(expected.size, size)
        await verification.feed(block)
        await writer.write(block)
    if expected.size not in (None, size):
        raise SizeMismatch(expected.size or 0, size)
    await writer.finish()
    verified = await verification.conclude(writer.read_at)
    verified.require(expected.digests)
    return verified
