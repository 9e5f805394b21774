"""Resumable uploads. Plain functions of a connection, run by `Database.read` and `Database.write`.

A resumable upload is an upload (`lifecycle.claim`, `publish`, `release` are its beginning and its ends) which lives on
between requests. Its bytes are counted here: only those that are durable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, delete, exists, func, or_, select, update

from stillage.db import images as db_images
from stillage.db import lifecycle, parts, spans
from stillage.db.blobs import reserve
from stillage.db.leases import Dead, Lease, LeaseOwner, is_of
from stillage.db.lifecycle import RESUMABLE, Claim
from stillage.db.placements import PUBLISHED
from stillage.db.rights import grant_of
from stillage.db.tables import blobs, image_members, images, placements, upload_results, upload_spans, uploads
from stillage.errors import Conflict, SizeChanged
from stillage.ids import BlobKey, BlobRef, ImageId, ProjectId, StoreId, UploadId
from stillage.images.access import Seen
from stillage.images.image import Content, Image
from stillage.images.quota import Limits, Quotas
from stillage.images.status import Status
from stillage.images.upload import Digests, Expected, Grant, Kept, Upload
from stillage.spans import Span

STRONG = frozenset({"sha256", "sha384", "sha512"})
"""Algorithms whose digests identify bytes."""
VERIFICATION = Lease(uploads.c.verifier, uploads.c.verifier_expires_at)


def begin(
    connection: Connection, claim: Claim, expected: Expected, now: datetime, expires_at: datetime, limits: Limits,
    reserve: int, rights: Grant | None = None, after: Status = Status.SAVING,
) -> Image | None:  # fmt: skip
    """Claim the image for a resumable upload and return it; None if it was not `queued`. See `lifecycle.claim`.

    *rights*: what the upload needs to continue.
    """
    image = lifecycle.claim(connection, claim, now, expires_at, Quotas(project=limits), reserve, after)
    if image is not None:
        declared = [list(digest) for digest in expected.digests]
        values = {"digests": declared, "metadata": expected.metadata, "rights": rights and asdict(rights)}
        connection.execute(update(uploads).where(uploads.c.id == claim.upload_id).values(values))
    return image


def find(connection: Connection, upload_id: UploadId) -> Upload | None:
    """Return the upload while it holds its image; None before and after."""
    return _find(connection, uploads.c.id == upload_id)


def find_of_image(connection: Connection, image_id: ImageId) -> Upload | None:
    """Return the resumable upload that holds the image now."""
    return _find(connection, uploads.c.image_id == image_id)


def claim_of(connection: Connection, upload_id: UploadId) -> Claim | None:
    row = connection.execute(lifecycle.CLAIMS.where(uploads.c.id == upload_id)).first()
    return None if row is None else lifecycle.claim_of(row)


@dataclass(frozen=True, slots=True)
class UploadResult:
    """How an upload ended: well, with *size* bytes, or not, for a *reason*, perhaps with the facts of a verdict."""

    image_id: ImageId
    size: int | None
    reason: str | None
    refusal: Mapping[str, Any] | None


def find_result(connection: Connection, upload_id: UploadId) -> UploadResult | None:
    row = connection.execute(select(upload_results).where(upload_results.c.id == upload_id)).first()
    return None if row is None else UploadResult(ImageId(row.image_id), row.size, row.reason, row.refusal)


def find_last_result(connection: Connection, image_id: ImageId) -> UploadResult | None:
    """Return how the last upload to the image ended that was resumable."""
    of_it = select(upload_results).where(upload_results.c.image_id == image_id)
    row = connection.execute(of_it.order_by(upload_results.c.ended_at.desc()).limit(1)).first()
    return None if row is None else UploadResult(image_id, row.size, row.reason, row.refusal)


def forget_results(connection: Connection, before: datetime) -> int:
    return connection.execute(delete(upload_results).where(upload_results.c.ended_at < before)).rowcount


def take_over(connection: Connection, upload: Upload, rights: Grant) -> Upload | None:
    """Make the upload depend on *rights*, unless another request was faster; return it, None if it has ended."""
    unchanged = (uploads.c.id == upload.id) & (uploads.c.generation == upload.generation)
    values = {"rights": asdict(rights), "generation": upload.generation + 1}
    connection.execute(update(uploads).where(unchanged).values(values))
    return find(connection, upload.id)


def keep(connection: Connection, upload_id: UploadId, expires_at: datetime) -> Upload | None:
    """Prolong the upload until *expires_at*; return it, None if it has ended."""
    open_upload = uploads.c.id == upload_id
    if connection.execute(update(uploads).where(open_upload).values(lease_expires_at=expires_at)).rowcount == 0:
        return None
    return find(connection, upload_id)


def count(
    connection: Connection,
    upload_id: UploadId,
    span: Span,
    expires_at: datetime,
    kept: Sequence[Kept] = (),
    compared: Sequence[Span] = (),
) -> Upload | None:
    """Add *span*, whose bytes are durable; return the upload, None if it has ended.

    *kept* and *compared*: see `parts.add`, also for what it raises.
    """
    open_upload = uploads.c.id == upload_id
    # The row first, so that of two requests one waits for the other.
    if connection.execute(update(uploads).where(open_upload).values(lease_expires_at=expires_at)).rowcount == 0:
        return None
    if kept:
        parts.add(connection, upload_id, kept, span, spans.uncounted(connection, upload_id, span), compared)
    spans.add(connection, upload_id, span)
    return find(connection, upload_id)


def tell_size(connection: Connection, upload_id: UploadId, size: int, limits: Limits) -> Upload | None:
    """Set the size of the whole upload; None if it has ended.

    Raises:
        SizeChanged: If another size was set before, or bytes beyond it have arrived.
        QuotaExceeded: If it exceeds the project's quota.
    """
    # The blob first, as in every transaction: the one that ends the upload locks the blob, then the upload.
    its_blob = blobs.c.key == select(uploads.c.blob_key).where(uploads.c.id == upload_id).scalar_subquery()
    connection.execute(select(blobs.c.key).where(its_blob).with_for_update())
    unknown = (uploads.c.id == upload_id) & uploads.c.expected_size.is_(None)
    is_set = connection.execute(update(uploads).where(unknown).values(expected_size=size)).rowcount == 1
    upload = find(connection, upload_id)
    if upload is None:
        return None
    if upload.size != size:
        raise SizeChanged(upload.size or 0, size)
    if is_set:
        if (end := spans.last_end(connection, upload_id)) > size:
            raise SizeChanged(end, size)
        reserve(connection, upload.blob, size, limits)
    return upload


def take_verification(
    connection: Connection, upload_id: UploadId, owner: LeaseOwner, now: datetime, until: datetime
) -> bool:
    """Make *owner* the verifier of the upload. False while it has another."""
    free = or_(VERIFICATION.is_free(now), VERIFICATION.is_held_by(owner))
    values = VERIFICATION.values(owner, until)
    return connection.execute(update(uploads).where(uploads.c.id == upload_id, free).values(values)).rowcount == 1


def keep_verification(
    connection: Connection, upload_id: UploadId, owner: LeaseOwner, until: datetime, verified: int
) -> Upload | None:
    """Renew the verifier's lease at *verified* bytes; return the upload, None if it ended or has another verifier."""
    held = (uploads.c.id == upload_id) & VERIFICATION.is_held_by(owner)
    values = VERIFICATION.values(owner, until) | {"verified": verified}
    if connection.execute(update(uploads).where(held).values(values)).rowcount == 0:
        return None
    return find(connection, upload_id)


