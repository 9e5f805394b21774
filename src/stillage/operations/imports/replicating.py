"""Copy an image within its store: the copy shares the bytes of its source, of which nothing is read."""

from stillage.db import Connection, placements
from stillage.db import images as db_images
from stillage.db import uploads as db_uploads
from stillage.db.lifecycle import Claim
from stillage.errors import ImageDamaged, ImageGone
from stillage.ids import BlobRef, ImageId, ProjectId
from stillage.images.image import Content, Image
from stillage.images.status import Status
from stillage.operations.imports.context import Context
from stillage.operations.imports.plan import Plan
from stillage.operations.upkeep.sweep import remove_blob


async def replicate(context: Context, plan: Plan, source_id: ImageId, project_id: ProjectId) -> None:
    """Give the image of *plan* the bytes of another one, in the same store. Does nothing if an earlier run has.

    Raises:
        ImageGone: If one of the two is deleted meanwhile.
        ImageDamaged: If no copy of the bytes is good.
        StorageFull, QuotaExceeded: If there is no place: its bytes count for each image.
    """
    if (await context.image(plan)).stores:
        return
    source = await context.database.read(db_images.find, source_id)
    if source is None or source.status is not Status.ACTIVE:
        raise ImageGone(source_id)
    blob = await _good_blob(context, source)
    claim, _ = await context.claim(plan, blob.store, source.size)

    def publish(connection: Connection) -> Image | None:
        db_uploads.hold_source(connection, source, project_id)
        return db_uploads.publish_same(connection, claim, _content_of(source), source, blob, context.clock())

    try:
        published = await context.database.write(publish)
    except BaseException as failure:
        await context.reception.give_up(claim, failure)
        raise
    await _remove_unwritten(context, claim)
    if published is None:
        raise ImageGone(plan.image_id)


async def _good_blob(context: Context, source: Image) -> BlobRef:
    placed = await context.database.read(placements.of_image, source.id)
    good = [placement.blob for placement in placed if placement.damage is None]
    if not good:
        raise ImageDamaged(source.id, "no copy of its bytes is good")
    return good[0]


async def _remove_unwritten(context: Context, claim: Claim) -> None:
    """Forget the blob that was claimed: nothing was ever written to it."""
    await remove_blob(context.database, context.stores, claim.blob, context.clock())


def _content_of(source: Image) -> Content:
    return Content(
        size=source.size or 0,
        virtual_size=source.virtual_size,
        disk_format=source.disk_format,
        checksum=source.checksum or "",
        os_hash_algo=source.os_hash_algo or "",
        os_hash_value=source.os_hash_value or "",
    )
