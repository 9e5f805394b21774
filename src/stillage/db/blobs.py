"""Blobs: the bytes that they reserve, their deletion, and scrubs of them. Plain functions of a connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, or_, select, update

from stillage.db import usage
from stillage.db.lifecycle import Claim
from stillage.db.tables import blobs, images
from stillage.ids import BlobKey, ImageId
from stillage.images.quota import Limits, Usage, scope_of_project


def extend(connection: Connection, claim: Claim, more: int, limits: Limits) -> bool:
    """Reserve *more* bytes for an upload of unknown size. False if the upload has ended.

    Raises:
        QuotaExceeded: If they exceed the project's quota.
    """
    unfinished = (blobs.c.key == claim.blob_key) & (blobs.c.state == "writing")
    # The blob first, as in every transaction; this locks it against `_hand_over`.
    if connection.execute(update(blobs).where(unfinished).values(reserved=blobs.c.reserved + more)).rowcount == 0:
        return False
    owner = connection.execute(select(blobs.c.owner).where(unfinished)).scalar()
    usage.change(connection, scope_of_project(owner), Usage(bytes=more), limits)
    return True


def reserve(connection: Connection, key: BlobKey, size: int, limits: Limits) -> None:
    """Reserve *size* bytes in total, if that is more than the blob has reserved.

    Raises:
        QuotaExceeded: If they exceed the project's quota.
    """
    row = connection.execute(
        select(blobs.c.owner, blobs.c.reserved).where(blobs.c.key == key, blobs.c.state == "writing").with_for_update()
    ).first()
    if row is None or row.reserved >= size:
        return
    connection.execute(update(blobs).where(blobs.c.key == key).values(reserved=size))
    usage.change(connection, scope_of_project(row.owner), Usage(bytes=size - row.reserved), limits)


def pending_delete(connection: Connection, now: datetime, limit: int) -> list[BlobKey]:
    """Return blobs whose bytes are to be removed, and not kept any longer for downloads that run."""
    due = (blobs.c.state == "pending_delete") & or_(blobs.c.kept_until.is_(None), blobs.c.kept_until < now)
    return [BlobKey(key) for key in connection.execute(select(blobs.c.key).where(due).limit(limit)).scalars()]


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

    key: BlobKey
    image_id: ImageId
    size: int
    checksum: str
    os_hash_algo: str
    os_hash_value: str
    scrubbed_at: datetime


def take_for_scrub(
    connection: Connection, before: datetime, now: datetime, *, damaged_only: bool = False
) -> Stored | None:
    """Return the published blob that was scrubbed the longest ago, and record it as scrubbed *now*.

    None if all were scrubbed after *before*. Two who ask at once get two blobs. *damaged_only*: of images that are
    marked, and no others.
    """
    due = (blobs.c.state == "published") & (blobs.c.scrubbed_at < before)
    if damaged_only:
        due &= blobs.c.key.in_(select(images.c.blob_key).where(images.c.damage.is_not(None)))
    query = select(blobs).where(due).order_by(blobs.c.scrubbed_at).limit(1).with_for_update(skip_locked=True)
    row = connection.execute(query).first()
    if row is None:
        return None
    connection.execute(update(blobs).where(blobs.c.key == row.key).values(scrubbed_at=now))
    digests = (row.checksum, row.os_hash_algo, row.os_hash_value)
    return Stored(BlobKey(row.key), ImageId(row.image_id), row.size, *digests, row.scrubbed_at)


def give_back_to_scrub(connection: Connection, stored: Stored) -> None:
    """Undo `take_for_scrub`: the blob could not be read to its end."""
    connection.execute(update(blobs).where(blobs.c.key == stored.key).values(scrubbed_at=stored.scrubbed_at))


def set_damage(connection: Connection, stored: Stored, damage: str | None) -> bool:
    """Mark the image of a blob as damaged; None clears the mark. False if the image was deleted meanwhile.

    Other blobs with the same bytes may share them on disk; they become due for a scrub as this one was.
    """
    its_image = (images.c.id == stored.image_id) & (images.c.blob_key == stored.key)
    if connection.execute(update(images).where(its_image).values(damage=damage)).rowcount == 0:
        return False
    if damage is not None:
        _let_be_due(connection, stored)
    return True


def _let_be_due(connection: Connection, stored: Stored) -> None:
    same = (blobs.c.os_hash_algo == stored.os_hash_algo) & (blobs.c.os_hash_value == stored.os_hash_value)
    later = same & (blobs.c.state == "published") & (blobs.c.scrubbed_at > stored.scrubbed_at)
    # Not those already marked: two damaged blobs would make each other due for ever.
    unmarked = select(images.c.blob_key).where(images.c.blob_key == blobs.c.key, images.c.damage.is_(None))
    query = select(blobs.c.key).where(later, unmarked.exists()).order_by(blobs.c.key).with_for_update()
    keys = connection.execute(query).scalars().all()
    connection.execute(update(blobs).where(blobs.c.key.in_(keys)).values(scrubbed_at=stored.scrubbed_at))


def learn_sha256(connection: Connection, key: BlobKey, sha256: str) -> None:
    """Record the SHA-256 of a blob's bytes, if it has none."""
    connection.execute(update(blobs).where(blobs.c.key == key, blobs.c.sha256.is_(None)).values(sha256=sha256))


@dataclass(frozen=True, slots=True)
class Inside:
    """What is in a published blob: see `Content`."""

    found: str | None
    data_map: bytes | None


def inside(connection: Connection, key: BlobKey) -> Inside:
    row = connection.execute(select(blobs.c.found, blobs.c.data_map).where(blobs.c.key == key)).first()
    return Inside(None, None) if row is None else Inside(row.found, row.data_map)


def is_published(connection: Connection, key: BlobKey) -> bool:
    return connection.execute(select(blobs.c.state).where(blobs.c.key == key)).scalar() == "published"


def forget_blob(connection: Connection, key: BlobKey) -> None:
    """Delete the row of a blob whose bytes are gone, and release what it reserved."""
    this_blob = (blobs.c.key == key) & (blobs.c.state == "pending_delete")
    row = connection.execute(select(blobs.c.owner, blobs.c.reserved).where(this_blob).with_for_update()).first()
    if row is not None:
        connection.execute(delete(blobs).where(this_blob))
        usage.change(connection, scope_of_project(row.owner), Usage(bytes=-row.reserved))
