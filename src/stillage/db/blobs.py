"""Blobs: the bytes that they reserve, their deletion, and scrubs of them. Plain functions of a connection."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, func, or_, select, update

from stillage.db import placements, usage
from stillage.db.lifecycle import Claim
from stillage.db.tables import blobs, images
from stillage.db.tables import placements as placement_rows
from stillage.ids import BlobKey, BlobRef, ImageId, ProjectId, StoreId
from stillage.images.quota import Limits, Usage, scope_of_project

UNNEEDED = ("pending_delete", "removed")


def extend(connection: Connection, claim: Claim, more: int, limits: Limits) -> bool:
    """Reserve *more* bytes for an upload of unknown size. False if the upload has ended.

    Raises:
        QuotaExceeded: If they exceed the project's quota.
    """
    if (placement := _hold_unfinished(connection, claim.blob)) is None:
        return False
    _reserve(connection, claim.blob, placement.owner, more, limits)
    return True


def reserve(connection: Connection, blob: BlobRef, size: int, limits: Limits) -> None:
    """Reserve *size* bytes in total, if that is more than an upload to *blob* has reserved.

    Raises:
        QuotaExceeded: If they exceed the project's quota.
    """
    placement = _hold_unfinished(connection, blob)
    if placement is not None and placement.reserved < size:
        _reserve(connection, blob, placement.owner, size - placement.reserved, limits)


def _hold_unfinished(connection: Connection, blob: BlobRef) -> Any:
    """Hold a blob that is being written; return its placement, the only one, held. None if it is not written."""
    # The blob first, as in every transaction; this locks the placement against `_hand_over`.
    unfinished = (blobs.c.key == blob.key) & (blobs.c.state == "writing")
    if connection.execute(select(blobs.c.key).where(unfinished).with_for_update()).first() is None:
        return None
    of_it = placement_rows.c.blob_key == blob.key
    return connection.execute(select(placement_rows).where(of_it).with_for_update()).one()


def _reserve(connection: Connection, blob: BlobRef, owner: ProjectId | None, more: int, limits: Limits) -> None:
    of_it = placement_rows.c.blob_key == blob.key
    connection.execute(update(placement_rows).where(of_it).values(reserved=placement_rows.c.reserved + more))
    usage.change(connection, scope_of_project(owner), Usage(bytes=more), limits)


RESERVED = select(func.sum(placement_rows.c.reserved)).where(placement_rows.c.blob_key == blobs.c.key).scalar_subquery()


def held_by(connection: Connection, store: StoreId) -> tuple[int, int]:
    """Return how many bytes a store has, those reserved by running uploads too, and in how many blobs."""
    there = (blobs.c.store == store) & (blobs.c.state != "removed")
    size, count = func.coalesce(func.sum(func.coalesce(blobs.c.size, RESERVED)), 0), func.count()
    row = connection.execute(select(size, count).where(there)).one()
    return int(row[0]), int(row[1])


def pending_delete(connection: Connection, store: StoreId, now: datetime, limit: int) -> list[BlobRef]:
    """Return blobs of a store whose bytes are to be removed, now or once more."""
    due = blobs.c.state.in_(UNNEEDED) & or_(blobs.c.kept_until.is_(None), blobs.c.kept_until < now)
    rows = connection.execute(select(blobs.c.key, blobs.c.store).where(due, blobs.c.store == store).limit(limit))
    return [placements.ref_of(row) for row in rows]


def with_late_pieces(connection: Connection, store: StoreId, now: datetime, limit: int) -> list[BlobRef]:
    """Return published blobs of a store in which pieces of them may be left, and will not become more."""
    due = placements.PUBLISHED & (blobs.c.kept_until < now)
    rows = connection.execute(select(blobs.c.key, blobs.c.store).where(due, blobs.c.store == store).limit(limit))
    return [placements.ref_of(row) for row in rows]


def forget_late_pieces(connection: Connection, key: BlobKey) -> None:
    """Record that nothing is left in the store of a published blob but its bytes."""
    published = (blobs.c.key == key) & (blobs.c.state == "published")
    connection.execute(update(blobs).where(published).values(kept_until=None))


def stores_in_use(connection: Connection) -> set[StoreId]:
    """Return the stores that blobs are in. Reads all of them."""
    return {StoreId(store) for store in connection.execute(select(blobs.c.store).distinct()).scalars()}


def states_of_blobs(connection: Connection, keys: Sequence[BlobKey]) -> dict[str, str]:
    """Return the states of those of *keys* that have a row."""
    states: dict[str, str] = {}
    for start in range(0, len(keys), 500):  # SQLite limits the parameters of a statement
        named = blobs.c.key.in_(keys[start : start + 500])
        states |= {row.key: row.state for row in connection.execute(select(blobs.c.key, blobs.c.state).where(named))}
    return states


@dataclass(frozen=True, slots=True)
class Stored:
    """A published blob, with the size and the digests of its bytes at upload."""

    blob: BlobRef
    size: int
    checksum: str
    os_hash_algo: str
    os_hash_value: str
    scrubbed_at: datetime


def take_for_scrub(
    connection: Connection,
    stores: Collection[StoreId],
    before: datetime,
    now: datetime,
    *,
    damaged_only: bool = False,
) -> Stored | None:
    """Return the published blob of *stores* that was scrubbed the longest ago, and record it as scrubbed *now*.

    None if all were scrubbed after *before*. Two who ask at once get two blobs. *damaged_only*: only those marked.
    """
    due = (blobs.c.state == "published") & (blobs.c.scrubbed_at < before) & blobs.c.store.in_(stores)
    if damaged_only:
        due &= blobs.c.damage.is_not(None)
    query = select(blobs).where(due).order_by(blobs.c.scrubbed_at).limit(1).with_for_update(skip_locked=True)
    row = connection.execute(query).first()
    if row is None:
        return None
    connection.execute(update(blobs).where(blobs.c.key == row.key).values(scrubbed_at=now))
    digests = (row.checksum, row.os_hash_algo, row.os_hash_value)
    return Stored(placements.ref_of(row), row.size, *digests, row.scrubbed_at)


def give_back_to_scrub(connection: Connection, stored: Stored) -> None:
    """Undo `take_for_scrub`: the blob could not be read to its end."""
    this_blob = blobs.c.key == stored.blob.key
    connection.execute(update(blobs).where(this_blob).values(scrubbed_at=stored.scrubbed_at))


def set_damage(connection: Connection, blob: BlobRef, damage: str | None) -> list[ImageId]:
    """Mark a blob as damaged; None clears the mark. Return its images, none if they were deleted meanwhile.

    An image is marked as well while none of its copies is good.
    """
    image_ids = _hold_images_of(connection, blob)
    published = (blobs.c.key == blob.key) & (blobs.c.state == "published")
    if connection.execute(update(blobs).where(published).values(damage=damage)).rowcount == 0:
        return []
    shown = None if damage is None else case((_has_good_copy(), None), else_=damage)
    connection.execute(update(images).where(_has_blob(blob)).values(damage=shown))
    return image_ids


def _hold_images_of(connection: Connection, blob: BlobRef) -> list[ImageId]:
    """Hold the rows of all images that have *blob*.

    Who gives it to another image holds one that has it (`uploads.hold_source`): once we hold all, there is no other.
    """
    query = select(images.c.id).where(_has_blob(blob)).order_by(images.c.id).with_for_update()
    held: list[ImageId] = []
    while (found := list(connection.execute(query).scalars())) != held:
        held = found
    return held


def _has_blob(blob: BlobRef) -> ColumnElement[bool]:
    return images.c.id.in_(select(placement_rows.c.image_id).where(placement_rows.c.blob_key == blob.key))


def _has_good_copy() -> ColumnElement[bool]:
    good = blobs.c.damage.is_(None) & placements.PUBLISHED
    query = select(blobs.c.key).join(placement_rows, placement_rows.c.blob_key == blobs.c.key)
    return query.where(placement_rows.c.image_id == images.c.id, good).exists()


def learn_sha256(connection: Connection, key: BlobKey, sha256: str) -> None:
    """Record the SHA-256 of a blob's bytes, if it has none."""
    connection.execute(update(blobs).where(blobs.c.key == key, blobs.c.sha256.is_(None)).values(sha256=sha256))


