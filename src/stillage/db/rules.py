"""A resolved rule of `images.rules` as a condition on rows of images."""

from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    and_,
    bindparam,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
)

from stillage.db.tables import image_members, images
from stillage.images.access import OWNER_NAMES
from stillage.images.image import Visibility
from stillage.images.rules import AllOf, AnyOf, Attribute, Comparison, Expression, Not, PrincipalKey

Clause = ColumnElement[bool]

NEVER: Clause = literal_column("(1 = 0)", Boolean)
"""SQLAlchemy leaves out what stands beside a `false()`, and SQLite then refuses to read the index that a list names."""
PROJECT = bindparam("project", type_=images.c.owner.type)
"""The principal's project, in every statement of a list."""
PRINCIPAL: Mapping[str, ColumnElement[str]] = {
    "project_id": PROJECT,
    "user_id": bindparam("user", type_=images.c.owner.type),
}

_members = image_members.alias("its_members")
MEMBER_ID = (
    select(_members.c.member_id)
    .where(
        _members.c.image_id == images.c.id, _members.c.member_id == PROJECT, images.c.visibility == Visibility.SHARED
    )
    .correlate(images)
    .scalar_subquery()
)
"""The principal's project if the image is shared with it, else NULL. An image that is not shared has no members."""

ATTRIBUTES: Mapping[str, ColumnElement[Any]] = {
    **dict.fromkeys(OWNER_NAMES, images.c.owner),
    "image_id": images.c.id,
    "visibility": images.c.visibility,
    "status": images.c.status,
    "member_id": MEMBER_ID,
}


def clause_of(rule: Expression) -> Clause:
    """Return what holds for just those rows for which `images.rules.holds` says so."""
    match rule:
        case bool():
            return true() if rule else NEVER
        case Not(part):
            return not_(clause_of(part))
        case AllOf(parts):
            return and_(*map(clause_of, parts))
        case AnyOf(parts):
            return or_(*map(clause_of, parts))
        case Comparison(left, right):
            return _equal(PRINCIPAL[left.name] if isinstance(left, PrincipalKey) else literal(left), right)
        case _:
            raise AssertionError(rule)  # a resolved rule has no other part


def _equal(value: ColumnElement[str], pieces: tuple[str | Attribute, ...]) -> Clause:
    if any(isinstance(piece, Attribute) and piece.name not in ATTRIBUTES for piece in pieces):
        return NEVER
    texts = [ATTRIBUTES[piece.name] if isinstance(piece, Attribute) else literal(piece) for piece in pieces]
    # NULL equals nothing, also where the rule says "not".
    return func.coalesce(reduce(add, texts) == value, false(), type_=Boolean)
