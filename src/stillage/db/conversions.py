"""Conversions: an image that is imported gets other bytes in place of those that it has. Functions of a connection."""

from datetime import datetime

from sqlalchemy import Connection, select

from stillage.db import lifecycle, placements, usage
from stillage.db.lifecycle import NOT_KEPT, Claim
from stillage.db.tables import images
from stillage.ids import BlobRef
from stillage.images.image import Content, Image
from stillage.images.quota import Usage, scope_of_project


def replace_bytes(
    connection: Connection, claim: Claim, content: Content, now: datetime
) -> tuple[Image, tuple[BlobRef, ...]] | None:
    """Publish the bytes of this upload as the only ones of its image, which is being imported.

    Return the image, and the blobs that nobody needs any more; None if the upload has lost the image.
    """
    held = (images.c.id == claim.image_id) & (images.c.upload_id == claim.upload_id) & lifecycle.IMPORTING
    row = connection.execute(select(images.c.owner).where(held).with_for_update()).first()
    if row is None:
        return None
    removed = placements.remove(connection, claim.image_id, keep_until=NOT_KEPT)  # not the one that is still written
    usage.change(connection, scope_of_project(row.owner), Usage(bytes=-removed.freed))
    image = lifecycle.publish(connection, claim, content, now)
    return None if image is None else (image, removed.blobs)
