"""The life of an image: every change of its status. Plain functions of a connection.

Each is one compare-and-set that names the status it expects, and from `saving` on the upload that holds the image; zero
rows changed means that another request was faster. `images.status` has the table of the moves that there are.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, func, insert, literal, select, update

from stillage.db import jobs, piece_digests, pieces, placements, tables, usage
from stillage.db.images import FORGET, get, set_properties
from stillage.db.leases import Dead, Lease, LeaseOwner
from stillage.db.prepared import Prepared
from stillage.db.tables import blobs, image_members, image_properties, image_tags, images, upload_results, uploads
from stillage.ids import BlobKey, BlobRef, ImageId, ProjectId, StoreId, UploadId
from stillage.images.image import Content, Image
from stillage.images.job import Failure, Job
from stillage.images.quota import Quotas, Usage, scope_of_node, scope_of_project
from stillage.images.status import Status, require_move, statuses_before

NO_QUOTAS = Quotas()
NOT_KEPT: Mapping[StoreId, datetime] = {}
LEASE = Lease(uploads.c.lease_owner, uploads.c.lease_expires_at)
CLAIMS = select(uploads, blobs.c.store).join(blobs, blobs.c.key == uploads.c.blob_key)
RESUMABLE = uploads.c.lease_owner.is_(None)
IMPORTING = images.c.status == Status.IMPORTING

# Of a deletion, built once. SQLAlchemy would write a list that is a single parameter into the statement each time.
NOT_DELETED = [literal(status, images.c.status.type) for status in sorted(statuses_before(Status.DELETED))]
MARK_DELETED = Prepared(
    update(images)
    .where(images.c.id == bindparam("image_id"), images.c.status.in_(NOT_DELETED))
    .values(
        status=Status.DELETED,
        deleted_at=bindparam("now"),
        updated_at=bindparam("now"),
        stores=(),
        upload_id=None,
        import_task=None,
        importing_to=None,
        failed_import=None,
        has_members=False,
        # Its name stays: the next page of a list ordered by name starts after it.
        tags=[],
        properties={},
        reason=None,
        refusal=None,
        damage=None,
    )
    .returning(images.c.owner)
)
HAS = Prepared(
    select(
        *(
            exists().where(table.c.image_id == bindparam("deleted_id")).label(table.name)
            for table in (image_tags, image_properties, image_members, tables.placements, uploads, tables.jobs)
        )
    )
)
"""Which tables have rows of an image. Most have none, and a statement for each costs more than the deletion."""
FIND_RESUMABLE = CLAIMS.where(uploads.c.image_id == bindparam("deleted_id"), RESUMABLE)
IMAGE_DELETED = Failure("image_deleted", "the image was deleted")
"""How the jobs of a deleted image end."""
RESULTS_KEPT = 16
"""How many ended uploads of one image are remembered."""


def move(connection: Connection, image_id: ImageId, before: Status, after: Status, now: datetime) -> bool:
    """Change the status from *before* to *after*. False if it was not *before*."""
    return _move(connection, image_id, (before,), after, {"updated_at": now})


def _move(
    connection: Connection,
    image_id: ImageId,
    before: Collection[Status],
    after: Status,
    values: Mapping[str, Any],
    *also: ColumnElement[bool],
) -> bool:
    """Set the status to *after*, and *values* with it. False if it was none of *before*, or *also* does not hold.

    Raises:
        ValueError: If an image never changes from one of *before* to *after*.
    """
    for status in before:
        require_move(status, after)
    expected = (images.c.id == image_id) & images.c.status.in_(before)
    return connection.execute(update(images).where(expected, *also).values(status=after, **values)).rowcount == 1


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deleted image leaves.

    Attributes:
        blobs: Whose bytes may be removed. That of an upload in flight is not among them: its uploader notices.
        jobs: That have ended with it.
    """

    blobs: Sequence[BlobRef]
    jobs: Sequence[Job]


