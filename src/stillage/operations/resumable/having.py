"""Take pieces of an upload from images that have them already, in place of having their client send them.

The client lists digests of pieces of its file (`formats.piece_digests`). It is told which pieces are missing; the
others are in an image that it may read, and it proves to have them as well (`possession`). They are copied, and
compared with their digests, so that what counts are the client's bytes, whatever has become of the image meanwhile.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from stillage.accounts.principal import Principal
from stillage.db import Connection, piece_digests, spans
from stillage.db import images as db_images
from stillage.errors import BlobNotFound, Conflict, InvalidInput, StillageError, StoreFailed, UploadComplete
from stillage.formats.piece_digests import PIECE, PieceList, Run, runs_in_common
from stillage.ids import BlobRef, ImageId
from stillage.images.status import Status
from stillage.images.upload import Piece, Progress, Upload
from stillage.lanes import GIVES_WAY
from stillage.operations.resumable.context import Context
from stillage.operations.resumable.possession import NOT_HERE, Possession, Proof
from stillage.operations.upkeep.digesting import Digesting
from stillage.operations.upload.verification import BLOCK
from stillage.spans import Span, gaps, intersection, merged, total
from stillage.stores.base import BlobReader

COMPARED = 8
"""How many similar images are compared with a list, 1 MiB of digests each at the most."""

Receive = Callable[[Upload, Piece, AsyncIterator[bytes], Principal | None], Coroutine[Any, Any, Progress]]


@dataclass(frozen=True, slots=True)
class Found:
    """What is missing of the pieces in a list, and what to prove to get the others; None if there are none to get."""

    missing: tuple[Span, ...]
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    """An image that has *runs* of the pieces in a list, in *blob*, and perhaps more unless its digests *are_whole*."""

    image_id: ImageId
    blob: BlobRef
    runs: Sequence[Run]
    are_whole: bool


class Having:
    """*receive*: receives a piece of an upload, as `Uploads.receive`."""

    def __init__(self, context: Context, secret: bytes, receive: Receive) -> None:
        self._database = context.database
        self._stores = context.stores
        self._access = context.access
        self._rights = context.rights
        self._possession = Possession(context, secret, b"proofs of pieces")
        self._receive = receive
        self._digesting = Digesting(context.database, context.stores, bytes_per_s=math.inf, nice=GIVES_WAY)

    async def find(self, upload: Upload, pieces: PieceList, sender: Principal | None = None) -> Found:
        """Return which of *pieces* neither the upload has, nor the image that has most of them.

        Once these are taken, another image may have more.

        Args:
            upload: As last read.
            pieces: Of the client's file.
            sender: None for a request with the upload's capability.

        Raises:
            InvalidInput: If *pieces* are not of a file of this size.
            UploadSuspended: If the sender, or the upload's opener, has lost the right to upload.
            UploadComplete: If nothing can be missing any more.
        """
        principal = await self._principal(upload, pieces, sender)
        missing = await self._database.read(spans.uncounted, upload.id, pieces.span)
        source = await self._database.read(self._best_source, principal, pieces, missing) if missing else None
        if source is not None and not source.are_whole:
            await self._digesting.finish(source.blob.key)
            source = await self._database.read(self._best_source, principal, pieces, missing)
        if source is None:
            return Found(tuple(missing))
        proof = self._possession.ask(_about(upload, pieces), source.image_id, [run.span for run in source.runs])
        there = merged(run.span for run in source.runs)
        return Found(tuple(span for gap in missing for span in gaps(there, gap)), proof)

    async def take(
        self, upload: Upload, pieces: PieceList, nonce: str, digests: Sequence[str], sender: Principal | None = None
    ) -> Progress:
        """Copy those of *pieces* that were found; the client has proved to have them.

        Returns as `Uploads.receive`, and raises as it does and as `find`.

        Args:
            upload: As last read.
            pieces: The same as for `find`.
            nonce: Of the proof.
            digests: Of its ranges, in hex.
            sender: None for a request with the upload's capability.

        Raises:
            Conflict: If the proof is wrong, or the image has the bytes no longer. What was copied before counts.
        """
        principal = await self._principal(upload, pieces, sender)
        image = await self._possession.source_of(_about(upload, pieces), nonce)
        source = await self._database.read(self._find_source, principal, image.id, pieces)
        if source is None:
            raise Conflict(NOT_HERE)
        ranges = self._possession.ranges(nonce, [run.span for run in source.runs])
        await self._possession.require(nonce, digests, source.blob, _places_of(ranges, source.runs))
        missing = await self._database.read(spans.uncounted, upload.id, pieces.span)
        wanted = [part for run in source.runs for part in _needed(run, missing)]
        try:
            async with self._stores.reader(source.blob) as reader:
                progress = await self._copy(upload, pieces, wanted, reader, sender)
        except BlobNotFound as error:
            raise Conflict(NOT_HERE) from error
        taken = pieces.only(run.span for run in wanted)
        with suppress(StillageError):  # it only spares reading them again
            await self._database.write(piece_digests.note, upload.blob.key, pieces.first, taken)
        return progress

    async def _principal(self, upload: Upload, pieces: PieceList, sender: Principal | None) -> Principal:
        if upload.complete:
            raise UploadComplete(upload.id)
        if upload.size is None or pieces.size != upload.size or not pieces.is_within_file:
            raise InvalidInput(f"the digests are not of pieces of {upload.size} bytes, the size of this upload")
        return await self._rights.require(upload, None if sender is None else self._rights.grant_of(sender))

    def _best_source(
        self, connection: Connection, principal: Principal, pieces: PieceList, missing: Sequence[Span]
    ) -> _Source | None:
        """Return the image that has most of what is *missing*; None if none has any of it."""
        best, most = None, 0
        for image_id in piece_digests.similar(connection, pieces.samples(), principal.project_id, COMPARED):
            source = self._find_source(connection, principal, image_id, pieces)
            has = sum(total(part.span for part in _needed(run, missing)) for run in source.runs) if source else 0
            if has > most:
                best, most = source, has
            if most == total(missing):
                break
        return best

    def _find_source(
        self, connection: Connection, principal: Principal, image_id: ImageId, pieces: PieceList
    ) -> _Source | None:
        """Return what an image has of *pieces*; None if that is nothing, or *principal* may not download the image."""
        seen = db_images.find_seen(connection, image_id, principal.project_id)
        if seen is None or seen.image.status is not Status.ACTIVE or seen.image.damage is not None:
            return None
        if not all(self._access.allows(principal, action, seen) for action in ("get_image", "download_image")):
            return None
        known = piece_digests.find_of_image(connection, image_id)
        runs = runs_in_common(pieces, known.pieces) if known is not None else []
        return _Source(image_id, known.blob, runs, known.are_whole) if known is not None and runs else None

    async def _copy(
        self, upload: Upload, pieces: PieceList, runs: Sequence[Run], reader: BlobReader, sender: Principal | None
    ) -> Progress:
        progress = Progress(upload)
        for run in runs:
            piece = Piece(run.span.first, run.span.length)
            async with aclosing(_compared(reader, run, pieces)) as blocks:
                progress = await self._receive(progress.upload, piece, blocks, sender)
            if progress.image is not None:
                break
        return progress


async def _compared(reader: BlobReader, run: Run, pieces: PieceList) -> AsyncGenerator[bytes]:
    """Yield the bytes of *run*, each piece after it was found to have its digest.

    Raises:
        Conflict: If one has not, or cannot be read.
    """
    at = run.span.first
    held = bytearray()
    try:
        async with aclosing(reader.stream(run.at, run.span.length, BLOCK)) as blocks:
            async for block in blocks:
                held += block
                while held and len(held) >= min(PIECE, run.span.end - at):
                    piece = bytes(held[:PIECE])
                    del held[:PIECE]
                    await _require_same(piece, pieces.digest_of(at // PIECE - pieces.first))
                    at += len(piece)
                    for start in range(0, len(piece), BLOCK):
                        yield piece[start : start + BLOCK]
    except (BlobNotFound, StoreFailed) as error:
        raise Conflict(NOT_HERE) from error
    if at < run.span.end:
        raise Conflict(NOT_HERE)


async def _require_same(piece: bytes, expected: bytes) -> None:
    if (await asyncio.to_thread(sha256, piece)).digest() != expected:
        raise Conflict(NOT_HERE)


def _about(upload: Upload, pieces: PieceList) -> str:
    """Return what a nonce is bound to: this list of this upload."""
    return f"{upload.id}\0{pieces.first}\0{sha256(pieces.packed).hexdigest()}"


def _needed(run: Run, missing: Sequence[Span]) -> list[Run]:
    """Return the parts of *run*, in whole pieces, of which any byte is *missing*."""
    whole = [
        Span(gap.first - gap.first % PIECE, min(run.span.end, -(-gap.end // PIECE) * PIECE))
        for gap in (intersection(run.span, span) for span in missing)
        if gap.length
    ]
    return [Run(span, run.place_of(span).first) for span in merged(whole)]


def _places_of(ranges: Sequence[Span], runs: Sequence[Run]) -> list[Span]:
    """Return where *ranges*, each a part of one of *runs*, are in the other file."""
    places: list[Span] = []
    left = list(reversed(runs))
    for span in ranges:
        while left[-1].span.end < span.end:
            left.pop()
        places.append(left[-1].place_of(span))
    return places
