"""Members: whom images are shared with. Plain functions of a connection, as in `db.images`."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from stillage.db.tables import image_members
from stillage.errors import AlreadyExists
from stillage.ids import ImageId, ProjectId
from stillage.images.image import Image
from stillage.images.member import Member, MemberStatus


def add(connection: Connection, image: Image, member_id: ProjectId, now: datetime) -> Member:
    """Share *image* with *member_id*, pending until that project accepts.

    Raises:
        AlreadyExists: If it is already shared with that project.
    """
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
    return connection.execute(delete(image_members).where(_is(image_id, member_id))).rowcount == 1


def _is(image_id: str, member_id: str) -> ColumnElement[bool]:
    return and_(image_members.c.image_id == image_id, image_members.c.member_id == member_id)


def _member(row: Row[Any]) -> Member:
    return Member(
        ImageId(row.image_id), ProjectId(row.member_id), MemberStatus(row.status), row.created_at, row.updated_at
    )
