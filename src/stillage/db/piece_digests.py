"""Digests of the pieces of blobs: to find bytes that an upload need not bring. Plain functions of a connection."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, literal_column, or_, select

from stillage.db.placements import PUBLISHED, ref_of
from stillage.db.tables import blob_pieces, blob_samples, blobs, image_members, images, placements
from stillage.formats.piece_digests import PieceList
from stillage.ids import BlobKey, BlobRef, ImageId, ProjectId
from stillage.images.image import Visibility
from stillage.images.status import Status

GOOD = PUBLISHED & blobs.c.damage.is_(None)
# Not the column itself, as `PUBLISHED`: SQLite would read all active images.
ACTIVE = func.coalesce(images.c.status, literal_column("''")) == literal_column(f"'{Status.ACTIVE}'")


def add(connection: Connection, key: BlobKey, packed: bytes, size: int) -> None:
    """Keep the digests of the pieces of a blob of *size* bytes, which was just published."""
    if not packed:
        return
    connection.execute(insert(blob_pieces).values(blob_key=key, digests=packed))
    samples = PieceList(0, packed, size).samples()
    if samples:
        connection.execute(insert(blob_samples), [{"sample": sample, "blob_key": key} for sample in samples])


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
    """A good blob, and the digests of its pieces."""

    blob: BlobRef
    pieces: PieceList


def find_of_image(connection: Connection, image_id: ImageId) -> KnownPieces | None:
    """Return the first good copy of an image whose pieces are known."""
    query = (
        select(blobs.c.store, blobs.c.key, blobs.c.size, blob_pieces.c.digests)
        .join(placements, placements.c.blob_key == blobs.c.key)
        .join(blob_pieces, blob_pieces.c.blob_key == blobs.c.key)
        .where(placements.c.image_id == image_id, GOOD)
        .order_by(placements.c.position)
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else KnownPieces(ref_of(row), PieceList(0, row.digests, row.size))
