"""What Keystone says of a token, and what is said to Keystone to log in. Pure.

Source: Identity API v3, "Authentication and token management" and "Application credentials".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stillage import times
from stillage.ids import ProjectId, UserId
from stillage.images.access import with_implied


class NoToken(Exception):
    """The text of an answer does not describe a token."""


@dataclass(frozen=True, slots=True)
class Validated:
    """A token that Keystone has seen.

    Attributes:
        project_id: None for a token of a domain, of the system, or of nothing.
        roles: In lower case, with those that they imply.
        is_credential: It was got with an application credential.
        has_rules: It may be used for some requests only, which we cannot tell from others.
    """

    user_id: UserId
    user_name: str
    project_id: ProjectId | None
    project_name: str
    roles: frozenset[str]
    expires_at: datetime
    is_credential: bool = False
    has_rules: bool = False


def validated_of(document: Any) -> Validated:
    """Read the answer to ``GET /v3/auth/tokens``.

    Raises:
        NoToken: If it is something else.
    """
    try:
        token = document["token"]
        user, project = token["user"], token.get("project") or {}
        credential = token.get("application_credential") or {}
        return Validated(
            UserId(_text(user["id"])),
            _text(user["name"]),
            ProjectId(_text(project["id"])) if project else None,
            _text(project.get("name", "")),
            with_implied(frozenset(_text(role["name"]) for role in token.get("roles", []))),
            times.parse(token["expires_at"]),
            is_credential=bool(credential),
            has_rules=credential.get("access_rules") is not None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NoToken(f"{type(error).__name__}: {error}"[:200]) from error


def expiry_of(document: Any) -> datetime:
    """Return when the token of our own login ends; NoToken if the answer is no token's."""
    return validated_of(document).expires_at


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """How we log in: by name and password, or by an application credential.

    Attributes:
        name: The user's; None for an application credential.
        credential_id: The application credential's; None for a user.
        project: Where the user has the role service.
        domain: Of the user and of the project, by name.
    """

    name: str | None
    credential_id: str | None
    project: str
    domain: str

    def login(self, secret: str) -> Mapping[str, Any]:
        """Return the body of ``POST /v3/auth/tokens``. *secret*: the password, or the credential's secret."""
        if self.credential_id is not None:
            credential = {"id": self.credential_id, "secret": secret}
            identity = {"methods": ["application_credential"], "application_credential": credential}
            return {"auth": {"identity": identity}}
        domain = {"name": self.domain}
        user = {"name": self.name, "domain": domain, "password": secret}
        identity = {"methods": ["password"], "password": {"user": user}}
        return {"auth": {"identity": identity, "scope": {"project": {"name": self.project, "domain": domain}}}}


def renewal_of(now: datetime, expires_at: datetime, before: timedelta) -> datetime:
    """Return when a token that ends at *expires_at* is renewed: *before* its end, or in the middle of a short life."""
    return max(expires_at - before, now + (expires_at - now) / 2)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is needed")
    return value
