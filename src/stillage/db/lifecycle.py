"""The life of an image: every change of its status. Plain functions of a connection.

Each is one compare-and-set that names the state it expects, and from `saving` on the upload that holds the image; zero
rows changed means that somebody else was first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from stillage.db import pieces, usage
from stillage.db.images import get, set_properties
from stillage.db.tables import blobs, image_members, image_properties, image_tags, images, upload_results, uploads
from stillage.images.image import BlobKey, Content, Image, ImageId, ProjectId, UploadId
from stillage.images.quota import Quotas, Usage, scope_of_node, scope_of_project
from stillage.images.status import Status

NO_QUOTAS = Quotas()
RESUMABLE = "resumable/"
"""The lease owner of resumable uploads."""
RESULTS_KEPT = 16
"""How many ended uploads of one image are remembered."""


def move(connection: Connection, image_id: ImageId, before: Status, after: Status, now: datetime) -> bool:
    """Change the status from *before* to *after*. False if it was not *before*."""
    there = (images.c.id == image_id) & (images.c.status == before)
    return connection.execute(update(images).where(there).values(status=after, updated_at=now)).rowcount == 1


def mark_deleted(connection: Connection, image_id: ImageId, now: datetime) -> list[BlobKey] | None:
    """Delete the image, from any status, and mark its blobs for deletion. Return the keys whose bytes may be removed.

    The row stays, so that the id is never used again, and keeps nothing that could be large.

    None if there is no such image any more.

    The blob of an upload in flight is not among them: its uploader notices, and removes it. A resumable upload ends
    here; who sends a piece of it notices.
    """
    values = {"status": Status.DELETED, "deleted_at": now, "updated_at": now, "blob_key": None, "upload_id": None}
    # Its name stays: a list in the order of names goes on behind it.
    values |= {"tags": [], "properties": {}, "reason": None, "damage": None}
    changed = connection.execute(
        update(images).where(images.c.id == image_id, images.c.deleted_at.is_(None)).values(values)
    )
    if changed.rowcount == 0:
        return None
    owner = connection.execute(select(images.c.owner).where(images.c.id == image_id)).scalar()
    connection.execute(delete(image_tags).where(image_tags.c.image_id == image_id))
    connection.execute(delete(image_properties).where(image_properties.c.image_id == image_id))
    connection.execute(delete(image_members).where(image_members.c.image_id == image_id))
    published = (blobs.c.image_id == image_id) & (blobs.c.state == "published")
    keys = connection.execute(select(blobs.c.key).where(published)).scalars().all()
    connection.execute(update(blobs).where(published).values(state="pending_delete"))
    unfinished = _end_resumable(connection, image_id, owner, now)
    usage.change(connection, scope_of_project(owner), Usage(images=-1))
    return [BlobKey(key) for key in (*keys, *unfinished)]


def _end_resumable(connection: Connection, image_id: ImageId, owner: ProjectId | None, now: datetime) -> list[BlobKey]:
    rows = connection.execute(select(uploads).where(uploads.c.image_id == image_id, uploads.c.resumable)).all()
    for row in rows:
        connection.execute(update(blobs).where(blobs.c.key == row.blob_key).values(state="pending_delete"))
        _end_upload(connection, claim_of(row), owner, now, reason="the image was deleted")
    return [BlobKey(row.blob_key) for row in rows]


@dataclass(frozen=True, slots=True)
class Claim:
    """What an upload holds: the right to give one image its bytes, until the lease runs out."""

    upload_id: UploadId
    image_id: ImageId
    blob_key: BlobKey
    lease_owner: str
    expected_size: int | None

    @property
    def is_resumable(self) -> bool:
        """Nobody's: it lives on between requests, and ends when nothing came for long."""
        return self.lease_owner == RESUMABLE


