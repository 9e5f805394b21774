"""Members: the projects that an image is shared with.

Access is immediate; the status only steers what a member's lists show.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from stillage.images.image import ImageId, ProjectId


class MemberStatus(StrEnum):
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
