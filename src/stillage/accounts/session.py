"""Sessions of the console: a browser that is signed in, and how it asked for that."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from stillage.accounts.names import DOMAIN_NAME, is_name
from stillage.accounts.principal import Principal
from stillage.errors import Forbidden, InvalidInput

LIFETIME = timedelta(days=7)
IDLE = timedelta(hours=12)
"""When a session ends: after this time in all, and after this time without a request."""
RENEWED_EVERY = timedelta(minutes=5)
"""How often a use is written down, so that most requests write nothing."""
LINK_LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Session:
    """Whom a browser stands for.

    Attributes:
        expires_at: When it ends, however much it is used.
        idle_until: When it ends without another request.
    """

    principal: Principal
    expires_at: datetime
    idle_until: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session. Its text is not stored, and never shown again."""

    text: str = field(repr=False)
    session: Session


class SignInKind(StrEnum):
    """What somebody is signed in with."""

    SESSION = "session"
    """A browser."""
    LINK = "link"
    """A link that begins a session, and has not been used."""
    TOKEN = "token"  # noqa: S105 - no secret
    APPLICATION_CREDENTIAL = "application_credential"
    """A token that a program got with one."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One place where a user is signed in, as its user sees it.

    Attributes:
        id: Names it; no secret.
        project_id: None for a token without a project.
        credential: The name of the application credential that it was got with.
        used_at: When a session was used last, see `last_use`; None for what is no session: that is not written down.
        address: Of the client that signed in; None if unknown.
        is_current: The request that asks came with it.
    """

    id: str
    kind: SignInKind
    project_id: str | None
    project_name: str | None
    credential: str | None
    begun_at: datetime
    used_at: datetime | None
    expires_at: datetime
    idle_until: datetime | None
    address: str | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class ByForm:
    """A sign-in with the password. *project*: None for the user's default one. *domain*: of user and project."""

    user: str
    password: str = field(repr=False)
    project: str | None
    domain: str


@dataclass(frozen=True, slots=True)
class ByLink:
    """A sign-in with the single-use link that ``stillage serve`` prints."""

    link: str = field(repr=False)


SignIn = ByForm | ByLink


def sign_in_of(document: Mapping[str, Any]) -> SignIn:
    """Parse the body of a sign-in.

    Raises:
        InvalidInput: If it is neither of the two, or has other members.
    """
    if "link" in document:
        _require_members(document, ("link",))
        return ByLink(_text(document, "link"))
    _require_members(document, ("user", "password", "project", "domain"))
    project = None if document.get("project") is None else _name(document, "project")
    domain = DOMAIN_NAME if document.get("domain") is None else _name(document, "domain")
    return ByForm(_name(document, "user"), _text(document, "password"), project, domain)


def renewed(session: Session, now: datetime) -> Session | None:
    """Return *session* as it is after a use *now*; None if that is as good as what is stored."""
    until = min(now + IDLE, session.expires_at)
    if until - session.idle_until < RENEWED_EVERY:
        return None
    return Session(session.principal, session.expires_at, until)


def last_use(begun_at: datetime, idle_until: datetime) -> datetime:
    """Return when a session was used last, as far as it is written down.

    The use may be up to `RENEWED_EVERY` later, and in the last hours of a session, when it cannot end later, up to
    `IDLE`.
    """
    return max(begun_at, idle_until - IDLE)


def require_may_end(principal: Principal) -> None:
    """Raise Forbidden if *principal* may not end other sessions and tokens of its user."""
    # Otherwise the thief of a credential could sign its owner out again and again.
    if principal.is_restricted:
        raise Forbidden("restricted application credentials and temporary access keys may not end sessions and tokens")


def _require_members(document: Mapping[str, Any], known: tuple[str, ...]) -> None:
    others = [name for name in document if name not in known]
    if others:
        raise InvalidInput(f"unknown member {others[0][:80]!r}; a sign-in has {', '.join(known)}")


def _name(document: Mapping[str, Any], key: str) -> str:
    text = _text(document, key)
    if not is_name(text):
        raise InvalidInput(f"{key} {text[:80]!r} cannot be a name")
    return text


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise InvalidInput(f"{key} must be text, and {'is missing' if value is None else 'is something else'}")
    return value
