"""Images and their blobs and uploads. Plain functions of a connection, run by `Database.read` and `Database.write`.

Every status change is one compare-and-set that names the state it expects, and from `saving` on the upload that holds
it; zero rows changed means that somebody else was first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from stillage.db import pieces, usage
from stillage.db.tables import (
    blobs,
    image_members,
    image_properties,
    image_tags,
    images,
    indexed_value,
    upload_endings,
    uploads,
)
from stillage.errors import AlreadyExists, ImageNotFound
from stillage.images.access import Seen
from stillage.images.image import BlobKey, Content, Image, ImageId, ProjectId, UploadId, Visibility
from stillage.images.quota import Limits, Quotas, Usage, scope_of_node, scope_of_project
from stillage.images.status import Status

NO_LIMITS = Limits()
NO_QUOTAS = Quotas()
RESUMABLE = "resumable/"
"""The lease owner of resumable uploads."""
ENDINGS = 16
"""How many ended uploads of one image are remembered."""
COLUMNS = [column for column in images.c if column.name != "deleted_at"]
NAMES = frozenset(column.name for column in COLUMNS)
# Built once: every request for an image asks this, and building costs more than asking.
FIND_SEEN = select(
    *COLUMNS,
    select(image_members.c.image_id)
    .where(image_members.c.image_id == images.c.id, image_members.c.member_id == bindparam("project_id"))
    .exists()
    .label("is_member"),
).where(images.c.id == bindparam("image_id"), images.c.deleted_at.is_(None))
SETTABLE = (
    "owner", "name", "visibility", "protected", "os_hidden", "container_format", "disk_format", "min_disk", "min_ram",
)  # fmt: skip


def add(connection: Connection, image: Image, limits: Limits = NO_LIMITS) -> None:
    """Store a new image.

    Raises:
        AlreadyExists: If the id is taken, also by an image that was deleted.
        QuotaExceeded: If its project may not have another.
    """
    usage.change(connection, scope_of_project(image.owner), Usage(images=1), limits)
    row = {column.name: getattr(image, column.name) for column in COLUMNS}
    row |= {"tags": list(image.tags), "properties": dict(image.properties)}
    try:
        connection.execute(insert(images).values(row))
    except IntegrityError as error:
        raise AlreadyExists(f"the image id {image.id} is taken; ids are never used twice") from error
    _index(connection, image)


def find(connection: Connection, image_id: str) -> Image | None:
    """Return the image, None if there is none or it was deleted."""
    row = connection.execute(select(*COLUMNS).where(images.c.id == image_id, images.c.deleted_at.is_(None))).first()
    return None if row is None else image_of(row)


def get(connection: Connection, image_id: str) -> Image:
    """Return the image; ImageNotFound if there is none."""
    image = find(connection, image_id)
    if image is None:
        raise ImageNotFound(image_id)
    return image


def find_seen(connection: Connection, image_id: str, project_id: ProjectId) -> Seen | None:
    """Return the image as a caller of *project_id* meets it; None if there is none."""
    row = connection.execute(FIND_SEEN, {"image_id": image_id, "project_id": project_id}).first()
    return None if row is None else Seen(image_of(row), bool(row.is_member))


def save(connection: Connection, before: Image, after: Image) -> Image | None:
    """Store what *after* changed of *before*; return the image as it now is.

    Touches only what users set: status, sizes and digests belong to uploads, which may run meanwhile.
    None if somebody changed the record since *before* was read, or, where a format changes, began an upload.
    """
    unchanged = (images.c.id == before.id) & (images.c.version == before.version) & images.c.deleted_at.is_(None)
    if (before.disk_format, before.container_format) != (after.disk_format, after.container_format):
        unchanged &= images.c.status == before.status
    values = {name: getattr(after, name) for name in SETTABLE}
    values |= {"tags": list(after.tags), "properties": dict(after.properties)}
    values |= {"version": before.version + 1, "updated_at": after.updated_at}
    if connection.execute(update(images).where(unchanged).values(values)).rowcount == 0:
        return None
    if before.owner != after.owner:
        _hand_over(connection, before, after.owner)
    connection.execute(delete(image_tags).where(image_tags.c.image_id == before.id))
    connection.execute(delete(image_properties).where(image_properties.c.image_id == before.id))
    _index(connection, after)
    return find(connection, before.id)


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


def extend(connection: Connection, claim: Claim, more: int, limits: Limits) -> bool:
    """Reserve *more* bytes for an upload of unknown size. False if the upload has ended: its blob takes no more.

    Raises:
        QuotaExceeded: If the project may not have them.
    """
    mine = (blobs.c.key == claim.blob_key) & (blobs.c.state == "writing")
    # The blob first, as everybody does: who sees its row holds it, and `_hand_over` waits.
    if connection.execute(update(blobs).where(mine).values(reserved=blobs.c.reserved + more)).rowcount == 0:
        return False
    owner = connection.execute(select(blobs.c.owner).where(mine)).scalar()
    usage.change(connection, scope_of_project(owner), Usage(bytes=more), limits)
    return True


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
    _set_properties(connection, claim.image_id, content.properties)
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


def _set_properties(connection: Connection, image_id: ImageId, properties: Mapping[str, str]) -> None:
    """Set *properties* beside the others. The image's row must have been changed in this transaction already."""
    image = find(connection, image_id)
    if image is None or not properties:
        return
    merged = {**image.properties, **properties}
    connection.execute(update(images).where(images.c.id == image_id).values(properties=merged))
    named = (image_properties.c.image_id == image_id) & image_properties.c.name.in_(properties)
    connection.execute(delete(image_properties).where(named))
    _index(connection, replace(image, tags=(), properties=properties))


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


