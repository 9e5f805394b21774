"""Members: whom images are shared with. Plain functions of a connection, as in `db.images`."""

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from stillage.db.lookups import AT_ONCE, Inquiry, Memory, Question, Questions
from stillage.db.tables import image_members, images
from stillage.errors import AlreadyExists
from stillage.ids import ImageId, ProjectId
from stillage.images.image import Image, Visibility
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


def _shared_of(_memory: Memory, image_ids: Collection[ImageId]) -> Questions[set[ImageId]]:
    if len(image_ids) > AT_ONCE:
        question = Question(WITH_MEMBERS, {"ids": list(image_ids)})
    else:
        question = Question(_with_members(len(image_ids)), {f"id_{n}": one for n, one in enumerate(image_ids)})
    return {row.image_id for row in (yield question)}


def _is_page(image_ids: Collection[ImageId]) -> bool:
    return len(image_ids) <= AT_ONCE


@lru_cache(AT_ONCE + 1)
def _with_members(count: int) -> Select[tuple[Any]]:
    ids = [bindparam(f"id_{number}", type_=image_members.c.image_id.type) for number in range(count)]
    return select(image_members.c.image_id).where(image_members.c.image_id.in_(ids)).distinct()


WITH_MEMBERS = (
    select(image_members.c.image_id).where(image_members.c.image_id.in_(bindparam("ids", expanding=True))).distinct()
)
shared_of = Inquiry(_shared_of, _is_page)
"""Returns which of the images have members."""


def set_status(
    connection: Connection, image_id: str, member_id: str, status: MemberStatus, now: datetime
) -> Member | None:
    """Return the member with its new status; None if the image is not shared with that project."""
    connection.execute(update(image_members).where(_is(image_id, member_id)).values(status=status, updated_at=now))
    return find(connection, image_id, member_id)


def remove(connection: Connection, image_id: str, member_id: str) -> bool:
    """End the share. False if there was none."""
    return connection.execute(delete(image_members).where(_is(image_id, member_id))).rowcount == 1


def remove_and_close(connection: Connection, image_id: ImageId, member_id: str) -> bool:
    """`remove`; a shared image without members is a private one again."""
    removed = remove(connection, image_id, member_id)
    if removed and not list_of(connection, image_id):
        _set_visibility(connection, image_id, Visibility.SHARED, Visibility.PRIVATE)
    return removed


def _set_visibility(connection: Connection, image_id: ImageId, before: Visibility, after: Visibility) -> None:
    its_row = (images.c.id == image_id) & (images.c.visibility == before)
    connection.execute(update(images).where(its_row).values(visibility=after, version=images.c.version + 1))


def _is(image_id: str, member_id: str) -> ColumnElement[bool]:
    return and_(image_members.c.image_id == image_id, image_members.c.member_id == member_id)


def _member(row: Row[Any]) -> Member:
    return Member(
        ImageId(row.image_id), ProjectId(row.member_id), MemberStatus(row.status), row.created_at, row.updated_at
    )
