"""Requests for tokens of the embedded identity, by password, token and application credential."""

from typing import Any

from stillage.accounts.credential_request import credential_request_of
from stillage.accounts.login_request import LoginRequest, login_request_of
from stillage.accounts.token import Token
from stillage.operations.identity.embedded import EmbeddedIdentity
from stillage.operations.identity.login import Issued

DEFAULT = {"name": "Default"}
MEMBER = frozenset({"member", "reader"})
READER = frozenset({"reader"})


def by_password(user: str = "erin", password: str | None = None, scope: Any = None) -> LoginRequest:
    identity = {"user": {"name": user, "domain": DEFAULT, "password": password or f"{user}s"}}
    return login_request_of({"auth": {"identity": {"methods": ["password"], "password": identity}, "scope": scope}})


def by_token(token: str, scope: Any = None) -> LoginRequest:
    return login_request_of({"auth": {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": scope}})


def by_credential(**values: str | dict[str, Any]) -> LoginRequest:
    identity = {"methods": ["application_credential"], "application_credential": values}
    return login_request_of({"auth": {"identity": identity}})


def project(name: str) -> dict[str, Any]:
    return {"project": {"name": name, "domain": DEFAULT}}


async def login(identity: EmbeddedIdentity, user: str = "erin", scope: Any = None) -> Issued:
    return await identity.login(by_password(user, scope=scope))


async def credential(identity: EmbeddedIdentity, token: Token, **values: Any) -> tuple[str, str]:
    """Return id and secret of a new application credential."""
    wanted = credential_request_of({"application_credential": {"name": "ci", **values}})
    made, secret = await identity.credentials.create(token.principal, token.user_id, wanted)
    return made.id, secret


OTHER_DOMAIN = {"project": {"name": "lab", "domain": {"name": "other"}}}
