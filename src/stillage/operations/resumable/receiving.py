"""Receive one piece of a resumable upload: from the body of a request into the partial blob, until it counts.

Bytes received before a connection breaks count, unless the piece has a digest.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

from stillage.db import blobs, pieces, spans
from stillage.db import uploads as db
from stillage.db.parts import CountedElsewhere
from stillage.errors import InvalidInput, PieceMismatch, PieceTakenOver, StillageError
from stillage.ids import UploadId
from stillage.images.upload import Digests, Grant, Kept, Piece, Upload
from stillage.lanes import Lane
from stillage.operations.resumable.context import Context
from stillage.operations.resumable.piece_writer import PieceWriter
from stillage.operations.resumable.verifying import Verifier
from stillage.operations.upload.acceptance import LOOK_AFTER, STEP, require_spare_room
from stillage.operations.upload.verification import BLOCK, Digest
from stillage.spans import Span, merged
from stillage.stores.abilities import PartialBlob

LOOK_EVERY_S = 0.5
"""How often a request checks that it may continue. How often it counts what it has received is up to the store."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A request that sends a piece to this process.

    Attributes:
        grant: The sender's; None for the upload's own.
        lost: Set when another request has taken over its bytes.
    """

    id: str
    upload_id: UploadId
    span: Span
    grant: Grant | None = None
    lost: asyncio.Event = field(default_factory=asyncio.Event)


class Receiver:
    """Receives one piece. *upload*: as read while *sender* held its span of *partial*."""

    def __init__(
        self, context: Context, verifier: Verifier, partial: PartialBlob, upload: Upload, piece: Piece, sender: Sender
    ) -> None:
        self._context = context
        self._verifier = verifier
        self._upload = upload
        self._store = context.stores.get(upload.blob.store).store
        self._sender = sender
        self._span = sender.span
        self._writer = PieceWriter(context.database, partial, upload.id, sender.span)
        self._zeros = piece.zeros
        self._has_open_end = piece.length is None
        self._digests = _Digests(piece.digests)
        self._position = self._counted = self._span.first
        self._reserved = self._looked = self._span.first
        self._flush_interval = partial.flush_interval
        self._kept: list[Kept] = []  # to be remembered when the bytes count
        self._compared: list[Span] = []  # with what another request has counted meanwhile
        self._counted_at = asyncio.get_running_loop().time()
        self._much_received = asyncio.Event()

    async def run(self, body: AsyncIterator[bytes]) -> Upload:
        async with self._digests:
            receive = asyncio.create_task(self._receive(body))
            watch = asyncio.create_task(self._watch())
            try:
                await asyncio.wait({receive, watch}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await self._end(receive, watch)
            try:
                await (watch if watch.done() and not watch.cancelled() else receive)
                await self._digests.require()
            except StillageError:
                await self._give_room_back()
                raise
            await self._count()
        await self._require_end()
        return self._upload

    async def _require_end(self) -> None:
        """Raise InvalidInput if fewer bytes were received than declared, unless the rest counts already."""
        if self._has_open_end or self._position == self._span.end:
            return
        reached = await self._context.database.read(spans.reached, self._upload.id, self._position)
        if missing := self._span.end - min(reached or self._position, self._span.end):
            raise InvalidInput(f"the piece ended {missing} bytes before its declared end; what came counts")

    async def _end(self, *tasks: asyncio.Task[None]) -> None:
        """End the running tasks, and count what was received, even after a failure."""
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if not self._digests.declared:
            with suppress(StillageError):  # the client gets the error that came first
                await asyncio.shield(self._count())

    async def _give_room_back(self) -> None:
        """Free the space of bytes that do not count now, not when they are sent again: others may need it."""
        if self._digests.declared:
            with suppress(StillageError):
                await self._writer.clear(self._position)

    async def _receive(self, body: AsyncIterator[bytes]) -> None:
        if self._zeros:
            await self._receive_zeros()
            return
        held = bytearray()
        try:
            async for part in body:
                if not held and len(part) >= BLOCK:
                    await self._put(part)
                    continue
                held += part
                if len(held) >= BLOCK:
                    block, held = held, bytearray()
                    await self._put(bytes(block))
        finally:
            if held:
                await self._put(bytes(held))

    async def _receive_zeros(self) -> None:
        """Fill the span with zeros, which are not sent. Only spans that hold other bytes need writing."""
        await self._reserve(self._span.end)  # at once, because zeros are not received in steps
        while self._position < self._span.end:
            self._position = await self._writer.put_zeros(self._position)

    async def _put(self, block: bytes) -> None:
        end = self._position + len(block)
        if end > self._span.end:
            raise InvalidInput(f"the body is longer than the piece, which ends at byte {self._span.end}")
        await self._look_at_room(end)
        await self._reserve(end)
        await self._let_verifier_keep_up()
        await self._writer.put(self._position, block)
        await self._digests.update(block)
        self._position = end
        # The first MiB counts at once, so that it is verified at once: it reveals most hostile images.
        if end - self._counted >= min(self._flush_interval.most, max(BLOCK, self._counted - self._span.first)):
            self._much_received.set()

    async def _let_verifier_keep_up(self) -> None:
        # The verifier gets none of a piece further on, beside others, or of one with a digest before its end.
        is_next = self._span.first <= self._upload.offset and not self._digests.declared
        end = self._position if is_next else self._upload.offset
        await self._verifier.keep_up(self._upload.id, end, self._flush_interval.ahead)

    async def _look_at_room(self, end: int) -> None:
        """Check from time to time that there is room, because others use it as well."""
        if end > self._looked + LOOK_AFTER:
            self._looked = end
            await require_spare_room(self._store, self._context.rules.spare_bytes)

    async def _reserve(self, end: int) -> None:
        """Reserve quota in steps if the size is unknown."""
        if self._upload.size is None and end > self._reserved:
            self._reserved = -(-end // STEP) * STEP
            limits = self._context.rules.quotas.project
            await self._context.database.write(blobs.reserve, self._upload.blob, self._reserved, limits)

    async def _watch(self) -> None:
        """From time to time count what was received, and check that the request may continue. Ends only by an error."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await _first_of(self._much_received, self._sender.lost)
            since_s = asyncio.get_running_loop().time() - self._counted_at
            is_due = self._much_received.is_set() or since_s >= self._flush_interval.every_s
            self._much_received.clear()
            await self._require_ours()
            if is_due and not self._digests.declared:
                await self._count()

    async def _count(self) -> None:
        position = self._position
        self._counted_at = asyncio.get_running_loop().time()
        if position > self._counted:
            self._kept += await self._writer.flush()
            await self._count_durable(Span(self._span.first, position))
            # It may have kept more than counts: what was written since.
            self._kept = [kept for kept in self._kept if kept.span.end > position]
            self._counted = position

    async def _count_durable(self, span: Span) -> None:
        """Count *span*, which is durable, and have it verified.

        Where two requests can hold a span, the one that was taken over may have counted some of it meanwhile;
        BytesDiffer if those are other bytes.
        """
        try:
            values = (self._upload.id, span, self._context.expiry(), tuple(self._kept), tuple(self._compared))
            counted = await self._context.rights.write(self._upload, self._sender.grant, db.count, *values)
        except CountedElsewhere as elsewhere:
            await self._writer.compare_kept(elsewhere.part, elsewhere.spans)
            self._compared = merged([*self._compared, *elsewhere.spans])
            await self._count_durable(span)
            return
        if counted is None:
            raise await self._context.why_ended(self._upload.id)
        if not counted.staged:
            self._verifier.follow(counted)
        self._upload = counted

    async def _require_ours(self) -> None:
        """Raise PieceTakenOver, or why the upload has ended, unless the request may continue."""
        if self._sender.lost.is_set() or not await self._context.database.read(pieces.lives, self._sender.id):
            await self._context.read(self._upload.id)
            raise PieceTakenOver


class _Digests:
    """The digests of one piece, each computed in a thread of its own."""

    def __init__(self, declared: Digests) -> None:
        self.declared = declared
        self._digests: dict[str, Digest] = {name: hashlib.new(name, usedforsecurity=False) for name, _ in declared}

    async def __aenter__(self) -> None:
        self._stack = AsyncExitStack()
        self._lanes = {name: await self._stack.enter_async_context(Lane(f"piece-{name}")) for name in self._digests}

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def update(self, block: bytes) -> None:
        for name, lane in self._lanes.items():
            await lane.submit(self._digests[name].update, block)

    async def require(self) -> None:
        """Raise PieceMismatch unless the bytes have the digests that were declared."""
        for name, expected in self.declared:
            actual = await self._lanes[name].call(self._digests[name].hexdigest)
            if actual != expected:
                raise PieceMismatch(name, expected, actual)


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
