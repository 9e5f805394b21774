"""Copy the bytes of an image to another store, comparing what is read with the digest of the record."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog

from stillage.db import blobs, imports, placements
from stillage.db.lifecycle import Claim
from stillage.errors import CopyDiffers, ImageDamaged, ImageGone, StillageError, Unavailable
from stillage.ids import BlobRef, StoreId
from stillage.images.image import Image
from stillage.lanes import Lane
from stillage.operations.imports.context import Context
from stillage.operations.imports.plan import Plan
from stillage.operations.imports.receiving import Progress
from stillage.operations.upload.acceptance import LOOK_AFTER, require_spare_room
from stillage.operations.upload.verification import BLOCK

log = structlog.get_logger()


async def copy(context: Context, plan: Plan, store: StoreId, progress: Progress) -> None:
    """Give the image a copy in *store*, of the first of its copies that is good.

    Raises:
        StorageFull, QuotaExceeded: Before the first byte.
        ImageGone: If the image is deleted meanwhile.
        ImageDamaged: If none of its copies is good.
        StillageError: Why the copies cannot be read, or the new one cannot be written.
    """
    failures: list[StillageError] = []
    placed = await context.database.read(placements.of_image, plan.image_id)
    for placement in context.stores.in_read_order(placed):
        try:
            await _copy_of(context, plan, placement.blob, store, progress)
        except _Unreadable as error:
            log.warning("a copy cannot be read", image_id=plan.image_id, store=placement.blob.store, why=str(error.why))
            failures.append(error.why)
        else:
            return
    if not failures:
        raise ImageDamaged(plan.image_id, "no copy of its bytes is good")
    # One that may pass says most: another time the same may succeed.
    raise next((error for error in failures if isinstance(error, Unavailable)), failures[0])


class _Unreadable(Exception):
    """A copy cannot be read, or has other bytes; another one may be good."""

    def __init__(self, why: StillageError) -> None:
        super().__init__(str(why))
        self.why = why


async def _copy_of(context: Context, plan: Plan, source: BlobRef, store: StoreId, progress: Progress) -> None:
    size = (await context.image(plan)).size
    claim, image = await context.claim(plan, store, size)
    try:
        await _write(context, claim, image, source, progress)
        await _publish(context, plan, claim, source)
    except BaseException as failure:
        await context.reception.give_up(claim, failure.why if isinstance(failure, _Unreadable) else failure)
        raise
    log.info("image copied", image_id=image.id, source=source.store, store=store, size=size)


async def _publish(context: Context, plan: Plan, claim: Claim, source: BlobRef) -> None:
    if await context.write(plan, imports.publish_copy, claim, source, context.clock()) is None:
        raise ImageGone(claim.image_id)


async def _write(context: Context, claim: Claim, image: Image, source: BlobRef, progress: Progress) -> None:
    """Write and commit what *source* has, if that is what the record of *image* says."""
    written = looked = 0
    async with context.reception.lease(claim) as still_ours, context.stores.writer(claim.blob, image.size) as writer:
        async with aclosing(_read(context, image, source)) as blocks:
            async for block in blocks:
                still_ours()
                await writer.write(block)
                written += len(block)
                if written > looked + LOOK_AFTER:
                    store = context.stores.get(claim.blob.store).store
                    await require_spare_room(store, context.rules.spare_bytes)
                    looked = written
                await progress(written / max(1, image.size or 0))
        await writer.finish()
        await writer.commit()


async def _read(context: Context, image: Image, source: BlobRef) -> AsyncGenerator[bytes]:
    """Yield the bytes of *source*; _Unreadable if they cannot be read, at last if they are not those of *image*."""
    digest = hashlib.new(image.os_hash_algo or "sha512", usedforsecurity=False)
    size = 0
    try:
        async with context.stores.reader(source) as reader, Lane(f"copy-{source.key[:8]}") as hashing:
            async with aclosing(reader.stream(0, reader.size, BLOCK)) as blocks:
                async for block in blocks:
                    await hashing.submit(digest.update, block)
                    size += len(block)
                    yield bytes(block)
            found = await hashing.call(digest.hexdigest)
    except StillageError as error:
        raise _Unreadable(error) from error
    if (size, found) != (image.size, image.os_hash_value):
        damage = f"{size} bytes with {image.os_hash_algo} {found} were read, and {image.size} bytes were stored"
        log.error("bytes are damaged at rest", image_id=image.id, store=source.store, key=source.key, damage=damage)
        await context.database.write(blobs.set_damage, source, damage)
        raise _Unreadable(CopyDiffers(image.id, source.store, damage))
