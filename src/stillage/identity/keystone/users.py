"""Log users in to Keystone for the console, and revoke what they got.

Source: Identity API v3, "Password authentication with scoped authorization" and "Revoke token".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from stillage.accounts.session import ByForm
from stillage.errors import InvalidInput, Unauthenticated, Unavailable
from stillage.identity.keystone.tokens import NoToken, Validated, validated_of
from stillage.peers import Peer

log = structlog.get_logger()

TOKENS = "/v3/auth/tokens"
REFUSED = (400, 401, 403, 404)
"""Keystone does not say what is wrong with a login, and neither do we."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A user's new token, and what Keystone says of it."""

    token: str = field(repr=False)
    validated: Validated


async def log_in(keystone: Peer, form: ByForm) -> LoggedIn:
    """Return a token of Keystone for the user of *form*, in a project.

    Raises:
        Unauthenticated: If Keystone refuses the login.
        InvalidInput: If it gives a token without a project.
        Unavailable: If it does not answer, or strangely.
    """
    headers = {"Content-Type": "application/json"}
    reply = await keystone("POST", f"{TOKENS}?nocatalog", headers, json.dumps(_login(form)).encode())
    if reply.status in REFUSED:
        raise Unauthenticated
    token = reply.headers.get("x-subject-token")
    if reply.status != 201 or not token:
        log.error("Keystone does not do what it is asked", status=reply.status)
        raise Unavailable(f"Keystone answers {reply.status}; the same request may succeed later")
    try:
        validated = validated_of(json.loads(reply.body))
    except (ValueError, RecursionError, NoToken) as error:
        log.error("Keystone's answer is not understood", why=type(error).__name__)
        raise Unavailable("Keystone's answer is not understood; the server's log says more") from error
    if validated.project_id is None:
        raise InvalidInput("name the project to sign in to: this user has no default project")
    return LoggedIn(token, validated)


async def log_out(keystone: Peer, token: str) -> None:
    """Revoke *token*. Raises Unavailable if Keystone does not answer."""
    reply = await keystone("DELETE", TOKENS, {"X-Auth-Token": token, "X-Subject-Token": token})
    if reply.status not in (204, 401, 404):
        log.warning("Keystone does not revoke the token of a session", status=reply.status)


def _login(form: ByForm) -> Mapping[str, Any]:
    domain = {"name": form.domain}
    user = {"name": form.user, "domain": domain, "password": form.password}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if form.project is not None:
        auth["scope"] = {"project": {"name": form.project, "domain": domain}}
    return {"auth": auth}
