"""Make the object of an image of the objects that its pieces were stored in, while they are verified.

The server copies what one object has of a part (UploadPartCopy). What several have, and holes, pass through here.
"""

from stillage.ids import BlobKey
from stillage.spans import Span
from stillage.stores.abilities import Recall
from stillage.stores.s3.buffers import Blocks
from stillage.stores.s3.client import MadePart
from stillage.stores.s3.multipart import MakePart, Multipart
from stillage.stores.s3.parts import Parts
from stillage.stores.s3.pieces import object_of, pieces_of, within_object
from stillage.stores.s3.source import PieceSource
from stillage.stores.s3.transfers import Transfers


class Assembly:
    """Bytes that count never change, so what was assembled once stays right, whoever verifies them again."""

    def __init__(self, transfers: Transfers, key: BlobKey, parts: Parts, at_once: int) -> None:
        self._transfers = transfers
        self._key = key
        self._parts = parts
        self._multipart = Multipart(transfers, key, at_once)
        self._index = 0

    @property
    def has_failed(self) -> bool:
        return self._multipart.has_failed

    async def reach(self, end: int, recall: Recall) -> None:
        """Begin the parts before *end*, all of whose bytes count."""
        while (span := self._parts.span(self._index)).end <= end:
            await self._begin(span, recall)

    async def finish(self, size: int, recall: Recall) -> None:
        """Make the object, of *size* bytes."""
        client = self._transfers.client
        if not self._multipart.has_begun and size <= self._parts.span(0).end:
            await self._transfers.buffers.take(size)
            try:
                body = await self._gathered(Span(0, size), recall)
                await self._transfers.send(client.put, self._key, body)
            finally:
                self._transfers.buffers.give_back(size)
            return
        while (span := self._parts.span(self._index)).first < size:
            await self._begin(Span(span.first, min(span.end, size)), recall)
        await self._multipart.complete(size)

    async def abort(self) -> None:
        await self._multipart.abort()

    async def _begin(self, span: Span, recall: Recall) -> None:
        pieces = list(pieces_of(span, await recall(span)))
        if len(pieces) == 1 and pieces[0][1] is not None:
            await self._multipart.start(self._index + 1, self._copy(span, pieces[0][1]))
        else:
            await self._transfers.buffers.take(span.length)
            give_back = self._transfers.buffers.give_back
            await self._multipart.start(self._index + 1, self._pass(span, recall), lambda: give_back(span.length))
        self._index += 1

    def _copy(self, span: Span, name: str) -> MakePart:
        client, source = self._transfers.client, object_of(self._key, name)

        async def copy(upload_id: str, number: int) -> MadePart:
            of_source = within_object(span, name)
            return await self._transfers.send(client.copy_part, self._key, upload_id, number, source, of_source)

        return copy

    def _pass(self, span: Span, recall: Recall) -> MakePart:
        client = self._transfers.client

        async def put(upload_id: str, number: int) -> MadePart:
            body = await self._gathered(span, recall)
            return await self._transfers.send(client.put_part, self._key, upload_id, number, body)

        return put

    async def _gathered(self, span: Span, recall: Recall) -> Blocks:
        return Blocks([block async for block in PieceSource(self._transfers, self._key, recall).stream(span)])
