"""Receive the bytes of an import from its source, through the pipeline of uploads, into the first store."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from stillage.db import lifecycle
from stillage.db.lifecycle import Claim
from stillage.errors import ImageGone, ImageTooLarge, SizeMismatch, SourceLengthMismatch
from stillage.ids import StoreId
from stillage.images.image import Image
from stillage.images.upload import Digests, Expected
from stillage.operations.imports.context import Context
from stillage.operations.imports.describing import as_described, with_described
from stillage.operations.imports.plan import Plan
from stillage.operations.imports.sources import Opened
from stillage.operations.upload.acceptance import UploadRules, content_of

STRONG = frozenset({"sha256", "sha512"})
Progress = Callable[[float], Awaitable[None]]
"""Is told the part of a step that is done, from 0 to 1."""


async def receive(context: Context, plan: Plan, store: StoreId, source: Opened, progress: Progress) -> None:
    """Give the image the bytes of *source*, in *store*.

    Raises:
        ImageTooLarge, StorageFull, QuotaExceeded: Before the first byte where the source says its length.
        SourceLengthMismatch: If the source has not the length that it declared.
        ImageGone: If the image is deleted meanwhile.
        StillageError: What the source and the pipeline raise.
    """
    limit = context.rules.max_image_bytes
    if source.length is not None and source.length > limit:
        raise ImageTooLarge(limit, source.length)
    claim, image = await context.claim(plan, store, source.length)
    try:
        await _receive(context, claim, as_described(image, source.described), source, plan.digests, progress)
    except BaseException as failure:
        await context.reception.give_up(claim, failure)
        raise


async def _receive(
    context: Context, claim: Claim, image: Image, source: Opened, digests: Digests, progress: Progress
) -> None:
    try:
        followed = _followed(source, progress)
        verified = await context.reception.receive(claim, image, followed, Expected(source.length, digests=digests))
    except SizeMismatch as error:
        raise SourceLengthMismatch(source.name, error.expected, error.received) from error
    content = content_of(image, verified, _with_algorithm(context.rules, digests))
    content = with_described(content, image, source.described, context.max_record_bytes)
    if await context.database.write(lifecycle.publish, claim, content, context.clock()) is None:
        raise ImageGone(image.id)


def _with_algorithm(rules: UploadRules, digests: Digests) -> UploadRules:
    """Return *rules* for an image whose digest was declared: that one is recorded, as in Glance, unless it is weak."""
    strong = [algorithm for algorithm, _ in digests if algorithm in STRONG]
    return replace(rules, hash_algorithm=strong[0]) if strong else rules


async def _followed(source: Opened, progress: Progress) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in source.chunks:
        received += len(chunk)
        fraction = received / source.length if source.length else source.fraction()
        if fraction is not None:
            await progress(min(1.0, fraction))
        yield chunk
