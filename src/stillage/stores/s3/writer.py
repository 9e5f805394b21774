"""Write an image into one object: as one request if it fits into a part, otherwise in parts, several at once.

Nothing is asked of the server before there is more than the first part, so that an image that is refused by its
beginning costs nothing.
"""

import asyncio
from contextlib import suppress

from stillage.errors import StillageError
from stillage.ids import BlobKey
from stillage.spans import Span
from stillage.stores.s3.buffers import Blocks
from stillage.stores.s3.client import MadePart
from stillage.stores.s3.multipart import Multipart
from stillage.stores.s3.parts import Parts
from stillage.stores.s3.transfers import CLEAN_UP_WITHIN_S, Slices, Transfers, read_whole


class Part:
    """Bytes of a part that is being filled. Its memory is taken."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.size = 0
        self.blocks: list[bytes] = []

    @property
    def room(self) -> int:
        return self.span.length - self.size

    def add(self, block: bytes) -> None:
        self.blocks.append(block)
        self.size += len(block)


class S3Writer:
    def __init__(self, transfers: Transfers, key: BlobKey, parts: Parts, at_once: int) -> None:
        self._transfers = transfers
        self._key = key
        self._parts = parts
        self._multipart = Multipart(transfers, key, at_once)
        self._index = 0
        self._part: Part | None = None
        self._size = 0
        self._finishing: asyncio.Task[None] | None = None
        self._is_committed = False
        self._slices = Slices(self._fetch, 0)

    async def write(self, block: bytes) -> None:
        while block:
            part = await self._part_with_room()
            taken = block if len(block) <= part.room else block[: part.room]
            part.add(taken)
            self._size += len(taken)
            block = block[len(taken) :]

    async def finish(self) -> None:
        if self._finishing is None:
            self._finishing = asyncio.get_running_loop().create_task(self._finish())
        await asyncio.shield(self._finishing)

    def read_at(self, offset: int, length: int) -> bytes:
        return self._slices.read(offset, length)

    async def commit(self) -> None:
        await self.finish()
        self._is_committed = True

    async def end(self) -> None:
        """Remove every trace of a blob that was not committed."""
        if not self._is_committed and (self._multipart.has_begun or self._finishing is not None):
            clean_up = asyncio.get_running_loop().create_task(self._discard())
            await self._transfers.finish(clean_up, CLEAN_UP_WITHIN_S)
        else:
            self._give_back()

    async def _finish(self) -> None:
        client = self._transfers.client
        if self._multipart.has_begun:
            await self._send_part()
            await self._multipart.complete(self._size)
        else:
            blocks = [] if self._part is None else self._part.blocks
            await self._transfers.send(client.put, self._key, Blocks(blocks))
            self._give_back()
        self._slices = Slices(self._fetch, self._size)

    async def _discard(self) -> None:
        if self._finishing is not None:
            await asyncio.wait([self._finishing])
        self._give_back()
        await self._multipart.abort()
        with suppress(StillageError):  # the sweep does it then
            # Also if it was not completed as far as we know: the answer may have been lost.
            await self._transfers.call(self._transfers.client.delete, [self._key])

    async def _part_with_room(self) -> Part:
        if self._part is not None and not self._part.room:
            await self._send_part()
        if self._part is None:
            span = self._parts.span(self._index)
            await self._transfers.buffers.take(span.length)
            self._part = Part(span)
        return self._part

    async def _send_part(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        self._index += 1

        async def put(upload_id: str, number: int) -> MadePart:
            body = Blocks(part.blocks)
            return await self._transfers.send(self._transfers.client.put_part, self._key, upload_id, number, body)

        await self._multipart.start(self._index, put, lambda: self._transfers.buffers.give_back(part.span.length))

    def _give_back(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            self._transfers.buffers.give_back(part.span.length)

    def _fetch(self, span: Span) -> bytes:
        return read_whole(self._transfers.client, self._key, span)
