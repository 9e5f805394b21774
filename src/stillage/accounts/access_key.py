"""Access keys: what signed requests are verified with."""

from dataclasses import dataclass, field
from datetime import datetime

from stillage.ids import ProjectId, UserId


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key.

    Attributes:
        sealed: Its secret, encrypted (`identity.vault`).
        project_id: For which it is used where the request names none; None for the user's default project. The only
            one that a temporary key opens.
        token_hash: Of a temporary key: the token that it was got with, as it stands in ``tokens``.
        security_token_hash: Of a temporary key: what has to come with it.
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
    """A key, and whom it stands for in the project that was asked for.

    Attributes:
        project_id: None if it stands for no project there.
        roles: In the project, the implied ones too.
    """

    key: AccessKey
    user_name: str
    project_id: ProjectId | None
    project_name: str | None
    roles: frozenset[str]
