"""Finds what the server has of a file already, by the SHA-256 of its pieces, and has it taken from there.

Source: docs/resumable.md, "Pieces that the server already has".
"""

import asyncio
from collections.abc import Iterable, Iterator

from stillage.client.images import Images
from stillage.client.progress import Progress
from stillage.client.source import Source
from stillage.formats.piece_digests import GROUP, PIECE, PieceList
from stillage.spans import Span, gaps, merged

FIRST_LIST = 16
"""Pieces of the first list: enough to see whether the server has a similar image, and hashed in no time."""
NEXT_LISTS = 64
"""Pieces of the others: the server copies 256 MiB before it answers."""
MOST_IMAGES = 3
"""How many images the pieces of one list may come from."""


def lists_of(size: int, needless: Iterable[Span]) -> Iterator[range]:
    """Yield the numbers of the pieces to ask for, in lists, without what is *needless* as far as that is easy.

    They begin with whole groups, whose samples are those of the same group of another image.
    """
    at, most = 0, FIRST_LIST
    for needed in gaps(merged(needless), Span(0, size)):
        at = max(at, needed.first // PIECE // GROUP * GROUP)
        while at * PIECE < needed.end:
            end = min(at + most, -(-size // PIECE))
            yield range(at, end)
            at, most = end, NEXT_LISTS


class Having:
    """Asks for the pieces of one upload."""

    def __init__(self, images: Images, source: Source, url: str, progress: Progress) -> None:
        self._images = images
        self._source = source
        self._url = url
        self._progress = progress

    async def run(self, received: Iterable[Span], zeros: Iterable[Span]) -> bool:
        """Have the server take what it has of the file; return whether it had any.

        If it has nothing of the first list, it is asked for no other.

        Raises:
            UnusableFile: If the file cannot be read.
            NetworkGaveUp: If the server cannot be reached for too long.
        """
        self._progress.begin("comparing with the server's images", self._source.size)
        has_taken = False
        for numbers in lists_of(self._source.size, [*received, *zeros]):
            pieces = await asyncio.to_thread(self._list_of, numbers)
            has_some = await self._take(pieces)
            has_taken = has_taken or bool(has_some)
            if has_some is None or not has_taken:
                break
            self._progress.advance(pieces.span.length)
        return has_taken

    async def _take(self, pieces: PieceList) -> bool | None:
        """Have the server take those of *pieces* that it has; False if it has none, None if asking is no use."""
        for known in range(MOST_IMAGES):
            found = await self._images.find_missing(self._url, pieces)
            if found is None:
                return None
            if found.proof is None:
                return known > 0
            digests = await asyncio.to_thread(self._digests_of, found.proof.spans, found.proof.nonce)
            if not await self._images.take(self._url, pieces, found.proof, digests):
                return None
            if not found.missing:
                break
        return True

    def _list_of(self, numbers: range) -> PieceList:
        size = self._source.size
        spans = [Span(number * PIECE, min((number + 1) * PIECE, size)) for number in numbers]
        return PieceList(numbers.start, b"".join(bytes.fromhex(self._source.digest(s, b"")) for s in spans), size)

    def _digests_of(self, spans: Iterable[Span], nonce: str) -> list[str]:
        return [self._source.digest(span, nonce.encode()) for span in spans]
