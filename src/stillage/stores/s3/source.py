"""Read the bytes of an unfinished image from the objects that its pieces were stored in; zeros where there are none."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from stillage.errors import BlobNotFound
from stillage.ids import BlobKey
from stillage.spans import Span
from stillage.stores.abilities import Recall
from stillage.stores.s3.pieces import object_of, pieces_of, within_object
from stillage.stores.s3.transfers import Transfers

BLOCK = 1 << 20
WINDOW = 64 << 20
"""How far pieces are looked up at once."""
NOTHING = bytes(BLOCK)


class PieceSource:
    """*recall* tells which objects have the bytes that count; nothing else is ever read."""

    def __init__(self, transfers: Transfers, key: BlobKey, recall: Recall) -> None:
        self._transfers = transfers
        self._key = key
        self._recall = recall

    async def stream(self, span: Span, block: int = BLOCK) -> AsyncGenerator[bytes]:
        """Yield the bytes of *span*, at most *block* at once.

        Raises:
            BlobNotFound: If an object that has some of them is gone.
        """
        for first in range(span.first, span.end, WINDOW):
            window = Span(first, min(first + WINDOW, span.end))
            for piece, name in pieces_of(window, await self._recall(window)):
                if name is None:
                    for at in range(piece.first, piece.end, block):
                        yield NOTHING[: min(block, piece.end - at)]
                    continue
                reading = self._transfers.reading(
                    object_of(self._key, name), within_object(piece, name), BlobNotFound(self._key)
                )
                async with aclosing(self._transfers.stream(reading, block)) as blocks:
                    async for data in blocks:
                        yield bytes(data)  # copies none that is as large as wanted

    async def data_from(self, span: Span) -> int:
        """Return the first offset in *span* that an object has; its end if none has."""
        for first in range(span.first, span.end, WINDOW):
            window = Span(first, min(first + WINDOW, span.end))
            for piece, name in pieces_of(window, await self._recall(window)):
                if name is not None:
                    return piece.first
        return span.end