def mark_deleted(
    connection: Connection,
    image_id: ImageId,
    now: datetime,
    keep_until: Mapping[StoreId, datetime] = NOT_KEPT,
    *,
    keeps_bytes: bool = False,
) -> Deleted | None:
    """Delete the image, from any status, with its placements. None if it does not exist any more.

    Published blobs in the stores of *keep_until* stay until then, for downloads that run. *keeps_bytes*: its placements
    stay, and what it counts, see `db.trash`.

    The row stays, so that the id is never used again, without the columns that could be large. A resumable upload, and
    the jobs of the image, end here; who sends a piece, or runs a job, notices.
    """
    rows = MARK_DELETED.run(connection, {"image_id": image_id, "now": now})
    if not rows:
        return None
    owner = rows[0].owner
    # Only now, when the image is held: who adds tags, properties, bytes or jobs holds it too, and has committed.
    [has] = HAS.run(connection, {"deleted_id": image_id})
    cancelled = jobs.cancel_of_image(connection, image_id, IMAGE_DELETED, now) if has.jobs else []
    for name, forget in FORGET.items():
        if getattr(has, name):
            forget.run(connection, {"forgotten_id": image_id})
    removed = placements.NONE_REMOVED
    if has.placements and not keeps_bytes:
        removed = placements.remove(connection, image_id, keep_until=keep_until)
    unfinished = _end_resumable(connection, image_id, owner, now) if has.uploads else []
    if not keeps_bytes:
        usage.change(connection, scope_of_project(owner), Usage(bytes=-removed.freed, images=-1))
    return Deleted([*removed.blobs, *unfinished], cancelled)


def _end_resumable(connection: Connection, image_id: ImageId, owner: ProjectId | None, now: datetime) -> list[BlobRef]:
    claims = [claim_of(row) for row in connection.execute(FIND_RESUMABLE, {"deleted_id": image_id}).all()]
    for claim in claims:
        connection.execute(update(blobs).where(blobs.c.key == claim.blob.key).values(state="pending_delete"))
        end_upload(connection, claim, owner, now, reason="the image was deleted")
    return [claim.blob for claim in claims]


@dataclass(frozen=True, slots=True)
class Claim:
    """What an upload holds: the right to give one image its bytes, until the lease runs out.

    Attributes:
        blob: Where its bytes go.
        lease_owner: None if the upload is resumable: it lives on between requests, and no process holds it.
    """

    upload_id: UploadId
    image_id: ImageId
    blob: BlobRef
    lease_owner: LeaseOwner | None
    expected_size: int | None

    @property
    def is_resumable(self) -> bool:
        return self.lease_owner is None


def claim(
    connection: Connection,
    claim: Claim,
    now: datetime,
    lease_expires_at: datetime,
    quotas: Quotas = NO_QUOTAS,
    reserve: int = 0,
    after: Status = Status.SAVING,
) -> Image | None:
    """Return the image, moved from `queued` to *after* for this upload; None if it was not `queued`.

    *after*: `uploading` if its bytes are only staged.

    *reserve* bytes count against the project from now on; `extend` adds to them, `publish` makes them the true size,
    and `forget_blob` gives them back.

    Raises:
        QuotaExceeded, TooManyUploads: If *quotas* do not allow it.
    """
    values = {"upload_id": claim.upload_id, "reason": None, "updated_at": now}
    if not _move(connection, claim.image_id, (Status.QUEUED,), after, values):
        return None
    image = get(connection, claim.image_id)
    add_upload(connection, claim, image.owner, now, lease_expires_at, quotas, reserve)
    return image


def add_upload(
    connection: Connection,
    claim: Claim,
    owner: ProjectId | None,
    now: datetime,
    lease_expires_at: datetime,
    quotas: Quotas,
    reserve: int,
) -> None:
    """Add an upload to an image whose row is held, and the blob that it writes. As `claim`, also in what it raises."""
    usage.change(connection, scope_of_project(owner), Usage(bytes=reserve, uploads=1), quotas.project)
    if claim.lease_owner is not None:
        usage.change(connection, scope_of_node(claim.lease_owner.node), Usage(uploads=1), quotas.node)
    placements.begin(connection, claim.image_id, claim.blob, owner, reserve, now)
    connection.execute(
        insert(uploads).values(
            id=claim.upload_id,
            image_id=claim.image_id,
            blob_key=claim.blob.key,
            expected_size=claim.expected_size,
            **LEASE.values(claim.lease_owner, lease_expires_at),
            created_at=now,
        )
    )


