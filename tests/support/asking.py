"""Requests to the identity API in one line."""

from typing import Any

from aiohttp import ClientSession

DEFAULT = {"name": "Default"}
TOKENS = "/identity/v3/auth/tokens"


def password(user: str = "erin", secret: str | None = None, scope: Any = None) -> dict[str, Any]:
    """Return the body of a login; without *scope* nothing is said of one."""
    user_ = {"name": user, "domain": DEFAULT, "password": secret or f"{user}s"}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user_}}}
    return {"auth": auth if scope is None else {**auth, "scope": scope}}


def project(name: str) -> dict[str, Any]:
    return {"project": {"name": name, "domain": DEFAULT}}


async def log_in(api: ClientSession, user: str = "erin", scope: Any = None) -> tuple[str, dict[str, Any]]:
    """Return a token and what the answer says of it."""
    async with api.post(TOKENS, json=password(user, scope=scope)) as response:
        assert response.status == 201, await response.text()
        return response.headers["X-Subject-Token"], (await response.json())["token"]


async def headers_of(api: ClientSession, user: str = "erin") -> dict[str, str]:
    return {"X-Auth-Token": (await log_in(api, user))[0]}
