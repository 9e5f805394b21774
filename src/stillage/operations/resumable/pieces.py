"""One piece of an upload on its way from a request into the partial blob.

Whoever sends a span holds it (`PartialBlob.hold`), so no two requests ever write the same bytes, and bytes that count
never change: what is sent again is compared. A newer request takes over from an older one, which may be of a client
that went away long ago. What came before a connection broke counts.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from stillage.db import blobs, pieces, spans
from stillage.db import uploads as db
from stillage.db.session import Database
from stillage.errors import (
    BlobNotFound,
    BytesDiffer,
    InvalidInput,
    PieceMismatch,
    PieceTakenOver,
    StillageError,
    StorageFull,
    StoreFailed,
)
from stillage.ids import BlobKey, UploadId
from stillage.images.upload import Digests, Grant, Piece, Upload, Window
from stillage.lanes import Lane
from stillage.operations.resumable.results import error_of
from stillage.operations.resumable.rights import UploadRights
from stillage.operations.resumable.verifying import LOST, Verifier
from stillage.operations.upkeep.sweep import remove_blob
from stillage.operations.upload.acceptance import LOOK_AFTER, STEP, UploadRules, require_room, require_spare_room
from stillage.operations.upload.verification import BLOCK, Digest
from stillage.spans import Span, gaps
from stillage.stores.base import PartialBlob, Store

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
"""How often a request that sends looks whether it still may, and counts what came."""
MOST_UNCOUNTED = 32 << 20
"""Bytes after which those that came are made durable and count, however fast they come."""
HOLD_WITHIN_S = 5.0
"""How long an older request may take to notice that it has lost its bytes."""


@dataclass(frozen=True, slots=True)
class Running:
    """A piece that is being sent to this process."""

    id: str
    upload_id: UploadId
    span: Span
    grant: Grant | None = None  # of whoever sends; None for the upload's own
    lost: asyncio.Event = field(default_factory=asyncio.Event)


class Sending:
    def __init__(
        self,
        database: Database,
        store: Store,
        verifier: Verifier,
        *,
        rights: UploadRights,
        rules: UploadRules,
        owner: str,
        max_age_s: float,
        clock: Callable[[], datetime],
    ) -> None:
        self.database = database
        self.verifier = verifier
        self.rules = rules
        self._rights = rights
        self._store = store
        self._owner = owner
        self._max_age_s = max_age_s
        self._clock = clock
        self._running: dict[str, Running] = {}
        self._ended: set[str] = set()  # the database does not know it yet

    async def __call__(
        self, upload: Upload, piece: Piece, span: Span, body: AsyncIterator[bytes], grant: Grant | None = None
    ) -> Upload:
        """Put *body* into *span* of the partial blob; return the upload with all of it counted.

        Raises:
            UploadSuspended: If *grant*, or without one whoever opened the upload, is worth nothing any more.
            StillageError: What *body* raises. What had come counts, unless the piece has digests.
            BytesDiffer, PieceMismatch, PieceTakenOver, TooManySpans: As they say.
            InvalidInput: If fewer bytes come than were declared. Those that came count.
            StorageFull: If there is no room for them, unread; or not for the rest, after those that count.
            UploadGone: If the upload ends meanwhile.
        """
        await self._require_room(upload, piece, span)
        running = Running(uuid4().hex, upload.id, span, grant)
        self.end_locally(upload.id, span)
        if not await self._begin(upload, running):
            raise await self.gone(upload.id)
        self._running[running.id] = running
        try:
            async with self._store.partial(upload.blob_key) as partial:
                held = await self._hold(partial, running)
                return await _Taking(self, held, piece, span, partial, running).run(body)
        except BlobNotFound:
            await self._begin_again(upload.id)
        except StorageFull as error:
            log.error("upload failed", image_id=upload.image_id, upload_id=upload.id, reason=error.reason)
            raise
        finally:
            del self._running[running.id]
            self._ended.add(running.id)
            await asyncio.shield(self._tell_ended(running.id))
        return await self(upload, piece, span, body, grant)

    async def _begin(self, upload: Upload, running: Running) -> bool:
        values = (running.id, running.upload_id, running.span, self._owner, self.rules.quotas.node)
        try:
            return await self._rights.write(upload, running.grant, pieces.begin, *values)
        except asyncio.CancelledError:
            self._ended.add(running.id)  # the database may do it all the same
            raise

    async def tell_ended(self) -> None:
        """Tell the database of requests that ended while it was away: they count for the node until it knows."""
        for piece_id in list(self._ended):
            await self._tell_ended(piece_id)

    async def _tell_ended(self, piece_id: str) -> None:
        await self.database.write(pieces.end, piece_id)
        self._ended.discard(piece_id)

    async def settle(self, upload: Upload) -> Upload:
        """End every request that sends some of *upload*; return where it stands then."""
        everything = Span(0, self.rules.max_image_bytes)
        self.end_locally(upload.id, everything)
        await self.database.write(pieces.end_of_upload, upload.id)
        try:
            async with self._store.partial(upload.blob_key) as partial:
                await self._hold_span(partial, everything)
        except BlobNotFound:
            await self._begin_again(upload.id)
        return await self.read(upload.id)

    async def read(self, upload_id: UploadId) -> Upload:
        """Return the upload as it is now; UploadGone if it has ended."""
        upload = await self.database.read(db.find, upload_id)
        if upload is None:
            raise await self.gone(upload_id)
        return upload

    async def count(self, upload: Upload, span: Span, grant: Grant | None) -> Upload:
        """Count *span*, which is durable, and let it be verified."""
        values = (upload.id, span, self.expiry())
        counted = await self._rights.write(upload, grant, db.count, *values)
        if counted is None:
            raise await self.gone(upload.id)
        self.verifier.follow(counted)
        return counted

    async def require_spare_room(self) -> None:
        await require_spare_room(self._store, self.rules.spare_bytes)

    async def still_ours(self, running: Running) -> None:
        """Raise PieceTakenOver, or why the upload has ended, unless the request may go on."""
        if running.lost.is_set() or not await self.database.read(pieces.lives, running.id):
            await self.read(running.upload_id)
            raise PieceTakenOver

    async def gone(self, upload_id: UploadId) -> StillageError:
        return error_of(upload_id, await self.database.read(db.find_result, upload_id))

    async def _require_room(self, upload: Upload, piece: Piece, span: Span) -> None:
        await self.database.read(spans.require_place, upload.id, span.first)
        if piece.zeros:
            return
        if piece.length is None:
            await require_room(self._store, None, self.rules.spare_bytes, "piece")
        elif missing := await self.database.read(spans.missing, upload.id, span):
            await require_room(self._store, missing, self.rules.spare_bytes, "piece")

    def expiry(self) -> datetime:
        return self._clock() + timedelta(seconds=self._max_age_s)

    def end_locally(self, upload_id: UploadId, span: Span) -> None:
        """Tell requests to this process that they have lost *span*; those to others find out by themselves."""
        for other in self._running.values():
            if other.upload_id == upload_id and other.span.first < span.end and span.first < other.span.end:
                other.lost.set()

    async def _begin_again(self, upload_id: UploadId) -> None:
        """Make the partial blob of an upload that has none: who opened it is about to, or has died before he could.

        Raises:
            StoreFailed: If it had one, and so has lost its bytes.
            StillageError: Why the upload has ended.
        """
        upload = await self.read(upload_id)
        if upload.has_bytes:
            self.verifier.follow(upload)  # which ends it
            raise StoreFailed(LOST)
        await self.begin_partial(upload_id, upload.blob_key)

    async def begin_partial(self, upload_id: UploadId, key: BlobKey) -> Upload:
        """Make the partial blob of an upload, which lives from then on; or raise why the upload has ended."""
        await self._store.begin(key)
        upload = await self.database.write(db.keep, upload_id, self.expiry())
        if upload is None:
            await remove_blob(self.database, self._store, key)
            raise await self.gone(upload_id)
        return upload

    async def _hold(self, partial: PartialBlob, running: Running) -> Upload:
        """Hold the span; return the upload as it is then. What counts in the span changes only by this request."""
        await self._hold_span(partial, running.span)
        return await self.read(running.upload_id)

    async def _hold_span(self, partial: PartialBlob, span: Span) -> None:
        until = asyncio.get_running_loop().time() + HOLD_WITHIN_S
        while not await partial.hold(span):
            if asyncio.get_running_loop().time() > until:
                raise PieceTakenOver
            await asyncio.sleep(0.02)


class _Taking:
    """What one request's piece knows while it comes."""

    def __init__(
        self, sending: Sending, upload: Upload, piece: Piece, span: Span, partial: PartialBlob, running: Running
    ) -> None:
        self._sending = sending
        self._upload = upload
        self._span = span
        self._known = Window((), span.first)
        self._partial = partial
        self._running = running
        self._zeros = piece.zeros
        self._has_open_end = piece.length is None
        self._digests = _Digests(piece.digests)
        self._position = self._counted = span.first
        self._reserved = self._looked = span.first
        self._much_came = asyncio.Event()

    async def run(self, body: AsyncIterator[bytes]) -> Upload:
        async with self._digests:
            taking = asyncio.create_task(self._take(body))
            watch = asyncio.create_task(self._watch())
            try:
                await asyncio.wait({taking, watch}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await self._end(taking, watch)
            try:
                await (watch if watch.done() and not watch.cancelled() else taking)
                await self._digests.require()
            except StillageError:
                await self._give_room_back()
                raise
            await self._count()
        await self._require_end()
        return self._upload

    async def _require_end(self) -> None:
        """Raise InvalidInput if fewer bytes came than were declared, unless those behind them are there already."""
        if self._has_open_end or self._position == self._span.end:
            return
        reached = await self._sending.database.read(spans.reached, self._upload.id, self._position)
        if missing := self._span.end - min(reached or self._position, self._span.end):
            raise InvalidInput(f"the piece ended {missing} bytes before its declared end; what came counts")

    async def _end(self, *tasks: asyncio.Task[None]) -> None:
        """End what is still running, and see to it that what came counts, whatever has failed."""
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if not self._digests.declared:
            with suppress(StillageError):  # who waits for the piece is told why by what failed first
                await asyncio.shield(self._count())

    async def _give_room_back(self) -> None:
        """What does not count is cleared when it is sent again; until then others may need its room, or it itself."""
        if self._digests.declared:
            with suppress(StillageError):
                at = self._span.first
                while at < self._position:
                    at = (await self._window(Span(at, self._position))).until

    async def _take(self, body: AsyncIterator[bytes]) -> None:
        if self._zeros:
            await self._take_zeros()
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

    async def _take_zeros(self) -> None:
        """Zeros that are not sent: the partial blob has them already, unless something else was sent before."""
        await self._reserve(self._span.end)  # before any work: nothing that comes could be counted in its place
        while self._position < self._span.end:
            window = await self._window(Span(self._position, self._span.end))
            for span in window.spans:
                await self._compare_zeros(span)
            self._position = window.until

    async def _compare_zeros(self, span: Span) -> None:
        """Where the file has holes there is nothing to read: a request of a few bytes must not cost a terabyte."""
        at = await self._partial.data_from(span)
        while at < span.end:
            end = min(at + BLOCK, span.end)
            await self._compare(at, bytes(end - at))
            at = await self._partial.data_from(Span(end, span.end))

    async def _window(self, within: Span) -> Window:
        """Return what counts at the beginning of *within*, and make zeros there of all that does not."""
        window = await self._sending.database.read(spans.window, self._upload.id, within)
        for gap in gaps(window.spans, Span(within.first, window.until)):
            await self._partial.clear(gap)
        return window

    async def _put(self, block: bytes) -> None:
        end = self._position + len(block)
        if end > self._span.end:
            raise InvalidInput(f"more bytes came than this piece may have: it ends at byte {self._span.end}")
        await self._look_at_room(end)
        await self._reserve(end)
        await self._compare_or_write(Span(self._position, end), block)
        await self._digests.update(block)
        self._position = end
        # The first megabyte counts at once: that is where most hostile images show themselves.
        if end - self._counted >= min(MOST_UNCOUNTED, max(BLOCK, self._counted - self._span.first)):
            self._much_came.set()

    async def _compare_or_write(self, whole: Span, block: bytes) -> None:
        at = whole.first
        while at < whole.end:
            if at >= self._known.until:
                self._known = await self._window(Span(at, self._span.end))
            there = Span(at, min(whole.end, self._known.until))
            for span in _parts_of(self._known.spans, there):
                await self._compare(span.first, block[span.first - whole.first : span.end - whole.first])
            for gap in gaps(self._known.spans, there):
                await self._partial.write(gap.first, block[gap.first - whole.first : gap.end - whole.first])
            at = there.end

    async def _compare(self, offset: int, block: bytes) -> None:
        known = await self._partial.read(offset, len(block))
        if known != block:
            raise BytesDiffer(offset + _first_difference(known, block))

    async def _look_at_room(self, end: int) -> None:
        """Others take room as well."""
        if end > self._looked + LOOK_AFTER:
            self._looked = end
            await self._sending.require_spare_room()

    async def _reserve(self, end: int) -> None:
        """Of unknown size it is reserved in steps."""
        if self._upload.size is None and end > self._reserved:
            self._reserved = -(-end // STEP) * STEP
            limits = self._sending.rules.quotas.project
            await self._sending.database.write(blobs.reserve, self._upload.blob_key, self._reserved, limits)

    async def _watch(self) -> None:
        """Count what came, now and then, and look whether we still may; ends only by an error."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await _first_of(self._much_came, self._running.lost)
            self._much_came.clear()
            await self._sending.still_ours(self._running)
            if not self._digests.declared:
                await self._count()

    async def _count(self) -> None:
        position = self._position
        if position > self._counted:
            await self._partial.flush()
            counted = Span(self._span.first, position)
            self._upload = await self._sending.count(self._upload, counted, self._running.grant)
            self._counted = position


class _Digests:
    """The digests of one piece, each worked out in a thread of its own."""

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
            found = await self._lanes[name].call(self._digests[name].hexdigest)
            if found != expected:
                raise PieceMismatch(name, expected, found)


def _first_difference(one: bytes, other: bytes) -> int:
    """Return where two that differ, of one length, do so first. Halving, as looking at each byte takes 40 ms a MiB."""
    first, end = 0, len(one)
    while end - first > 1:
        middle = (first + end) // 2
        if one[first:middle] == other[first:middle]:
            first = middle
        else:
            end = middle
    return first


def _parts_of(spans: tuple[Span, ...], within: Span) -> list[Span]:
    """Return what of *within* is in *spans*."""
    cut = [Span(max(span.first, within.first), min(span.end, within.end)) for span in spans]
    return [span for span in cut if span.length > 0]


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