def renew(connection: Connection, claim: Claim, lease_expires_at: datetime) -> bool:
    """Prolong the lease. False if the upload has lost its image."""
    held = select(images.c.id).where(images.c.id == claim.image_id, images.c.upload_id == claim.upload_id)
    holding = (uploads.c.id == claim.upload_id) & held.exists()
    return connection.execute(update(uploads).where(holding).values(lease_expires_at=lease_expires_at)).rowcount == 1


def publish(
    connection: Connection,
    claim: Claim,
    content: Content,
    now: datetime,
    shared: BlobRef | None = None,
    pieces_until: datetime | None = None,
) -> Image | None:
    """Return the image, made `active` with the bytes of this upload; None if the upload has lost its image.

    An image that is imported stays `importing`; `db.imports.activate` ends that.

    *shared*: a published blob that has these bytes. The image gets it, and nobody needs what the upload has sent.
    *pieces_until*: when a sweep removes the pieces that the store may have besides the blob; None if it has none.

    Raises:
        Conflict: If *shared* is gone, or damaged.
    """
    digests = {
        "size": content.size,
        "checksum": content.checksum,
        "os_hash_algo": content.os_hash_algo,
        "os_hash_value": content.os_hash_value,
    }
    values: dict[str, Any] = {
        "upload_id": None,
        "stores": (claim.blob.store,),
        "active_at": now,
        "virtual_size": content.virtual_size,
        "disk_format": content.disk_format,
        "container_format": content.container_format or func.coalesce(images.c.container_format, "bare"),
        "updated_at": now,
        "version": images.c.version + 1,  # so that a change prepared before cannot undo the formats
    }
    values |= digests
    if not (_end_saving(connection, claim, Status.ACTIVE, values) or _keep_importing(connection, claim, values)):
        return None
    set_properties(connection, claim.image_id, content.properties)
    if shared is None:
        inside = {name: getattr(content, name) for name in ("sha256", "found", "facts", "data_map")}
        due = None if piece_digests.are_whole(content.pieces, content.size) else now
        written = digests | inside | {"kept_until": pieces_until, "digests_due": due}
        reserved = placements.publish(connection, claim.image_id, claim.blob, now, written)
        piece_digests.add(connection, claim.blob.key, content.pieces, content.size)
    else:
        reserved = placements.share(connection, claim.image_id, claim.blob, shared, content.size)
    image = get(connection, claim.image_id)
    end_upload(connection, claim, image.owner, now, size=content.size)
    usage.change(connection, scope_of_project(image.owner), Usage(bytes=content.size - reserved))
    return image


def release(
    connection: Connection, claim: Claim, reason: str, now: datetime, refusal: Mapping[str, Any] | None = None
) -> bool:
    """End an upload without success: the image returns to `queued` with *reason*, its blob is marked for deletion.

    An import goes on without it, and may begin another.

    *refusal*: the facts of the verdict, if the reason is one. The image keeps them beside its reason.
    False if the upload no longer holds the image; an unpublished blob is marked for deletion all the same.
    """
    values = {"upload_id": None, "reason": reason, "size": None, "updated_at": now}
    held = _end_saving(connection, claim, Status.QUEUED, values) or _let_go(connection, claim)
    if held and refusal is not None:  # an import gives the reason later
        connection.execute(update(images).where(images.c.id == claim.image_id).values(refusal=refusal))
    # Only a blob that was never published: if the reply to `publish` was lost, the image is active and needs it.
    unpublished = (blobs.c.key == claim.blob.key) & (blobs.c.state == "writing")
    # Without such a blob there is no upload, or not yet: its claim may be committed at this moment.
    if connection.execute(update(blobs).where(unpublished).values(state="pending_delete")).rowcount == 1:
        owner = placements.owner_of(connection, claim.blob)
        end_upload(connection, claim, owner, now, reason=reason, refusal=refusal)
    return held


