"""Placements: which blobs have the bytes of an image, and when a blob has lost its last image.

Images with the same bytes in the same store share a blob: its placements are its reference count. Whoever adds or
removes one holds the row of the blob. Blobs are held in the order of their keys, and placements after them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, literal_column, select, update

from stillage.db.lookups import Keys, Lookup, Rows
from stillage.db.tables import blobs, placements
from stillage.errors import Conflict
from stillage.ids import BlobKey, BlobRef, ImageId, ProjectId, StoreId
from stillage.images.image import Placement

# Not the column itself: SQLite keeps no statistics, and would use the index of the state and read all published ones.
# Without parameters, for `Lookup`.
PUBLISHED = func.coalesce(blobs.c.state, literal_column("''")) == literal_column("'published'")


def ref_of(row: Any) -> BlobRef:
    """Return the blob in a row with the columns of `blobs`."""
    return BlobRef(StoreId(row.store), BlobKey(row.key))


def _keys(image_id: ImageId) -> Keys:
    return {"image_id": image_id}


def _placements(rows: Rows) -> tuple[Placement, ...]:
    return tuple(Placement(ref_of(row), row.damage) for row in rows)


OF_IMAGE = (
    select(blobs.c.store, blobs.c.key, blobs.c.damage)
    .join(placements, placements.c.blob_key == blobs.c.key)
    .where(placements.c.image_id == bindparam("image_id"), PUBLISHED)
    .order_by(placements.c.position)
)
of_image = Lookup(OF_IMAGE, _keys, _placements)
"""Returns the published placements of an image, in the order in which they were made."""


def of_images(connection: Connection, image_ids: Collection[ImageId]) -> Mapping[ImageId, Sequence[Placement]]:
    """Return the published placements of several images, as `of_image` does."""
    found: dict[ImageId, list[Placement]] = {}
    rows = connection.execute(
        select(placements.c.image_id, blobs.c.store, blobs.c.key, blobs.c.damage)
        .join(placements, placements.c.blob_key == blobs.c.key)
        .where(placements.c.image_id.in_(image_ids), PUBLISHED)
        .order_by(placements.c.position)
    )
    for row in rows:
        found.setdefault(ImageId(row.image_id), []).append(Placement(ref_of(row), row.damage))
    return found


def images_of(connection: Connection, keys: Collection[BlobKey]) -> Sequence[tuple[ImageId, BlobKey]]:
    """Return the images that have these blobs: several may have the same one."""
    its_own = select(placements.c.image_id, placements.c.blob_key).where(placements.c.blob_key.in_(keys))
    return [(ImageId(row.image_id), BlobKey(row.blob_key)) for row in connection.execute(its_own)]


def begin(
    connection: Connection, image_id: ImageId, blob: BlobRef, owner: ProjectId | None, reserve: int, now: datetime
) -> None:
    """Add a blob that is to be written, and its placement. *reserve* bytes count against *owner*, see `usage`."""
    connection.execute(insert(blobs).values(key=blob.key, store=blob.store, state="writing", created_at=now))
    before = select(func.coalesce(func.max(placements.c.position) + 1, 0)).where(placements.c.image_id == image_id)
    values = {"image_id": image_id, "blob_key": blob.key, "owner": owner, "reserved": reserve}
    connection.execute(insert(placements).values(**values, position=before.scalar_subquery()))


def owner_of(connection: Connection, blob: BlobRef) -> ProjectId | None:
    """Hold the only placement of a blob that is being written; return the project that it counts against."""
    of_it = placements.c.blob_key == blob.key
    owner: ProjectId | None = connection.execute(select(placements.c.owner).where(of_it).with_for_update()).scalar()
    return owner


def publish(connection: Connection, image_id: ImageId, blob: BlobRef, now: datetime, values: Mapping[str, Any]) -> int:
    """Publish a blob that was written, and count its real size; return how many bytes were reserved for it."""
    _hold(connection, blob.key)
    this_one = _is(image_id, blob)
    reserved: int = connection.execute(select(placements.c.reserved).where(this_one)).scalar_one()
    connection.execute(
        update(blobs).where(blobs.c.key == blob.key).values(state="published", scrubbed_at=now, **values)
    )
    connection.execute(update(placements).where(this_one).values(reserved=values["size"]))
    return reserved


def share(connection: Connection, image_id: ImageId, written: BlobRef, blob: BlobRef, size: int) -> int:
    """Let an image have *blob*, which is published, in place of *written*; return as `publish`. Nobody needs *written*.

    Raises:
        Conflict: If *blob* is gone, or a scrub found it damaged.
    """
    _hold(connection, written.key, blob.key)
    if connection.execute(select(blobs.c.key).where(_is_good(blob))).first() is None:
        raise Conflict("the server no longer has these bytes; send them")
    this_one = _is(image_id, written)
    reserved: int = connection.execute(select(placements.c.reserved).where(this_one)).scalar_one()
    connection.execute(update(placements).where(this_one).values(blob_key=blob.key, reserved=size))
    connection.execute(update(blobs).where(blobs.c.key == written.key).values(state="pending_delete"))
    return reserved


# Of a deletion, built once.
HOLD_BLOBS = (
    select(blobs.c.key, blobs.c.store)
    .join(placements, placements.c.blob_key == blobs.c.key)
    .where(placements.c.image_id == bindparam("of_image"), PUBLISHED)
    .order_by(blobs.c.key)
    .with_for_update(of=blobs)
)
FIND_SHARED = select(placements.c.blob_key).where(
    placements.c.image_id != bindparam("of_image"), placements.c.blob_key.in_(bindparam("keys", expanding=True))
)
LET_GO = (
    update(blobs)
    .where(blobs.c.key == bindparam("unneeded"))
    .values(state="pending_delete", kept_until=bindparam("until"))
)


@dataclass(frozen=True, slots=True)
class Removed:
    """What the removal of placements leaves to do.

    Attributes:
        blobs: That no image has any more: their bytes may be removed now. Until then they count.
        freed: How many bytes count no more, because another image has them.
    """

    blobs: tuple[BlobRef, ...]
    freed: int


NONE_REMOVED = Removed((), 0)


def remove(
    connection: Connection,
    image_id: ImageId,
    stores: Collection[StoreId] | None = None,
    *,
    keep_until: Mapping[StoreId, datetime],
) -> Removed:
    """Remove the published placements of an image; only those in *stores*, if given. The image's row is held.

    *keep_until*: the stores in which unneeded bytes stay for a while, for downloads that run.
    """
    query = HOLD_BLOBS if stores is None else HOLD_BLOBS.where(blobs.c.store.in_(stores))
    held = connection.execute(query, {"of_image": image_id}).all()
    if not held:
        return NONE_REMOVED
    keys = [row.key for row in held]
    shared = set(connection.execute(FIND_SHARED, {"of_image": image_id, "keys": keys}).scalars())
    alone = tuple(ref_of(row) for row in held if row.key not in shared)
    for blob in alone:
        connection.execute(LET_GO, {"unneeded": blob.key, "until": keep_until.get(blob.store)})
    removable = tuple(blob for blob in alone if blob.store not in keep_until)
    return Removed(removable, _forget(connection, image_id, shared) if shared else 0)


def forget_of_blob(connection: Connection, key: BlobKey) -> list[tuple[ProjectId | None, int]]:
    """Delete the placements of a blob whose bytes are gone; return the projects they counted against, and the bytes."""
    of_it = placements.c.blob_key == key
    rows = connection.execute(select(placements.c.owner, placements.c.reserved).where(of_it).with_for_update()).all()
    connection.execute(delete(placements).where(of_it))
    return [(row.owner, row.reserved) for row in rows]


def _forget(connection: Connection, image_id: ImageId, keys: Collection[BlobKey]) -> int:
    these = (placements.c.image_id == image_id) & placements.c.blob_key.in_(keys)
    freed: int = sum(connection.execute(select(placements.c.reserved).where(these).with_for_update()).scalars())
    connection.execute(delete(placements).where(these))
    return freed


def _is(image_id: ImageId, blob: BlobRef) -> ColumnElement[bool]:
    return (placements.c.image_id == image_id) & (placements.c.blob_key == blob.key)


def _is_good(blob: BlobRef) -> ColumnElement[bool]:
    return (blobs.c.key == blob.key) & PUBLISHED & blobs.c.damage.is_(None)


def _hold(connection: Connection, *keys: BlobKey) -> None:
    """Hold the rows of blobs, in the order of their keys."""
    connection.execute(select(blobs.c.key).where(blobs.c.key.in_(keys)).order_by(blobs.c.key).with_for_update()).all()
