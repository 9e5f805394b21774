"""Tokens: whom one stands for, and what is stored of a new one."""

from dataclasses import dataclass
from datetime import datetime

from stillage.accounts.principal import Kind, Principal
from stillage.ids import ProjectId, UserId


@dataclass(frozen=True, slots=True)
class CredentialOf:
    """The application credential that a token was issued for."""

    id: str
    name: str
    restricted: bool


@dataclass(frozen=True, slots=True)
class Token:
    """Whom a token stands for, and where.

    Attributes:
        digest: Its key in the table.
        project_id: None if it is unscoped.
        roles: In the project, the implied ones too; empty if it is unscoped.
        methods: How its user authenticated; ``token`` comes first if it was made from another token.
        idle_until: When it ends unless it is used before; None for a token that is not a session's.
    """

    digest: str
    audit_id: str
    user_id: UserId
    user_name: str
    project_id: ProjectId | None
    project_name: str | None
    roles: frozenset[str]
    methods: tuple[str, ...]
    credential: CredentialOf | None
    issued_at: datetime
    expires_at: datetime
    idle_until: datetime | None = None

    @property
    def principal(self) -> Principal:
        """Whom a request with this token acts for."""
        credential = self.credential
        return Principal(
            self.user_id,
            self.project_id,
            self.roles,
            self.user_name,
            self.project_name or "",
            kind=Kind.TOKEN if credential is None else Kind.APPLICATION_CREDENTIAL,
            through=None if credential is None else credential.id,
            is_restricted=credential is not None and credential.restricted,
            # An application credential has some of its owner's roles, in one project; a key would have all of them.
            may_make_keys=credential is None,
        )


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token about to be issued. *address*: of the client, as far as it is known."""

    digest: str
    audit_id: str
    user_id: UserId
    project_id: ProjectId | None
    methods: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    credential_id: str | None = None
    idle_until: datetime | None = None
    address: str | None = None
