"""Domain objects in one line."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from stillage.accounts.principal import Principal
from stillage.ids import ImageId, ProjectId, UserId
from stillage.images.access import Access, Viewer, with_implied
from stillage.images.image import Image

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IMAGE_ID = ImageId("0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11")


def principal(project: str = "lab", *roles: str) -> Principal:
    return Principal(UserId("erin"), ProjectId(project), with_implied(frozenset(roles or ("member",))))


def viewer(project: str = "lab", *roles: str, **rules: str) -> Viewer:
    """*rules*: in the place of the default ones."""
    return Access(rules).viewer(principal(project, *roles))


def image(**changes: Any) -> Image:
    return replace(Image(id=IMAGE_ID, owner=ProjectId("lab"), created_at=T0, updated_at=T0), **changes)