def expired(connection: Connection, now: datetime, dead: Dead | None, limit: int) -> list[Claim]:
    """Return uploads whose lease has run out, or is of *dead*."""
    is_over = LEASE.is_over(now, dead)
    rows = connection.execute(CLAIMS.where(is_over).order_by(uploads.c.lease_expires_at).limit(limit))
    return [claim_of(row) for row in rows]


def release_dead(connection: Connection, claim: Claim, reason: str, now: datetime, dead: Dead | None = None) -> bool:
    """`release` an upload that is still `expired`. False if its lease was renewed since it was read."""
    still = select(uploads.c.id).where(uploads.c.id == claim.upload_id, LEASE.is_over(now, dead))
    if connection.execute(still).first() is None:
        return False
    release(connection, claim, reason, now)
    return True


def claim_of(row: Any) -> Claim:
    """Return the claim in a row of `CLAIMS`."""
    blob = BlobRef(StoreId(row.store), BlobKey(row.blob_key))
    return Claim(UploadId(row.id), ImageId(row.image_id), blob, row.lease_owner, row.expected_size)


def end_upload(
    connection: Connection,
    claim: Claim,
    owner: ProjectId | None,
    now: datetime,
    *,
    size: int | None = None,
    reason: str | None = None,
    refusal: Mapping[str, Any] | None = None,
) -> None:
    """Delete the row of an upload whose blob is published, or marked for deletion; keep the result of a resumable one.

    Nothing if it has ended.
    """
    # Its own process and a sweep may both try to end an upload; one does. Lock its row before those of its pieces.
    this_upload = uploads.c.id == claim.upload_id
    row = connection.execute(select(uploads.c.generation).where(this_upload).with_for_update()).first()
    if row is None:
        return
    owners = pieces.forget_of_upload(connection, claim.upload_id)
    if claim.lease_owner is not None:
        owners.append(claim.lease_owner)
    connection.execute(delete(uploads).where(this_upload))
    usage.change(connection, scope_of_project(owner), Usage(uploads=-1))
    usage.change_uploads_of_nodes(connection, ended=owners)
    if claim.is_resumable:
        result = {"size": size, "reason": reason, "refusal": refusal, "ended_at": now}
        values = {"id": claim.upload_id, "image_id": claim.image_id, "generation": row.generation, **result}
        connection.execute(insert(upload_results).values(values))
        _forget_earlier_results(connection, claim.image_id)


def _forget_earlier_results(connection: Connection, image_id: ImageId) -> None:
    """Keep the last `RESULTS_KEPT`, so that opening and abandoning uploads does not make the table grow."""
    its_own = upload_results.c.image_id == image_id
    last = select(upload_results.c.id).where(its_own).order_by(upload_results.c.ended_at.desc()).limit(RESULTS_KEPT)
    connection.execute(delete(upload_results).where(its_own, upload_results.c.id.not_in(last)))


def _end_saving(connection: Connection, claim: Claim, after: Status, values: Mapping[str, Any]) -> bool:
    """`_move` the image of an upload to *after* from `saving`, or from `uploading` if that is possible.

    False if the upload does not hold it any more, or an import does.
    """
    before = statuses_before(after) & {Status.SAVING, Status.UPLOADING}
    return _move(connection, claim.image_id, before, after, values, images.c.upload_id == claim.upload_id)


def _keep_importing(connection: Connection, claim: Claim, values: Mapping[str, Any]) -> bool:
    """Set *values* of the image of an upload that is part of an import. False if the upload does not hold it."""
    held = (images.c.id == claim.image_id) & (images.c.upload_id == claim.upload_id)
    return connection.execute(update(images).where(held, IMPORTING).values(**values)).rowcount == 1


def _let_go(connection: Connection, claim: Claim) -> bool:
    # Of an import or a copy. Other claims may have been committed a moment ago: their images would stay in `saving`.
    held = (images.c.id == claim.image_id) & (images.c.upload_id == claim.upload_id)
    waits = images.c.status.in_([Status.SAVING, Status.UPLOADING])
    return connection.execute(update(images).where(held, ~waits).values(upload_id=None)).rowcount == 1
