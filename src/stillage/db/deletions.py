"""The deletion of an image, which is held meanwhile: nothing about it changes between the question and the deed."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from stillage.db import lifecycle, trash
from stillage.db.images import COLUMNS, image_of
from stillage.db.lifecycle import Deleted
from stillage.db.prepared import Prepared
from stillage.db.tables import images
from stillage.ids import ImageId, StoreId
from stillage.images.image import Image

HOLD = Prepared(
    select(*COLUMNS).where(images.c.id == bindparam("image_id"), images.c.deleted_at.is_(None)).with_for_update()
)


def delete(
    connection: Connection,
    image_id: ImageId,
    may: Callable[[Connection, Image], bool],
    now: datetime,
    keep_until: Mapping[StoreId, datetime],
    purge_at: datetime | None = None,
) -> tuple[Image, Deleted] | None:
    """Delete an image; return it as it was, and what it leaves. None if it is gone already, or *may* says no.

    *keep_until*: see `lifecycle.mark_deleted`. *purge_at*: until when an image with data can be restored; None if no
    image can.
    """
    rows = HOLD.run(connection, {"image_id": image_id})
    if not rows or not may(connection, image := image_of(rows[0])):
        return None
    if purge_at is not None and image.has_data:
        deleted = trash.put(connection, image, now, purge_at)
    else:
        deleted = lifecycle.mark_deleted(connection, image_id, now, keep_until)
    return None if deleted is None else (image, deleted)
