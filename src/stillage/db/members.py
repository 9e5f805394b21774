"""Members: whom images are shared with. Plain functions of a connection, as in `db.images`.

The record says whether there are any. Whoever adds or removes one holds the record before, so that it stays true.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from stillage.db.tables import image_members, images
from stillage.errors import AlreadyExists, ImageNotFound
from stillage.ids import ImageId, ProjectId
from stillage.images.image import Image, Visibility
from stillage.images.member import Member, MemberStatus


def add(connection: Connection, image: Image, member_id: ProjectId, now: datetime) -> Member:
    """Share *image* with *member_id*, pending until that project accepts.

    Raises:
        AlreadyExists: If it is already shared with that project.
        ImageNotFound: If it was deleted meanwhile.
    """
    there = (images.c.id == image.id) & images.c.deleted_at.is_(None)
    if connection.execute(update(images).where(there).values(has_members=True)).rowcount == 0:
        raise ImageNotFound(image.id)
    member = Member(image.id, member_id, MemberStatus.PENDING, created_at=now, updated_at=now)
    row = {
        "image_id": member.image_id,
        "member_id": member.member_id,
        "status": member.status,
        "image_created_at": image.created_at,
        "created_at": member.created_at,
        "updated_at": member.updated_at,
    }
    try:
        connection.execute(insert(image_members).values(row))
    except IntegrityError as error:
        raise AlreadyExists(f"image {image.id} is shared with project {member_id!r} already") from error
    return member


def add_and_open(connection: Connection, image: Image, member_id: ProjectId, now: datetime) -> Member:
    """`add`; a private image becomes a shared one."""
    member = add(connection, image, member_id, now)
    _set_visibility(connection, image.id, Visibility.PRIVATE, Visibility.SHARED)
    return member


def find(connection: Connection, image_id: str, member_id: str) -> Member | None:
    row = connection.execute(select(image_members).where(_is(image_id, member_id))).first()
    return None if row is None else _member(row)


def list_of(connection: Connection, image_id: str) -> list[Member]:
    """Return the members of an image, the oldest first."""
    rows = connection.execute(
        select(image_members)
        .where(image_members.c.image_id == image_id)
        .order_by(image_members.c.created_at, image_members.c.member_id)
    )
    return [_member(row) for row in rows]


def set_status(
    connection: Connection, image_id: str, member_id: str, status: MemberStatus, now: datetime
) -> Member | None:
    """Return the member with its new status; None if the image is not shared with that project."""
    connection.execute(update(image_members).where(_is(image_id, member_id)).values(status=status, updated_at=now))
    return find(connection, image_id, member_id)


def remove(connection: Connection, image_id: str, member_id: str) -> bool:
    """End the share. False if there was none."""
    its_row = images.c.id == image_id
    connection.execute(select(images.c.id).where(its_row).with_for_update(key_share=True))
    if connection.execute(delete(image_members).where(_is(image_id, member_id))).rowcount == 0:
        return False
    others = exists().where(image_members.c.image_id == image_id)
    connection.execute(update(images).where(its_row).values(has_members=others))
    return True


def remove_and_close(connection: Connection, image_id: ImageId, member_id: str) -> bool:
    """`remove`; a shared image without members is a private one again."""
    removed = remove(connection, image_id, member_id)
    if removed:
        _set_visibility(connection, image_id, Visibility.SHARED, Visibility.PRIVATE, ~images.c.has_members)
    return removed


def _set_visibility(
    connection: Connection, image_id: ImageId, before: Visibility, after: Visibility, *also: ColumnElement[bool]
) -> None:
    its_row = (images.c.id == image_id) & (images.c.visibility == before)
    connection.execute(update(images).where(its_row, *also).values(visibility=after, version=images.c.version + 1))


def _is(image_id: str, member_id: str) -> ColumnElement[bool]:
    return and_(image_members.c.image_id == image_id, image_members.c.member_id == member_id)


def _member(row: Row[Any]) -> Member:
    return Member(
        ImageId(row.image_id), ProjectId(row.member_id), MemberStatus(row.status), row.created_at, row.updated_at
    )
