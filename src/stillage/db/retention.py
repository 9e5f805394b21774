"""Rules of which images of a family are kept, and the images that they are about. Plain functions of a connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    delete,
    exists,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from stillage.db.list_filters import is_no_entry, is_property
from stillage.db.tables import image_members, image_properties, images, indexed_value, retention
from stillage.ids import ImageId, ProjectId
from stillage.images.families import FAMILY
from stillage.images.image import Image
from stillage.images.lifecycle import RETIRED
from stillage.images.member import MemberStatus
from stillage.images.retention import EXEMPT, Candidate, Rule
from stillage.images.status import WITH_DATA, Status

MOST = 100_000
"""So many images of a family are looked at, the newest."""
MEMBERSHIPS = image_properties.alias("memberships")
ENTRY = MEMBERSHIPS.c
"""That an image is in a family; `image_properties` itself is asked for other properties of it."""


@dataclass(frozen=True, slots=True)
class FamilyRule:
    owner: ProjectId
    family: str
    rule: Rule


def find(connection: Connection, owner: ProjectId, family: str) -> Rule | None:
    row = connection.execute(select(retention).where(_is(owner, family))).first()
    return None if row is None else _rule(row).rule


def of_project(connection: Connection, owner: ProjectId, limit: int, marker: str | None) -> Sequence[FamilyRule]:
    """Return the rules of a project behind the family *marker*, by family."""
    query = select(retention).where(retention.c.owner == owner, retention.c.family > (marker or ""))
    return [_rule(row) for row in connection.execute(query.order_by(retention.c.family).limit(limit))]


def page(connection: Connection, after: tuple[str, str], limit: int) -> Sequence[FamilyRule]:
    """Return the rules of all projects behind *after*, an owner and a family."""
    place = tuple_(retention.c.owner, retention.c.family)
    query = select(retention).where(place > after).order_by(retention.c.owner, retention.c.family).limit(limit)
    return [_rule(row) for row in connection.execute(query)]


def put(connection: Connection, owner: ProjectId, family: str, rule: Rule, now: datetime) -> None:
    """Set the rule of a family."""
    values = {"keep_newest": rule.keep_newest, "keep_days": rule.keep_days, "updated_at": now}
    if connection.execute(update(retention).where(_is(owner, family)).values(values)).rowcount == 0:
        connection.execute(insert(retention).values(owner=owner, family=family, **values))


def remove(connection: Connection, owner: ProjectId, family: str) -> bool:
    """Remove the rule of a family. False if there is none."""
    return connection.execute(delete(retention).where(_is(owner, family))).rowcount == 1


IN_USE = and_(
    images.c.status == Status.ACTIVE,
    images.c.os_hidden.is_(False),
    *(is_no_entry(image_properties, *is_property(*each)) for each in RETIRED),
)
ACCEPTED = (image_members.c.image_id == images.c.id) & (image_members.c.status == MemberStatus.ACCEPTED)
NEEDED = or_(
    images.c.protected,
    ~is_no_entry(image_properties, *is_property(*EXEMPT)),
    exists().where(ACCEPTED).correlate(images),
)


def candidates(connection: Connection, owner: ProjectId, family: str) -> Sequence[Candidate]:
    """Return the images with data that a project has in a family, the newest first."""
    return _found(connection, _in_family(owner, family).limit(MOST))


def may_go(connection: Connection, image: Image, owner: ProjectId, family: str) -> bool:
    """True if nobody needs *image*, which is still in *family*, and it is not the latest, at this moment."""
    of_family = _in_family(owner, family)
    this = _found(connection, of_family.where(images.c.id == image.id))
    newest = _found(connection, of_family.where(IN_USE).limit(1)) or _found(connection, of_family.limit(1))
    return any(not each.is_needed for each in this) and image.id not in {each.image_id for each in newest}


def _in_family(owner: ProjectId, family: str) -> Select[Any]:
    entries = select(images.c.id, images.c.name, ENTRY.created_at, _yes(IN_USE), _yes(NEEDED))
    return (
        entries.select_from(MEMBERSHIPS.join(images, images.c.id == ENTRY.image_id))
        .where(ENTRY.name == FAMILY, ENTRY.value == indexed_value(family))
        .where(images.c.owner == owner, images.c.status.in_(sorted(WITH_DATA)), images.c.deleted_at.is_(None))
        .order_by(ENTRY.created_at.desc(), ENTRY.image_id.desc())
    )


def _yes(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _found(connection: Connection, query: Select[Any]) -> Sequence[Candidate]:
    rows = connection.execute(query).all()
    return [Candidate(ImageId(row[0]), row[1], row[2], bool(row[3]), bool(row[4])) for row in rows]


def _is(owner: ProjectId, family: str) -> ColumnElement[bool]:
    return and_(retention.c.owner == owner, retention.c.family == family)


def _rule(row: Row[Any]) -> FamilyRule:
    return FamilyRule(ProjectId(row.owner), row.family, Rule(row.keep_newest, row.keep_days))
