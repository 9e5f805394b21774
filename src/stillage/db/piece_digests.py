"""Digests of the pieces of blobs: to find bytes that an upload need not bring. Plain functions of a connection.

An upload makes those of the first pieces, and leaves the others to upkeep (`operations/upkeep/digesting`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, literal_column, or_, select, update

from stillage.db.placements import PUBLISHED, ref_of
from stillage.db.tables import blob_pieces, blob_samples, blobs, image_members, images, placements
from stillage.formats.piece_digests import PieceList, first_unknown, overlaid
from stillage.ids import BlobKey, BlobRef, ImageId, ProjectId, StoreId
from stillage.images.image import Visibility
from stillage.images.status import Status

GOOD = PUBLISHED & blobs.c.damage.is_(None)
ALL_KNOWN = blobs.c.digests_due.is_(None)
# Not the column itself, as `PUBLISHED`: SQLite would read all active images.
ACTIVE = func.coalesce(images.c.status, literal_column("''")) == literal_column(f"'{Status.ACTIVE}'")


@dataclass(frozen=True, slots=True)
class Due:
    """A good blob of which digests are missing.

    Attributes:
        known: Its digests so far, as `formats.piece_digests.overlaid` makes them.
    """

    blob: BlobRef
    size: int
    known: bytes


DUE = (
    select(blobs.c.key, blobs.c.store, blobs.c.size, blobs.c.os_hash_value, blob_pieces.c.digests)
    .outerjoin(blob_pieces, blob_pieces.c.blob_key == blobs.c.key)
    .where(blobs.c.digests_due.is_not(None), GOOD)
)


def are_whole(packed: bytes, size: int) -> bool:
    """Whether *packed* has the digests of all pieces of *size* bytes that are ever made."""
    return not first_unknown(packed, size, 1)


def add(connection: Connection, key: BlobKey, packed: bytes, size: int) -> None:
    """Keep the digests of the first pieces of a blob of *size* bytes, which was just published."""
    note(connection, key, 0, packed)
    _index(connection, key, PieceList(0, packed, size))


def newest_due(connection: Connection, stores: Collection[StoreId]) -> Due | None:
    """Return the blob of *stores* that was published last of those of which digests are missing."""
    query = DUE.where(blobs.c.store.in_(stores)).order_by(blobs.c.digests_due.desc(), blobs.c.key).limit(1)
    return _due(connection, query)


def due_of(connection: Connection, key: BlobKey) -> Due | None:
    """Return the blob if digests of it are missing."""
    return _due(connection, DUE.where(blobs.c.key == key))


def _due(connection: Connection, query: Select[Any]) -> Due | None:
    row = connection.execute(query).first()
    if row is None:
        return None
    known = row.digests or _of_same_bytes(connection, row.os_hash_value, row.size)
    return Due(ref_of(row), row.size, known)


def _of_same_bytes(connection: Connection, os_hash_value: str, size: int) -> bytes:
    """Return all digests of another blob that has the same bytes; nothing if there is none."""
    query = (
        select(blob_pieces.c.digests)
        .join(blobs, blobs.c.key == blob_pieces.c.blob_key)
        .where(blobs.c.os_hash_value == os_hash_value, blobs.c.size == size, GOOD, ALL_KNOWN)
        .limit(1)
    )
    return connection.execute(query).scalar() or b""


def note(connection: Connection, key: BlobKey, first: int, packed: bytes) -> None:
    """Keep *packed*, digests of pieces of a blob from number *first* on, which may be `UNKNOWN`, beside those known."""
    if not packed or not _hold(connection, key):
        return
    known = connection.execute(select(blob_pieces.c.digests).where(blob_pieces.c.blob_key == key)).scalar()
    digests = overlaid(known or b"", first, packed)
    if digests == known:
        return
    if known is None:
        connection.execute(insert(blob_pieces).values(blob_key=key, digests=digests))
    else:
        connection.execute(update(blob_pieces).where(blob_pieces.c.blob_key == key).values(digests=digests))


def complete(connection: Connection, due: Due) -> None:
    """Keep that all digests of a blob are known."""
    key = due.blob.key
    note(connection, key, 0, due.known)
    if _forget_due(connection, key):
        _index(connection, key, PieceList(0, due.known, due.size))


def _index(connection: Connection, key: BlobKey, pieces: PieceList) -> None:
    """Let similar images be found by the samples of *pieces*."""
    connection.execute(delete(blob_samples).where(blob_samples.c.blob_key == key))
    samples = pieces.samples()
    if samples:
        connection.execute(insert(blob_samples), [{"sample": sample, "blob_key": key} for sample in samples])


def give_up(connection: Connection, key: BlobKey) -> None:
    """Do without digests of a blob, which cannot be read."""
    if _forget_due(connection, key):
        connection.execute(delete(blob_pieces).where(blob_pieces.c.blob_key == key))


def _hold(connection: Connection, key: BlobKey) -> bool:
    return connection.execute(select(blobs.c.key).where(blobs.c.key == key).with_for_update()).first() is not None


def _forget_due(connection: Connection, key: BlobKey) -> bool:
    is_due = (blobs.c.key == key) & blobs.c.digests_due.is_not(None)
    return connection.execute(update(blobs).where(is_due).values(digests_due=None)).rowcount == 1


def similar(connection: Connection, samples: Collection[int], project_id: ProjectId, limit: int) -> list[ImageId]:
    """Return active images that have some of *samples*, those with the most first.

    Of *project_id*, for all, or shared with it: rights are checked elsewhere.
    """
    shared = select(image_members.c.image_id).where(
        image_members.c.image_id == images.c.id, image_members.c.member_id == project_id
    )
    for_all = images.c.visibility.in_([Visibility.PUBLIC, Visibility.COMMUNITY])
    query = (
        select(images.c.id)
        .join(placements, placements.c.image_id == images.c.id)
        .join(blobs, blobs.c.key == placements.c.blob_key)
        .join(blob_samples, blob_samples.c.blob_key == blobs.c.key)
        .where(blob_samples.c.sample.in_(samples), GOOD, ACTIVE)
        .where(or_(images.c.owner == project_id, for_all, shared.exists()))
        .group_by(images.c.id)
        .order_by(func.count().desc(), images.c.created_at.desc())
        .limit(limit)
    )
    return [ImageId(image_id) for image_id in connection.execute(query).scalars()]


@dataclass(frozen=True, slots=True)
class KnownPieces:
    """A good blob, and the digests of its pieces; those of some if not *are_whole*."""

    blob: BlobRef
    pieces: PieceList
    are_whole: bool


def find_of_image(connection: Connection, image_id: ImageId) -> KnownPieces | None:
    """Return the first good copy of an image whose pieces are known."""
    query = (
        select(blobs.c.store, blobs.c.key, blobs.c.size, blobs.c.digests_due, blob_pieces.c.digests)
        .join(placements, placements.c.blob_key == blobs.c.key)
        .join(blob_pieces, blob_pieces.c.blob_key == blobs.c.key)
        .where(placements.c.image_id == image_id, GOOD)
        .order_by(placements.c.position)
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return KnownPieces(ref_of(row), PieceList(0, row.digests, row.size), row.digests_due is None)
