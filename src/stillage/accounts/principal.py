"""Principals: who a request acts for, and how that was proved."""

from dataclasses import dataclass, field
from enum import StrEnum

from stillage.errors import Unauthenticated
from stillage.ids import ProjectId, UserId


class Kind(StrEnum):
    """What a principal proved itself with."""

    TOKEN = "token"  # noqa: S105 - no secret
    PASSWORD = "password"  # noqa: S105 - no secret
    APPLICATION_CREDENTIAL = "application_credential"
    SIGNATURE = "signature"
    SESSION = "session"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request acts for: made once for each request, from a token or a signature.

    Nothing below the API asks which of the two it was.

    Attributes:
        scope: The project that it acts in; None outside of all projects, where it has no roles.
        roles: In the project, with the implied ones.
        kind: For the audit; no rule looks at it.
        vouched_by: The service that sent the request on for the user and proved to be one; None without.
        through: What the rights came through, and end with: the id of an application credential or a permanent access
            key; with a Keystone the token. None for the user's own.
        is_restricted: True if it may not manage application credentials.
        may_make_keys: True if it may have access keys made: they carry all that their owner may do.
    """

    user_id: UserId
    scope: ProjectId | None
    roles: frozenset[str]
    user_name: str = ""
    project_name: str = ""
    kind: Kind = Kind.TOKEN
    vouched_by: UserId | None = None
    through: str | None = field(default=None, repr=False, compare=False)
    is_restricted: bool = False
    may_make_keys: bool = True

    @property
    def project_id(self) -> ProjectId:
        """The project that it acts in. Raises Unauthenticated where there is none, so that none never equals none."""
        if self.scope is None:
            raise Unauthenticated
        return self.scope

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles
