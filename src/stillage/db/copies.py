"""Copies of an image in several stores: remove one of them. Plain functions of a connection."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from stillage.db import placements, usage
from stillage.db.lifecycle import NOT_KEPT
from stillage.db.tables import images
from stillage.errors import Conflict, Forbidden, NotFound
from stillage.ids import BlobRef, ImageId, StoreId
from stillage.images.quota import Usage, scope_of_project
from stillage.images.status import Status


def remove(
    connection: Connection,
    image_id: ImageId,
    store: StoreId,
    now: datetime,
    keep_until: Mapping[StoreId, datetime] = NOT_KEPT,
) -> Sequence[BlobRef]:
    """Remove the placement of an active image in *store*; return as `lifecycle.mark_deleted`.

    Raises:
        Conflict: If the image is not active.
        Forbidden: If no other copy is good.
        NotFound: If it has no copy there.
    """
    active = (images.c.id == image_id) & (images.c.status == Status.ACTIVE)
    owner = connection.execute(select(images.c.owner).where(active).with_for_update()).first()
    if owner is None:
        raise Conflict(f"image {image_id} is not active; only active images have copies to delete")
    placed = placements.of_image(connection, image_id)
    rest = [placement for placement in placed if placement.blob.store != store]
    # Before the next check, as in Glance.
    if not rest:
        raise Forbidden(f"this is the last copy of image {image_id}; delete the image instead")
    if len(rest) == len(placed):
        raise NotFound(f"image {image_id} has no copy in the store {store!r}")
    if all(placement.damage is not None for placement in rest):
        raise Forbidden(f"all other copies of image {image_id} are damaged; this one is kept")
    removed = placements.remove(connection, image_id, [store], keep_until=keep_until)
    stores = tuple(placement.blob.store for placement in rest)
    connection.execute(update(images).where(images.c.id == image_id).values(stores=stores, updated_at=now))
    if removed.freed:
        usage.change(connection, scope_of_project(owner.owner), Usage(bytes=-removed.freed))
    return removed.blobs
