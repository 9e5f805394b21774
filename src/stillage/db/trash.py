"""The trash: deleted images that keep their bytes for a while. Plain functions of a connection.

For everything else such an image is deleted: its row is that of every deleted image. Its placements stay, so that its
bytes do, shared or not, and count against its project; the purge removes them as a deletion would have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, literal, select, tuple_, update

from stillage.db import images as db
from stillage.db import lifecycle, members, placements, retention, usage
from stillage.db.images import COLUMNS, WIDTH, image_of
from stillage.db.lifecycle import Deleted
from stillage.db.tables import images, trash
from stillage.ids import BlobRef, ImageId, ProjectId, StoreId
from stillage.images.families import FAMILY
from stillage.images.image import Image
from stillage.images.lifecycle import DELETE_AT
from stillage.images.member import MemberStatus
from stillage.images.quota import Usage, scope_of_project
from stillage.images.retention import EXEMPT
from stillage.images.status import Status
from stillage.images.trash import Trashed

TRASHED: Select[Any] = select(*COLUMNS, trash).join(trash, trash.c.image_id == images.c.id)


def put(connection: Connection, image: Image, now: datetime, purge_at: datetime) -> Deleted | None:
    """Delete an image with data, whose row is held, so that it can be restored until *purge_at*."""
    shared = [[member.member_id, str(member.status)] for member in members.list_of(connection, image.id)]
    deleted = lifecycle.mark_deleted(connection, image.id, now, keeps_bytes=True)
    connection.execute(
        insert(trash).values(
            image_id=image.id,
            owner=image.owner,
            deleted_at=now,
            purge_at=purge_at,
            status=image.status,
            tags=list(image.tags),
            properties=dict(image.properties),
            members=shared,
            stores=image.stores,
        )
    )
    return deleted


def find(connection: Connection, image_id: str) -> Trashed | None:
    row = connection.execute(TRASHED.where(trash.c.image_id == image_id)).first()
    return None if row is None else _trashed(row)


def page(connection: Connection, owner: ProjectId, limit: int, marker: str | None) -> Sequence[Trashed]:
    """Return the trash of a project behind the image *marker*, the latest deletion first."""
    query = TRASHED.where(trash.c.owner == owner)
    if marker is not None:
        last = select(trash.c.deleted_at, trash.c.image_id).where(trash.c.image_id == marker)
        place = connection.execute(last).first()
        if place is not None:
            before = literal(place.deleted_at, trash.c.deleted_at.type), literal(place.image_id)
            query = query.where(tuple_(trash.c.deleted_at, trash.c.image_id) < tuple_(*before))
    query = query.order_by(trash.c.deleted_at.desc(), trash.c.image_id.desc()).limit(limit)
    return [_trashed(row) for row in connection.execute(query)]


def due(connection: Connection, now: datetime, limit: int) -> Sequence[Trashed]:
    """Return images that are to be purged, the longest overdue first."""
    query = TRASHED.where(trash.c.purge_at <= now).order_by(trash.c.purge_at, trash.c.image_id).limit(limit)
    return [_trashed(row) for row in connection.execute(query)]


def restore(connection: Connection, trashed: Image, now: datetime) -> Image | None:
    """Return the image, there again as it was; None if it is not in the trash any more.

    No date and no rule deletes it again: such a date is dropped, and where its family has a rule, it is exempt.
    """
    image_id = trashed.id
    row = _take(connection, image_id)
    if row is None:
        return None
    properties = {name: value for name, value in row.properties.items() if name != DELETE_AT}
    family = properties.get(FAMILY)
    if family is not None and row.owner is not None and retention.find(connection, row.owner, family) is not None:
        properties |= dict([EXEMPT])
    values = {
        "status": Status(row.status),
        "deleted_at": None,
        "updated_at": now,
        "tags": row.tags,
        "properties": properties,
        "stores": row.stores,
        "damage": _damage_of(connection, image_id),
        "version": images.c.version + 1,
    }
    connection.execute(update(images).where(images.c.id == image_id).values(**values))
    image = db.get(connection, image_id)
    db.index(connection, image)
    for member_id, status in row.members:
        member = members.add(connection, image, ProjectId(member_id), now)
        if status != member.status:
            members.set_status(connection, image_id, member_id, MemberStatus(status), now)
    return db.get(connection, image_id)


def purge(
    connection: Connection, image_id: ImageId, keep_until: Mapping[StoreId, datetime]
) -> Sequence[BlobRef] | None:
    """Give up the bytes of an image in the trash; return those that may be removed. None if it is not there any more.

    *keep_until*: see `lifecycle.mark_deleted`.
    """
    row = _take(connection, image_id)
    if row is None:
        return None
    removed = placements.remove(connection, image_id, keep_until=keep_until)
    usage.change(connection, scope_of_project(row.owner), Usage(bytes=-removed.freed, images=-1))
    return removed.blobs


def _take(connection: Connection, image_id: ImageId) -> Any:
    """Hold the image, take it out of the trash, and return what the trash has of it."""
    connection.execute(select(images.c.id).where(images.c.id == image_id).with_for_update())
    return connection.execute(delete(trash).where(trash.c.image_id == image_id).returning(trash)).first()


def _damage_of(connection: Connection, image_id: ImageId) -> str | None:
    """Return what a scrub found wrong with all copies of an image, also meanwhile."""
    damages = [placement.damage for placement in placements.of_image(connection, image_id)]
    return None if None in damages or not damages else damages[0]


def _trashed(row: Row[Any]) -> Trashed:
    image = image_of(row)
    _, _, deleted_at, purge_at, status, tags, properties, _, stores = row[WIDTH:]
    image = replace(image, status=Status(status), tags=tuple(tags), properties=properties, stores=tuple(stores or ()))
    return Trashed(image, deleted_at, purge_at)
