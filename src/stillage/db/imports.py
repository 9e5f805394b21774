"""Imports: what one does to its image, from the request that begins it to its end. Plain functions of a connection.

One import at a time has an image: its job is in `import_task`, and every change names it. In between, uploads write the
bytes, one for each store (`lifecycle.add_upload`). Transactions lock the row of the image first.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from stillage.db import images as db_images
from stillage.db import lifecycle, placements, usage
from stillage.db import uploads as db_uploads
from stillage.db.lifecycle import NOT_KEPT, Claim
from stillage.db.tables import blobs, images, uploads
from stillage.ids import BlobRef, ImageId, JobId, ProjectId, StoreId
from stillage.images.image import Image
from stillage.images.quota import Quotas, Usage, scope_of_project
from stillage.images.status import WITH_DATA, Status, require_move
from stillage.images.upload import Upload

NO_BYTES: Mapping[str, Any] = dict.fromkeys(
    ("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "damage")
)
"""What the record says of an image that has none."""


def begin(
    connection: Connection, image_id: ImageId, before: Status, task: JobId, stores: Sequence[StoreId], now: datetime
) -> bool:
    """Let *task* import the image to *stores*. False if it is not *before*, or another import has it.

    It is `importing` from then on, unless it was active: then it gets copies, and stays so.
    """
    values = {"import_task": task, "importing_to": _shown(stores), "failed_import": "", "updated_at": now}
    if before is not Status.ACTIVE:
        require_move(before, Status.IMPORTING)
        values |= {"status": Status.IMPORTING, "reason": None}
    free = (images.c.id == image_id) & (images.c.status == before) & images.c.import_task.is_(None)
    return connection.execute(update(images).where(free).values(**values)).rowcount == 1


def note_staged(connection: Connection, upload: Upload, expires_at: datetime) -> Upload | None:
    """Show how many bytes are staged, and keep them until *expires_at*. Return the upload; None if it has ended."""
    held = (images.c.id == upload.image_id) & (images.c.upload_id == upload.id)
    staged = held & (images.c.status == Status.UPLOADING)
    connection.execute(update(images).where(staged).values(size=upload.size))
    return db_uploads.keep(connection, upload.id, expires_at)


def staged_bytes(connection: Connection, owner: ProjectId) -> int:
    """Return how many bytes of images of *owner* are staged: wait for an import, or are being imported."""
    staged = images.c.status.in_([Status.UPLOADING, Status.IMPORTING]) & images.c.deleted_at.is_(None)
    # Few images are staged, while the project may have very many: so by the index of statuses.
    of_owner = func.sum(images.c.size).filter(images.c.owner == owner)
    return int(connection.execute(select(func.coalesce(of_owner, 0)).where(staged)).scalar_one())


def note_nothing_to_do(connection: Connection, image_id: ImageId) -> None:
    """Show that a copy to all stores has ended: the image is in all of them. Clients wait for that."""
    free = (images.c.id == image_id) & images.c.import_task.is_(None)
    connection.execute(update(images).where(free).values(importing_to="", failed_import=""))


def end_upload(connection: Connection, image_id: ImageId, task: JobId, now: datetime) -> BlobRef | None:
    """End the upload that an earlier run of *task* had begun, if there is one; return its blob, which nobody needs."""
    image = _hold(connection, image_id, task)
    if image is None or image.upload_id is None:
        return None
    row = connection.execute(lifecycle.CLAIMS.where(uploads.c.id == image.upload_id)).first()
    if row is None:
        return None
    claim = lifecycle.claim_of(row)
    lifecycle.release(connection, claim, "", now)
    return claim.blob


def claim(
    connection: Connection, claim: Claim, task: JobId, now: datetime, until: datetime, quotas: Quotas, reserve: int
) -> Image | None:
    """Begin an upload of *task* to one store; return its image, None if the import has ended. See `lifecycle.claim`.

    Raises:
        QuotaExceeded: If *quotas* do not allow it.
    """
    free = _of(claim.image_id, task) & images.c.upload_id.is_(None)
    if connection.execute(update(images).where(free).values(upload_id=claim.upload_id)).rowcount == 0:
        return None
    image = db_images.get(connection, claim.image_id)
    lifecycle.add_upload(connection, claim, image.owner, now, until, quotas, reserve)
    return image


def publish_copy(connection: Connection, claim: Claim, source: BlobRef, now: datetime) -> Image | None:
    """Give the image the copy that *claim* has written of *source*; return it, None if the upload has lost it."""
    held = (images.c.id == claim.image_id) & (images.c.upload_id == claim.upload_id)
    has_bytes = images.c.status.in_([*WITH_DATA, Status.IMPORTING])
    if connection.execute(select(images.c.id).where(held, has_bytes).with_for_update()).first() is None:
        return None
    image = db_images.get(connection, claim.image_id)
    values = {"upload_id": None, "stores": (*image.stores, claim.blob.store), "updated_at": now}
    connection.execute(update(images).where(held).values(**values))
    known = ("size", "checksum", "os_hash_algo", "os_hash_value", "sha256", "found", "facts", "data_map")
    row = connection.execute(select(*(blobs.c[name] for name in known)).where(blobs.c.key == source.key)).one()
    reserved = placements.publish(connection, image.id, claim.blob, now, row._asdict())
    lifecycle.end_upload(connection, claim, image.owner, now)
    usage.change(connection, scope_of_project(image.owner), Usage(bytes=row.size - reserved))
    return db_images.get(connection, image.id)


def note_store(connection: Connection, image_id: ImageId, task: JobId, store: StoreId, *, failed: bool = False) -> None:
    """Show that the import has done with *store*."""
    image = _hold(connection, image_id, task)
    if image is None:
        return
    left = [name for name in _listed(image.importing_to) if name != store]
    failures = _listed(image.failed_import)
    shown = {"importing_to": _shown(left), "failed_import": _shown([*failures, store] if failed else failures)}
    connection.execute(update(images).where(images.c.id == image_id).values(**shown))


def activate(connection: Connection, image_id: ImageId, task: JobId, now: datetime) -> bool:
    """Make the image active. False if it is not importing: it may be active already."""
    require_move(Status.IMPORTING, Status.ACTIVE)
    ready = _of(image_id, task) & lifecycle.IMPORTING & images.c.stores.is_not(None)
    values = {"status": Status.ACTIVE, "updated_at": now, "version": images.c.version + 1}
    return connection.execute(update(images).where(ready).values(**values)).rowcount == 1


def finish(connection: Connection, image_id: ImageId, task: JobId, now: datetime) -> None:
    """End an import; another may begin."""
    values = {"import_task": None, "importing_to": "", "updated_at": now}
    connection.execute(update(images).where(_of(image_id, task)).values(**values))


@dataclass(frozen=True, slots=True)
class Undoing:
    """What remains to be seen of an import that has failed.

    Attributes:
        reason: A sentence; on the image, unless it was active before.
        failed: The stores that it shows as those that could not be filled.
        made: Copies of an active image that are removed again.
        keep_until: See `lifecycle.mark_deleted`.
    """

    reason: str
    failed: Sequence[StoreId] = ()
    made: Collection[StoreId] = ()
    keep_until: Mapping[StoreId, datetime] = field(default_factory=dict)


def fail(connection: Connection, image_id: ImageId, task: JobId, undoing: Undoing, now: datetime) -> None:
    """End an import without success. Nothing if it is not the image's any more.

    An image that was not active before is `queued` again, without any bytes, those that were staged included.
    """
    image = _hold(connection, image_id, task)
    if image is None:
        return
    _end_uploads(connection, image_id, undoing.reason, now)
    values: dict[str, Any] = {"import_task": None, "importing_to": "", "updated_at": now}
    if image.status is Status.IMPORTING:
        require_move(Status.IMPORTING, Status.QUEUED)
        left = _drop(connection, image, image.stores, now, NOT_KEPT)
        values |= {"status": Status.QUEUED, "reason": undoing.reason, **NO_BYTES}
    else:
        left = _drop(connection, image, undoing.made, now, undoing.keep_until)
    values["failed_import"] = _shown([store for store in undoing.failed if store not in left])
    connection.execute(update(images).where(images.c.id == image_id).values(**values))


def drop_copy(
    connection: Connection,
    image_id: ImageId,
    task: JobId,
    store: StoreId,
    now: datetime,
    keep_until: Mapping[StoreId, datetime] = NOT_KEPT,
) -> None:
    """Remove the copy in *store*, which was needed only until there were others."""
    image = _hold(connection, image_id, task)
    if image is not None:
        _drop(connection, image, [store], now, keep_until)


def _end_uploads(connection: Connection, image_id: ImageId, reason: str, now: datetime) -> None:
    """End every upload to an image that is imported: that of a run, and that of staged bytes."""
    rows = connection.execute(lifecycle.CLAIMS.where(uploads.c.image_id == image_id).order_by(blobs.c.key)).all()
    for row in rows:
        lifecycle.release(connection, lifecycle.claim_of(row), reason, now)


def _drop(
    connection: Connection,
    image: Image,
    stores: Collection[StoreId],
    now: datetime,
    keep_until: Mapping[StoreId, datetime],
) -> tuple[StoreId, ...]:
    """Remove the copies in *stores*, and return where the image has others; a sweep removes the bytes.

    An image with data keeps its last copies, wherever they are.
    """
    left = tuple(store for store in image.stores if store not in stores)
    if image.has_data and not left:
        return image.stores
    removed = placements.remove(connection, image.id, stores, keep_until=keep_until)
    usage.change(connection, scope_of_project(image.owner), Usage(bytes=-removed.freed))
    connection.execute(update(images).where(images.c.id == image.id).values(stores=left, updated_at=now))
    return left


def _of(image_id: ImageId, task: JobId) -> Any:
    return (images.c.id == image_id) & (images.c.import_task == task)


def _hold(connection: Connection, image_id: ImageId, task: JobId) -> Image | None:
    """Hold the image's row; return the image, None if *task* does not import it any more."""
    if connection.execute(select(images.c.id).where(_of(image_id, task)).with_for_update()).first() is None:
        return None
    return db_images.find(connection, image_id)


def _listed(shown: str | None) -> list[str]:
    return shown.split(",") if shown else []


def _shown(stores: Collection[str]) -> str:
    return ",".join(stores)