def claim(
    connection: Connection,
    claim: Claim,
    now: datetime,
    lease_expires_at: datetime,
    quotas: Quotas = NO_QUOTAS,
    reserve: int = 0,
) -> Image | None:
    """Return the image, moved from `queued` to `saving` for this upload; None if it was not `queued`.

    *reserve* bytes count against the project from now on; `extend` adds to them, `publish` makes them the true size,
    and `forget_blob` gives them back.

    Raises:
        QuotaExceeded, TooManyUploads: If *quotas* do not allow it.
    """
    values = {"status": Status.SAVING, "upload_id": claim.upload_id, "reason": None, "updated_at": now}
    queued = (images.c.id == claim.image_id) & (images.c.status == Status.QUEUED)
    if connection.execute(update(images).where(queued).values(values)).rowcount == 0:
        return None
    image = get(connection, claim.image_id)
    usage.change(connection, scope_of_project(image.owner), Usage(bytes=reserve, uploads=1), quotas.project)
    usage.change(connection, scope_of_node(claim.lease_owner), Usage(uploads=1), quotas.node)
    connection.execute(
        insert(blobs).values(
            key=claim.blob_key,
            image_id=claim.image_id,
            state="writing",
            owner=image.owner,
            reserved=reserve,
            created_at=now,
        )
    )
    connection.execute(
        insert(uploads).values(
            id=claim.upload_id,
            image_id=claim.image_id,
            blob_key=claim.blob_key,
            expected_size=claim.expected_size,
            lease_owner=claim.lease_owner,
            lease_expires_at=lease_expires_at,
            resumable=claim.is_resumable,
            created_at=now,
        )
    )
    return image


def renew(connection: Connection, claim: Claim, lease_expires_at: datetime) -> bool:
    """Prolong the lease. False if the upload has lost its image."""
    held = select(images.c.id).where(images.c.id == claim.image_id, images.c.upload_id == claim.upload_id)
    mine = (uploads.c.id == claim.upload_id) & held.exists()
    return connection.execute(update(uploads).where(mine).values(lease_expires_at=lease_expires_at)).rowcount == 1


def publish(connection: Connection, claim: Claim, content: Content, now: datetime) -> Image | None:
    """Return the image, made `active` with the bytes of this upload; None if the upload has lost its image."""
    row = connection.execute(
        update(images)
        .where(_held_by(claim))
        .values(
            status=Status.ACTIVE,
            upload_id=None,
            blob_key=claim.blob_key,
            size=content.size,
            virtual_size=content.virtual_size,
            disk_format=content.disk_format,
            container_format=func.coalesce(images.c.container_format, "bare"),
            checksum=content.checksum,
            os_hash_algo=content.os_hash_algo,
            os_hash_value=content.os_hash_value,
            updated_at=now,
            version=images.c.version + 1,  # a change that was prepared before must not undo the formats
        )
    )
    if row.rowcount == 0:
        return None
    set_properties(connection, claim.image_id, content.properties)
    digests = {
        "size": content.size,
        "checksum": content.checksum,
        "os_hash_algo": content.os_hash_algo,
        "os_hash_value": content.os_hash_value,
        "sha256": content.sha256,
    }
    mine = select(blobs.c.reserved).where(blobs.c.key == claim.blob_key)
    reserved = connection.execute(mine.with_for_update()).scalar_one()
    values = {"state": "published", "reserved": content.size, "scrubbed_at": now, **digests}
    connection.execute(update(blobs).where(blobs.c.key == claim.blob_key).values(values))
    image = get(connection, claim.image_id)
    _end_upload(connection, claim, image.owner, now, size=content.size)
    usage.change(connection, scope_of_project(image.owner), Usage(bytes=content.size - reserved))
    return image


