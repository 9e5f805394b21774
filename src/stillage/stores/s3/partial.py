"""Pieces of an image as objects: each holds bytes that lie side by side, and never changes.

A piece is collected in memory until it fills a part of the image. What must be durable earlier is stored as a small
object first, and once more with the rest of the part, so that the server can copy the part as a whole.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress

from stillage.errors import StillageError
from stillage.ids import BlobKey
from stillage.images.upload import Kept
from stillage.spans import Span, gaps, intersection
from stillage.stores.abilities import FlushInterval, Recall
from stillage.stores.s3.assembly import Assembly
from stillage.stores.s3.buffers import Blocks
from stillage.stores.s3.parts import Parts
from stillage.stores.s3.pieces import ZEROS, new_name, object_of
from stillage.stores.s3.source import PieceSource
from stillage.stores.s3.transfers import CLEAN_UP_WITHIN_S, Slices, Transfers

FLUSH_EVERY_S = 5.0
PARTS_AHEAD = 3
"""How many parts may be received before they are verified and copied, which costs the server more than storing them."""
EVERYTHING = 1 << 62


class _Filling:
    """A part of the image that bytes are collected for. Its memory is taken."""

    def __init__(self, part: Span, first: int, memory: int) -> None:
        self.part = part
        self.memory = memory
        self.first = self.end = self.flushed = first
        self.blocks: list[bytes] = []
        self.names: list[str] = []

    def add(self, block: bytes) -> None:
        self.blocks.append(block)
        self.end += len(block)

    def clear(self, span: Span) -> None:
        """Make zeros of what is here of *span*."""
        cut = intersection(span, Span(self.first, self.end))
        if cut.length:
            data = bytearray().join(self.blocks)
            data[cut.first - self.first : cut.end - self.first] = bytes(cut.length)
            self.blocks = [bytes(data)]

    def unflushed(self) -> Kept | None:
        """Return what is to be stored now; None if it is all there."""
        if self.end == self.flushed:
            return None
        is_whole = Span(self.first, self.end) == self.part
        first = self.first if is_whole else self.flushed
        return Kept(Span(first, self.end), new_name(first), frozenset(self.names if is_whole else ()))

    def bytes_of(self, span: Span) -> Blocks:
        skip, chosen = span.first - self.first, []
        for block in self.blocks:
            if skip < len(block):
                chosen.append(block[skip:] if skip else block)
            skip = max(0, skip - len(block))
        return Blocks(chosen)


class S3PartialBlob:
    def __init__(
        self,
        transfers: Transfers,
        key: BlobKey,
        parts: Parts,
        recall: Recall,
        assembly: Assembly,
        *,
        size: int | None,
        at_once: int,
    ) -> None:
        part = parts.span(0).length
        self.flush_interval = FlushInterval(FLUSH_EVERY_S, part, ahead=PARTS_AHEAD * part)
        self._transfers = transfers
        self._key = key
        self._parts = parts
        self._end = EVERYTHING if size is None else size
        self._at_once = at_once
        self._recall = recall
        self._source = PieceSource(transfers, key, recall)
        self._assembly = assembly
        self._loop = asyncio.get_running_loop()
        self._slices = Slices(self._fetch, EVERYTHING)
        self._filling: _Filling | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._kept: list[Kept] = []  # that nobody was told of

    async def hold(self, span: Span) -> bool:  # noqa: ARG002 - nobody can change what another one has stored
        return True

    async def clear(self, span: Span) -> None:
        """Drop what this handle has of *span*. Nothing of others: what does not count is never read."""
        filling = self._filling
        if filling is not None and span.first <= filling.first and filling.end <= span.end:
            self._end_filling()
        elif filling is not None:
            filling.clear(span)
        await self._settle()
        left = [Kept(gap, kept.name, kept.replaces) for kept in self._kept for gap in gaps([span], kept.span)]
        names = {kept.name for kept in self._kept} - {kept.name for kept in left}
        self._kept = left
        await self._drop(names)

    async def write(self, offset: int, block: bytes) -> None:
        while block:
            filling = await self._filling_at(offset)
            taken = block[: filling.part.end - offset]
            filling.add(taken)
            if filling.end == filling.part.end:
                await self._store(filling)
                self._filling = None
            block, offset = block[len(taken) :], offset + len(taken)

    async def write_zeros(self, span: Span) -> None:
        self._kept.append(Kept(span, ZEROS))

    async def flush(self) -> Sequence[Kept]:
        if self._filling is not None:
            await self._store(self._filling, keep=True)
        if running := set(self._sending):  # not those that begin meanwhile: bytes may come without a pause
            await asyncio.wait(running)
        self._require()
        kept, self._kept = self._kept, []
        return kept

    def read_at(self, offset: int, length: int) -> bytes:
        return self._slices.read(offset, length)

    async def read(self, offset: int, length: int) -> bytes:
        return b"".join([block async for block in self._source.stream(Span(offset, offset + length))])

    async def read_kept(self, part: Kept, span: Span) -> bytes:
        async def only(_: Span) -> Sequence[Kept]:
            return (Kept(span, part.name),)

        return b"".join([block async for block in PieceSource(self._transfers, self._key, only).stream(span)])

    async def stream(self, span: Span, block: int) -> AsyncGenerator[bytes]:
        """As every partial blob. What was read in order from the beginning is assembled meanwhile."""
        at = span.first
        async with aclosing(self._source.stream(span, block)) as blocks:
            async for data in blocks:
                yield data
                at += len(data)
                await self._assembly.reach(at, self._recall)

    async def data_from(self, span: Span) -> int:
        return await self._source.data_from(span)

    async def publish(self, size: int) -> bool:
        await self._assembly.finish(size, self._recall)
        return True

    async def end(self) -> None:
        """Drop what was stored and nobody was told of: it does not count."""
        self._end_filling()
        if self._sending or self._kept:
            clean_up = self._loop.create_task(self._clean_up())
            await self._transfers.finish(clean_up, CLEAN_UP_WITHIN_S)

    async def _clean_up(self) -> None:
        await self._settle()
        with suppress(StillageError):  # it goes with the partial blob
            await self._drop({kept.name for kept in self._kept})

    async def _settle(self) -> None:
        while self._sending:
            await asyncio.wait(self._sending)

    async def _drop(self, names: set[str]) -> None:
        if names:
            keys = [object_of(self._key, name) for name in names if name != ZEROS]
            await self._transfers.call(self._transfers.client.delete, keys)

    async def _filling_at(self, offset: int) -> _Filling:
        filling = self._filling
        if filling is not None and filling.end == offset:
            return filling
        if filling is not None:
            await self._store(filling)
            self._filling = None
        part = self._parts.span(self._parts.index(offset))
        await self._transfers.buffers.take(part.length)
        self._filling = _Filling(Span(part.first, min(part.end, self._end)), offset, part.length)
        return self._filling

    def _end_filling(self) -> None:
        filling, self._filling = self._filling, None
        if filling is not None:
            self._transfers.buffers.give_back(filling.memory)

    async def _store(self, filling: _Filling, *, keep: bool = False) -> None:
        """Begin to store what is new in *filling*, and give its memory back when that has ended, unless *keep*."""
        while len(self._sending) >= self._at_once:
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
        self._require()
        kept = filling.unflushed()
        if kept is not None:
            filling.names.append(kept.name)
            filling.flushed = filling.end
        task = self._loop.create_task(self._send(filling, kept, keep=keep))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, filling: _Filling, kept: Kept | None, *, keep: bool) -> None:
        try:
            if kept is not None:
                name = object_of(self._key, kept.name)
                await self._transfers.send(self._transfers.client.put, name, filling.bytes_of(kept.span))
                self._kept.append(kept)
        except BaseException as failure:  # noqa: BLE001 - raised by the next call
            self._failure = self._failure or failure
        finally:
            if not keep:
                self._transfers.buffers.give_back(filling.memory)

    def _require(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _fetch(self, span: Span) -> bytes:
        """Read from another thread."""
        return asyncio.run_coroutine_threadsafe(self.read(span.first, span.length), self._loop).result()
