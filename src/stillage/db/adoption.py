"""What is written while a Glance is adopted. Plain functions of a connection.

A record comes first, queued; then an upload claims it, whose bytes are the file of Glance. So what is left of an
adoption that is interrupted is that of an upload, and a sweep ends it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from stillage.db import images as db_images
from stillage.db import lifecycle
from stillage.db.lifecycle import Claim
from stillage.db.tables import blobs, image_members, images
from stillage.ids import BlobKey, BlobRef, ImageId, StoreId
from stillage.images.image import Content, Image
from stillage.images.member import Member
from stillage.images.status import Status


@dataclass(frozen=True, slots=True)
class Known:
    """What is here of an image, under its id. *stores*: that have its bytes."""

    status: Status
    stores: Sequence[StoreId]


def find(connection: Connection, image_id: ImageId) -> Known | None:
    """Return what is here of an image, deleted ones included; None if the id was never used."""
    row = connection.execute(select(images.c.status, images.c.stores).where(images.c.id == image_id)).first()
    return None if row is None else Known(Status(row.status), row.stores or ())


def add(connection: Connection, image: Image, members: Sequence[Member]) -> None:
    """Add the record of an image without data, with the projects that it is shared with."""
    db_images.add(connection, image)
    rows = [
        {
            "image_id": each.image_id,
            "member_id": each.member_id,
            "status": each.status,
            "image_created_at": image.created_at,
            "created_at": each.created_at,
            "updated_at": each.updated_at,
        }
        for each in members
    ]
    if rows:
        connection.execute(insert(image_members), rows)


def set_reason(connection: Connection, image_id: ImageId, reason: str, refusal: Mapping[str, Any] | None) -> None:
    """Let a queued image say why it has no data."""
    waits = (images.c.id == image_id) & (images.c.status == Status.QUEUED)
    connection.execute(update(images).where(waits).values(reason=reason, refusal=refusal))


def state_of_blob(connection: Connection, key: BlobKey) -> str | None:
    """Return the state of a blob; None if there is none with this key."""
    return connection.execute(select(blobs.c.state).where(blobs.c.key == key)).scalar()


@dataclass(frozen=True, slots=True)
class Adopted:
    """What an image becomes.

    Attributes:
        before: Its record in Glance, without data.
        status: With data: active or deactivated.
        shared: The blob that has the bytes already, if another image has the same file.
    """

    before: Image
    status: Status
    content: Content
    shared: BlobRef | None = None


def publish(connection: Connection, claim: Claim, adopted: Adopted, now: datetime) -> bool:
    """Give the image its bytes, and the times and the status that it had. False if the upload has lost it."""
    if lifecycle.publish(connection, claim, adopted.content, now, adopted.shared) is None:
        return False
    before = adopted.before
    times = {"active_at": before.created_at, "updated_at": before.updated_at}
    connection.execute(update(images).where(images.c.id == claim.image_id).values(**times))
    if adopted.status is Status.DEACTIVATED:
        lifecycle.move(connection, claim.image_id, Status.ACTIVE, Status.DEACTIVATED, before.updated_at)
    return True


def claim_and_publish(connection: Connection, claim: Claim, adopted: Adopted, now: datetime) -> bool:
    """`lifecycle.claim` and `publish` at once: the bytes are where they are to be."""
    return lifecycle.claim(connection, claim, now, now) is not None and publish(connection, claim, adopted, now)