def release(
    connection: Connection, claim: Claim, reason: str, now: datetime, refusal: Mapping[str, Any] | None = None
) -> bool:
    """End an upload without success: the image returns to `queued` with *reason*, its blob is marked for deletion.

    *refusal*: the facts of the verdict, where it was one.
    False if the image was not this upload's any more; an unpublished blob is marked for deletion all the same.
    """
    values = {"status": Status.QUEUED, "upload_id": None, "reason": reason, "updated_at": now}
    held = connection.execute(update(images).where(_held_by(claim)).values(values)).rowcount == 1
    # Only a blob that was never published: if the answer to `publish` got lost, the image is active and needs it.
    unpublished = (blobs.c.key == claim.blob_key) & (blobs.c.state == "writing")
    # Without such a blob there is no upload either, or none yet: its claim may be committed at this moment.
    if connection.execute(update(blobs).where(unpublished).values(state="pending_delete")).rowcount == 1:
        owner = connection.execute(select(blobs.c.owner).where(blobs.c.key == claim.blob_key)).scalar()
        _end_upload(connection, claim, owner, now, reason=reason, refusal=refusal)
    return held


def expired(connection: Connection, now: datetime, owner_prefix: str | None, limit: int) -> list[Claim]:
    """Return uploads whose lease has run out, or whose owner's name begins with *owner_prefix*."""
    dead = _is_dead(now, owner_prefix)
    rows = connection.execute(select(uploads).where(dead).order_by(uploads.c.lease_expires_at).limit(limit))
    return [claim_of(row) for row in rows]


def release_dead(
    connection: Connection, claim: Claim, reason: str, now: datetime, owner_prefix: str | None = None
) -> bool:
    """`release` an upload that is still one of those `expired`. False if its lease was renewed since that was read."""
    still = select(uploads.c.id).where(uploads.c.id == claim.upload_id, _is_dead(now, owner_prefix))
    if connection.execute(still).first() is None:
        return False
    release(connection, claim, reason, now)
    return True


def _is_dead(now: datetime, owner_prefix: str | None) -> Any:
    over = uploads.c.lease_expires_at < now
    if owner_prefix is None:
        return over
    return or_(over, uploads.c.lease_owner.startswith(owner_prefix, autoescape=True))


def claim_of(row: Any) -> Claim:
    """Return the claim in a row of `uploads`."""
    return Claim(UploadId(row.id), ImageId(row.image_id), BlobKey(row.blob_key), row.lease_owner, row.expected_size)


def _end_upload(
    connection: Connection,
    claim: Claim,
    owner: ProjectId | None,
    now: datetime,
    *,
    size: int | None = None,
    reason: str | None = None,
    refusal: Mapping[str, Any] | None = None,
) -> None:
    # An upload ends once, whoever ends it: its own process, or a sweep. Its row before those of its pieces.
    mine = uploads.c.id == claim.upload_id
    row = connection.execute(select(uploads.c.generation).where(mine).with_for_update()).first()
    if row is None:
        return
    senders = pieces.forget_of_upload(connection, claim.upload_id)
    connection.execute(delete(uploads).where(mine))
    usage.change(connection, scope_of_project(owner), Usage(uploads=-1))
    usage.change_uploads_of_nodes(connection, ended=[claim.lease_owner, *senders])
    if claim.is_resumable:
        result = {"size": size, "reason": reason, "refusal": refusal, "ended_at": now}
        values = {"id": claim.upload_id, "image_id": claim.image_id, "generation": row.generation, **result}
        connection.execute(insert(upload_results).values(values))
        _forget_earlier_results(connection, claim.image_id)


def _forget_earlier_results(connection: Connection, image_id: ImageId) -> None:
    """Whoever opens uploads and abandons them, again and again, makes no table grow."""
    its_own = upload_results.c.image_id == image_id
    last = select(upload_results.c.id).where(its_own).order_by(upload_results.c.ended_at.desc()).limit(RESULTS_KEPT)
    connection.execute(delete(upload_results).where(its_own, upload_results.c.id.not_in(last)))


def _held_by(claim: Claim) -> Any:
    return and_(images.c.id == claim.image_id, images.c.status == Status.SAVING, images.c.upload_id == claim.upload_id)
