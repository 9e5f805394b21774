"""Access keys, which sign requests."""

from dataclasses import dataclass, field
from datetime import datetime

from stillage.ids import ProjectId, UserId


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key.

    Attributes:
        sealed: Its secret, encrypted (`identity.vault`).
        project_id: Used if the request names none; None for the user's default project. The only
            one that a temporary key opens.
        token_hash: Of a temporary key: the hash of the token it was made from, as in ``tokens``.
        security_token_hash: Of a temporary key: the hash of the security token that must be sent with it.
        expires_at: None if it does not expire.
    """

    access: str
    user_id: UserId
    sealed: str = field(repr=False)
    enabled: bool
    description: str
    project_id: ProjectId | None
    token_hash: str | None
    security_token_hash: str | None
    created_at: datetime
    expires_at: datetime | None

    @property
    def is_temporary(self) -> bool:
        return self.token_hash is not None


@dataclass(frozen=True, slots=True)
class Holder:
    """A key, and what its user may do in the requested project.

    Attributes:
        project_id: None if the user has no role in it.
        roles: In the project, the implied ones too.
    """

    key: AccessKey
    user_name: str
    project_id: ProjectId | None
    project_name: str | None
    roles: frozenset[str]