def drop_verification(connection: Connection, upload_id: UploadId, owner: LeaseOwner) -> None:
    held = (uploads.c.id == upload_id) & VERIFICATION.is_held_by(owner)
    connection.execute(update(uploads).where(held).values(VERIFICATION.values(None, None)))


def drop_verifications_of(connection: Connection, dead: Dead) -> None:
    """Let others verify what *dead* was verifying."""
    held = is_of(dead, VERIFICATION.owner)
    connection.execute(update(uploads).where(held).values(VERIFICATION.values(None, None)))


_OF_IT = upload_spans.c.upload_id == uploads.c.id
_BEGINNING = select(upload_spans.c.end).where(_OF_IT, upload_spans.c.first == 0).scalar_subquery()
OPEN = (
    select(uploads, blobs.c.store, images.c.owner, images.c.status)
    .add_columns(_BEGINNING.label("offset"), exists().where(_OF_IT).label("has_bytes"))
    .join(images, (images.c.id == uploads.c.image_id) & (images.c.upload_id == uploads.c.id))
    .join(blobs, blobs.c.key == uploads.c.blob_key)
    .where(RESUMABLE)
)
"""Selects the resumable uploads that hold their images; `upload_of` reads a row."""


def _find(connection: Connection, which: Any) -> Upload | None:
    row = connection.execute(OPEN.where(which)).first()
    return None if row is None else upload_of(row)


def upload_of(row: Any) -> Upload:
    """Return the upload in a row of `OPEN`."""
    return Upload(
        id=UploadId(row.id),
        image_id=ImageId(row.image_id),
        project_id=ProjectId(row.owner or ""),
        blob=BlobRef(StoreId(row.store), BlobKey(row.blob_key)),
        created_at=row.created_at,
        expires_at=row.lease_expires_at,
        size=row.expected_size,
        digests=tuple((name, value) for name, value in row.digests or ()),
        metadata=row.metadata,
        offset=row.offset or 0,
        has_bytes=bool(row.has_bytes),
        verified=row.verified,
        rights=None if row.rights is None else grant_of(row.rights),
        generation=row.generation,
        staged=row.status == Status.UPLOADING,
    )


