"""Application credentials: passwords for programs, each limited to one project and some of its owner's roles."""

from dataclasses import dataclass, field
from datetime import datetime

from stillage.ids import ProjectId, UserId


@dataclass(frozen=True, slots=True)
class Credential:
    """An application credential.

    Attributes:
        roles: In the order in which they were named; each counts only while the owner has it too.
        restricted: True if its tokens may not make or delete application credentials.
        expires_at: None if it does not expire.
    """

    id: str
    user_id: UserId
    project_id: ProjectId
    name: str
    description: str | None
    secret_hash: str = field(repr=False)
    roles: tuple[str, ...]
    restricted: bool
    expires_at: datetime | None
