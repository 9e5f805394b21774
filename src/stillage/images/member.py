"""Sharing: a member is a project that an image is shared with.

Source: OpenStack Image API v2, "Sharing".
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from stillage.errors import InvalidInput, NotShareable
from stillage.ids import ImageId, ProjectId
from stillage.images.image import Visibility
from stillage.images.values import text


class MemberStatus(StrEnum):
    """The member's own decision. It affects which images they list, not which they may read."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Member:
    """A share of one image with one project, as last read."""

    image_id: ImageId
    member_id: ProjectId
    status: MemberStatus
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SharingRules:
    """How images can be shared, which differs between the profiles.

    Attributes:
        max_members: Of one image.
        shares_private: A private image can be shared; it is a shared one until it has no members left.
    """

    max_members: int
    shares_private: bool

    def require_shareable(self, visibility: Visibility) -> None:
        """Raise NotShareable unless images of this *visibility* can have members."""
        if visibility is Visibility.PRIVATE and self.shares_private:
            return
        if visibility is not Visibility.SHARED:
            raise NotShareable(visibility)


def member_id_of(document: Any) -> ProjectId:
    """Return the project in ``{"member": "…"}``; InvalidInput if there is none."""
    given = document.get("member") if isinstance(document, dict) else None
    if not given:
        raise InvalidInput('the body must be {"member": "<project id>"}')
    return ProjectId(text("member", given))


def status_of(document: Any) -> MemberStatus:
    """Return the status in ``{"status": "…"}``; InvalidInput if it is not valid."""
    given = document.get("status") if isinstance(document, dict) else None
    if not isinstance(given, str) or given not in list(MemberStatus):
        raise InvalidInput(f'the body must be {{"status": …}} with one of {", ".join(MemberStatus)}')
    return MemberStatus(given)
