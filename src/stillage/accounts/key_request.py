"""Parses requests to create or change an access key.

Source: Huawei Cloud, IAM API Reference, "Access Key Management".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stillage.accounts.texts import is_unicode
from stillage.errors import InvalidInput

MIN_DURATION_S = 15 * 60
MAX_DURATION_S = 24 * 3600
MAX_DESCRIPTION = 255
STATUSES = {"active": True, "inactive": False}


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A requested permanent key. *user_id*: None for the requesting user."""

    user_id: str | None
    description: str


@dataclass(frozen=True, slots=True)
class KeyChange:
    """Changes to a key; None leaves a value as it is."""

    enabled: bool | None
    description: str | None


@dataclass(frozen=True, slots=True)
class TemporaryRequest:
    """A requested temporary pair. *token*: None if it is in a header of the request."""

    token: str | None = field(repr=False)
    duration_s: int


def key_request_of(document: Any) -> KeyRequest:
    """Read the body of a request for a permanent key; InvalidInput if it is not valid."""
    wanted = _part(document, "credential")
    return KeyRequest(_text(wanted, "user_id"), _description(wanted) or "")


def key_change_of(document: Any) -> KeyChange:
    """Read the body of a change; InvalidInput if it is not valid."""
    wanted = _part(document, "credential")
    status = _text(wanted, "status")
    if status is not None and status not in STATUSES:
        raise InvalidInput(f"unknown status {status[:32]!r}; use active or inactive")
    return KeyChange(None if status is None else STATUSES[status], _description(wanted))


def temporary_request_of(document: Any) -> TemporaryRequest:
    """Parse the body of a request for a temporary pair; InvalidInput if it asks for what is not supported."""
    identity = _part(_part(document, "auth"), "identity")
    if identity.get("methods") != ["token"]:
        raise InvalidInput('auth.identity.methods must be ["token"]: temporary keys are made from a token here')
    if identity.get("policy"):
        # Ignoring it would make a pair that may do more than was asked for.
        raise InvalidInput("auth.identity.policy is not supported; limit roles instead")
    token = _part(identity, "token") if identity.get("token") is not None else {}
    return TemporaryRequest(_text(token, "id"), _duration(token.get("duration_seconds")))


def _duration(given: Any) -> int:
    if given is None:
        return MIN_DURATION_S
    if type(given) is not int or not MIN_DURATION_S <= given <= MAX_DURATION_S:
        raise InvalidInput(f"duration_seconds must be a number from {MIN_DURATION_S} to {MAX_DURATION_S}")
    return given


def _part(document: Any, name: str) -> Mapping[str, Any]:
    part = document.get(name) if isinstance(document, dict) else None
    if not isinstance(part, dict):
        raise InvalidInput(f"the body must contain the object {name}")
    return part


def _text(wanted: Mapping[str, Any], key: str) -> str | None:
    value = wanted.get(key)
    if value is not None and not isinstance(value, str):
        raise InvalidInput(f"{key} must be text")
    return value


def _description(wanted: Mapping[str, Any]) -> str | None:
    text = _text(wanted, "description")
    return None if text is None else require_description(text)


def require_description(text: str) -> str:
    """Return *text* if it is a valid description of a key; InvalidInput otherwise."""
    if len(text) > MAX_DESCRIPTION or "\0" in text or not is_unicode(text):
        raise InvalidInput(f"description must be Unicode text of at most {MAX_DESCRIPTION} characters")
    return text