def pending_delete(connection: Connection, limit: int) -> list[BlobKey]:
    """Return blobs whose bytes are to be removed."""
    rows = connection.execute(select(blobs.c.key).where(blobs.c.state == "pending_delete").limit(limit)).scalars()
    return [BlobKey(key) for key in rows]


def states_of_blobs(connection: Connection, keys: Sequence[BlobKey]) -> dict[str, str]:
    """Return in which state those of *keys* are that a row names."""
    states: dict[str, str] = {}
    for start in range(0, len(keys), 500):  # SQLite limits the parameters of a statement
        named = blobs.c.key.in_(keys[start : start + 500])
        states |= {row.key: row.state for row in connection.execute(select(blobs.c.key, blobs.c.state).where(named))}
    return states


@dataclass(frozen=True, slots=True)
class Stored:
    """A published blob, with what its bytes were when they came."""

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
    """Return the published blob whose last scrub is the longest ago, and count it as scrubbed from *now* on.

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
    """Mark the image of a blob as damaged, or with None as well again. False if it was deleted meanwhile.

    Other blobs of the same bytes, which may share their place on disk, are due then as this one was.
    """
    mine = (images.c.id == stored.image_id) & (images.c.blob_key == stored.key)
    if connection.execute(update(images).where(mine).values(damage=damage)).rowcount == 0:
        return False
    if damage is not None:
        _let_be_due(connection, stored)
    return True


def _let_be_due(connection: Connection, stored: Stored) -> None:
    same = (blobs.c.os_hash_algo == stored.os_hash_algo) & (blobs.c.os_hash_value == stored.os_hash_value)
    later = same & (blobs.c.state == "published") & (blobs.c.scrubbed_at > stored.scrubbed_at)
    # What is marked has been read: otherwise two of them would be due by each other for ever.
    unmarked = select(images.c.blob_key).where(images.c.blob_key == blobs.c.key, images.c.damage.is_(None))
    query = select(blobs.c.key).where(later, unmarked.exists()).order_by(blobs.c.key).with_for_update()
    keys = connection.execute(query).scalars().all()
    connection.execute(update(blobs).where(blobs.c.key.in_(keys)).values(scrubbed_at=stored.scrubbed_at))


def learn_sha256(connection: Connection, key: BlobKey, sha256: str) -> None:
    """Remember a digest of a blob's bytes that nobody declared."""
    connection.execute(update(blobs).where(blobs.c.key == key, blobs.c.sha256.is_(None)).values(sha256=sha256))


def is_published(connection: Connection, key: BlobKey) -> bool:
    return connection.execute(select(blobs.c.state).where(blobs.c.key == key)).scalar() == "published"


def forget_blob(connection: Connection, key: BlobKey) -> None:
    """Drop the row of a blob whose bytes are gone, and give its project back what it reserved."""
    this_blob = (blobs.c.key == key) & (blobs.c.state == "pending_delete")
    row = connection.execute(select(blobs.c.owner, blobs.c.reserved).where(this_blob).with_for_update()).first()
    if row is not None:
        connection.execute(delete(blobs).where(this_blob))
        usage.change(connection, scope_of_project(row.owner), Usage(bytes=-row.reserved))


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
        ending = {"size": size, "reason": reason, "refusal": refusal, "ended_at": now}
        values = {"id": claim.upload_id, "image_id": claim.image_id, "generation": row.generation, **ending}
        connection.execute(insert(upload_endings).values(values))
        _forget_earlier_endings(connection, claim.image_id)


def _forget_earlier_endings(connection: Connection, image_id: ImageId) -> None:
    """Whoever opens uploads and abandons them, again and again, makes no table grow."""
    its_own = upload_endings.c.image_id == image_id
    last = select(upload_endings.c.id).where(its_own).order_by(upload_endings.c.ended_at.desc()).limit(ENDINGS)
    connection.execute(delete(upload_endings).where(its_own, upload_endings.c.id.not_in(last)))


def _hand_over(connection: Connection, image: Image, owner: ProjectId | None) -> None:
    """Count an image, its blobs and a running upload against its new owner."""
    mine = blobs.c.image_id == image.id
    # Locked: a sweep may forget one of them at this moment, and give back what it reserved.
    reserved = sum(connection.execute(select(blobs.c.reserved).where(mine).with_for_update()).scalars())
    connection.execute(update(blobs).where(mine).values(owner=owner))
    running = connection.execute(select(func.count()).where(uploads.c.image_id == image.id)).scalar_one()
    changes = [
        (scope_of_project(image.owner), Usage(-reserved, -1, -running)),
        (scope_of_project(owner), Usage(reserved, 1, running)),
    ]
    for scope, by in sorted(changes, key=lambda change: change[0]):  # two who swap images must not wait for each other
        usage.change(connection, scope, by)


def _held_by(claim: Claim) -> Any:
    return and_(images.c.id == claim.image_id, images.c.status == Status.SAVING, images.c.upload_id == claim.upload_id)


def _index(connection: Connection, image: Image) -> None:
    shared = {"image_id": image.id, "created_at": image.created_at}
    if tags := [{"tag": tag, **shared} for tag in image.tags]:
        connection.execute(insert(image_tags), tags)
    named = [{"name": n, "value": indexed_value(v), **shared} for n, v in image.properties.items()]
    if named:
        connection.execute(insert(image_properties), named)


def image_of(row: Row[*tuple[Any, ...]]) -> Image:
    values = {name: value for name, value in row._mapping.items() if name in NAMES}  # noqa: SLF001 - public in SQLAlchemy
    values["status"] = Status(values["status"])
    values["visibility"] = Visibility(values["visibility"])
    values["tags"] = tuple(values["tags"])
    return Image(**values)