def bound_to(connection: Connection, image_id: ImageId, upload_id: UploadId) -> tuple[ProjectId, int]:
    """Return what else a capability is bound to: the project of its image, and the generation of its upload.

    Also of an image that was deleted, and of an upload that has ended.
    """
    owner = connection.execute(select(images.c.owner).where(images.c.id == image_id)).scalar()
    open_, ended = (select(table.c.generation).where(table.c.id == upload_id) for table in (uploads, upload_results))
    generation = connection.execute(open_.union_all(ended)).scalar()
    return ProjectId(owner or ""), generation or 0


def unverified(connection: Connection, now: datetime, limit: int = 10, after: str = "") -> list[Upload]:
    """Return complete uploads that no process verifies, ordered by id; only those *after* that id.

    Staged ones are verified when they are imported.
    """
    all_there = select(upload_spans.c.upload_id).where(
        upload_spans.c.upload_id == uploads.c.id,
        upload_spans.c.first == 0,
        upload_spans.c.end >= uploads.c.expected_size,
    )
    whole = or_(uploads.c.expected_size == 0, all_there.exists())
    staged = select(images.c.id).where(images.c.id == uploads.c.image_id, images.c.status == Status.UPLOADING)
    next_ones = (uploads.c.id > after) & RESUMABLE & ~staged.exists()
    query = select(uploads.c.id).where(next_ones, VERIFICATION.is_free(now), whole).order_by(uploads.c.id).limit(limit)
    waiting = [find(connection, UploadId(upload_id)) for upload_id in connection.execute(query).scalars().all()]
    return [upload for upload in waiting if upload is not None]


def with_bytes(
    connection: Connection, digests: Digests, size: int, store: StoreId, project_id: ProjectId, limit: int = 20
) -> list[Seen]:
    """Return active images with a good copy in *store* that has *size* and *digests*, as *project_id* sees them.

    At least one strong digest of each matches, and no recorded digest differs.
    """
    # MD5 and SHA-1 have collisions: a query by them alone finds nothing.
    strong = [(name, value) for name, value in digests if name in STRONG]
    if not strong:
        return []
    same = [and_(blobs.c.os_hash_algo == name, blobs.c.os_hash_value == value) for name, value in strong]
    same += [blobs.c.sha256 == value for name, value in strong if name == "sha256"]
    no_other = [func.coalesce(_known(name), value) == value for name, value in digests]
    # From the digest to the blob to its images.
    good = (blobs.c.size == size) & (blobs.c.store == store) & blobs.c.damage.is_(None)
    query = (
        select(images.c.id)
        .join(placements, placements.c.image_id == images.c.id)
        .join(blobs, blobs.c.key == placements.c.blob_key)
        .where(good, PUBLISHED, images.c.status == Status.ACTIVE, or_(*same), *no_other)
        .order_by(images.c.created_at.desc())
        .limit(limit)
    )
    images_seen = [db_images.find_seen(connection, i, project_id) for i in connection.execute(query).scalars().all()]
    return [seen for seen in images_seen if seen is not None]


def _known(name: str) -> ColumnElement[str | None]:
    """The digest *name* of a blob's bytes; NULL if it is not recorded."""
    shown = case((blobs.c.os_hash_algo == name, blobs.c.os_hash_value))
    other = {"md5": blobs.c.checksum, "sha256": blobs.c.sha256}.get(name)
    return shown if other is None else func.coalesce(shown, other)


def hold_source(connection: Connection, source: Image, project_id: ProjectId) -> None:
    """Lock *source* and its share with the project: nobody changes or unshares it before this transaction has ended."""
    connection.execute(select(images.c.id).where(images.c.id == source.id).with_for_update(read=True))
    member = (image_members.c.image_id == source.id) & (image_members.c.member_id == project_id)
    connection.execute(select(image_members.c.image_id).where(member).with_for_update(read=True))


def publish_same(
    connection: Connection, claim: Claim, content: Content, source: Image, blob: BlobRef, now: datetime
) -> Image | None:
    """As `lifecycle.publish`, with *blob* of *source*, whose row is held.

    Raises:
        Conflict: If *source* no longer has these bytes, or a scrub found them damaged.
    """
    has_it = (placements.c.image_id == source.id) & (placements.c.blob_key == blob.key)
    if connection.execute(select(placements.c.image_id).where(has_it)).first() is None:
        raise Conflict("the server no longer has these bytes; send them")
    return lifecycle.publish(connection, claim, content, now, blob)