@dataclass(frozen=True, slots=True)
class Inside:
    """What is in a published blob: see `Content`."""

    found: str | None
    data_map: bytes | None


def inside(connection: Connection, image_id: ImageId) -> Inside:
    """Return what the first copy's blob says of the bytes of an image."""
    its_blobs = select(blobs.c.found, blobs.c.data_map).join(placement_rows, placement_rows.c.blob_key == blobs.c.key)
    its_own = (placement_rows.c.image_id == image_id) & placements.PUBLISHED
    row = connection.execute(its_blobs.where(its_own).order_by(placement_rows.c.position)).first()
    return Inside(None, None) if row is None else Inside(row.found, row.data_map)


def is_published(connection: Connection, key: BlobKey) -> bool:
    return connection.execute(select(blobs.c.state).where(blobs.c.key == key)).scalar() == "published"


def forget_blob(connection: Connection, key: BlobKey) -> None:
    """Delete the row of a blob whose bytes are gone, and release what it reserved."""
    if _release(connection, key):
        connection.execute(delete(blobs).where(blobs.c.key == key))


def look_again(connection: Connection, key: BlobKey, now: datetime, at: datetime) -> None:
    """As `forget_blob`, but keep the row until *at*, and until the bytes were removed once more after that."""
    if _release(connection, key):
        connection.execute(update(blobs).where(blobs.c.key == key).values(state="removed", kept_until=at))
    else:
        is_over = (blobs.c.key == key) & (blobs.c.state == "removed") & (blobs.c.kept_until < now)
        connection.execute(delete(blobs).where(is_over))


def _release(connection: Connection, key: BlobKey) -> bool:
    """Release what a blob reserved whose bytes are gone; hold its row. False if it is not pending_delete."""
    this_blob = (blobs.c.key == key) & (blobs.c.state == "pending_delete")
    if connection.execute(select(blobs.c.key).where(this_blob).with_for_update()).first() is None:
        return False
    counted = placements.forget_of_blob(connection, key)
    for owner, reserved in counted:
        usage.change(connection, scope_of_project(owner), Usage(bytes=-reserved))
    return True
