"""Parses a request to create an application credential.

Source: Identity API v3, "Application credentials".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stillage import times
from stillage.accounts.names import MAX_USER, require_name
from stillage.accounts.texts import is_unicode, require_password
from stillage.errors import InvalidInput

MAX_DESCRIPTION = 4096


@dataclass(frozen=True, slots=True)
class CredentialRequest:
    """A requested application credential.

    Attributes:
        secret: None to generate one.
        roles: Names or ids, as the client sent them; None for all roles of its token.
        expires_at: None for never.
    """

    name: str
    description: str | None
    secret: str | None = field(repr=False)
    roles: tuple[str, ...] | None
    expires_at: datetime | None
    restricted: bool


def credential_request_of(document: Any) -> CredentialRequest:
    """Parse the body of a request for an application credential.

    Args:
        document: Any JSON value.

    Raises:
        InvalidInput: If something in it is not possible.
    """
    wanted = document.get("application_credential") if isinstance(document, dict) else None
    if not isinstance(wanted, dict):
        raise InvalidInput("the body must be a JSON object with the object application_credential")
    if wanted.get("access_rules"):
        # Ignoring them would make a credential that may do more than its owner meant.
        raise InvalidInput("access_rules are not supported; limit roles instead")
    secret = _text(wanted, "secret")
    return CredentialRequest(
        name=require_name("credential", _text(wanted, "name") or "", MAX_USER),
        description=_description(wanted),
        secret=None if secret is None else require_password(secret),
        roles=_roles(wanted.get("roles")),
        expires_at=_time(_text(wanted, "expires_at")),
        restricted=not _flag(wanted, "unrestricted"),
    )


def _text(wanted: Mapping[str, Any], key: str) -> str | None:
    value = wanted.get(key)
    if value is not None and not isinstance(value, str):
        raise InvalidInput(f"{key} must be text")
    return value


def _flag(wanted: Mapping[str, Any], key: str) -> bool:
    value = wanted.get(key)
    if value is not None and not isinstance(value, bool):
        raise InvalidInput(f"{key} must be true or false")
    return bool(value)


def _description(wanted: Mapping[str, Any]) -> str | None:
    text = _text(wanted, "description")
    if text is not None and (len(text) > MAX_DESCRIPTION or "\0" in text or not is_unicode(text)):
        raise InvalidInput(f"description must be Unicode text of at most {MAX_DESCRIPTION} characters")
    return text


def _roles(roles: Any) -> tuple[str, ...] | None:
    if roles is None or roles == []:  # openstacksdk sends an empty list if none were given
        return None
    if not isinstance(roles, list):
        raise InvalidInput("roles must be a list of objects with id or name; omit it for all your roles")
    return tuple(_role(role) for role in roles)


def _role(role: Any) -> str:
    named = role.get("name") or role.get("id") if isinstance(role, dict) else None
    if not isinstance(named, str):
        raise InvalidInput("each role must be an object with id or name")
    return named


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return times.parse(text)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"expires_at must be a time such as 2030-01-02T03:04:05Z, not {text[:80]!r}") from error
