"""A Keystone on a socket of this process: it logs in and validates as the real one does, and can fail on purpose."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from serving import serving

SERVICE_PASSWORD = "the service user's password"
WINDOW_S = 48 * 3600


@dataclass
class Known:
    """What a token stands for."""

    user: str
    project: str | None
    roles: tuple[str, ...]
    expires_at: datetime
    credential: dict[str, Any] | None = None


@dataclass
class Asked:
    """One request that came. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class FakeKeystone:
    """Has the service user ``stillage``, and tokens for whoever a test wants.

    Attributes:
        own_lives_s: How long the service user's tokens live.
        passwords: Of users other than the service user.
        answer: What is answered in the place of everything else; None for nothing.
        open: While this is not set, nothing is answered.
        asked: Everything that came.
        came: Set when something has come.
    """

    clock: Callable[[], datetime]
    password: str = SERVICE_PASSWORD
    own_lives_s: float = 3600
    answer: Callable[[web.Request], web.StreamResponse] | None = None
    url: str = ""
    tokens: dict[str, Known] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    def token(
        self,
        user: str = "erin",
        project: str | None = "lab",
        *roles: str,
        lives_s: float = 3600,
        credential: dict[str, Any] | None = None,
    ) -> str:
        """Return a new token. Without *roles* it is a member's."""
        text = f"gAAAAA{secrets.token_urlsafe(80)}"
        end = self.clock() + timedelta(seconds=lives_s)
        self.tokens[text] = Known(user, project, roles or ("member",), end, credential)
        return text

    @property
    def logins(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]

    @property
    def validations(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "GET"]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeKeystone"]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        async with serving(application) as self.url:
            yield self
            self.open.set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(request.method, request.path_qs, headers))
        self.came.set()
        await self.open.wait()
        if self.answer is not None:
            return self.answer(request)
        if request.path != "/v3/auth/tokens":
            return web.Response(status=404)
        if request.method == "DELETE":
            return web.Response(status=204 if self.tokens.pop(headers["x-subject-token"], None) else 404)
        return await self._log_in(request) if request.method == "POST" else self._validate(request)

    async def _log_in(self, request: web.Request) -> web.Response:
        auth = (await request.json())["auth"]
        identity = auth["identity"]
        if identity["methods"] == ["password"]:
            name, secret = identity["password"]["user"]["name"], identity["password"]["user"]["password"]
        else:
            name, secret = "stillage", identity["application_credential"]["secret"]
        if name in self.passwords and secret == self.passwords[name]:
            project = auth.get("scope", {}).get("project", {}).get("name")
            return self._document(self.token(name, project, lives_s=self.own_lives_s), 201)
        if (name, secret) != ("stillage", self.password):
            return web.json_response({"error": {"code": 401}}, status=401)
        text = self.token("stillage", "service", "service", lives_s=self.own_lives_s)
        return self._document(text, 201)

    def _validate(self, request: web.Request) -> web.Response:
        own = self.tokens.get(request.headers["X-Auth-Token"])
        if own is None or own.expires_at <= self.clock():
            return web.json_response({"error": {"code": 401}}, status=401)
        if "service" not in own.roles:
            return web.json_response({"error": {"code": 403}}, status=403)
        text = request.headers["X-Subject-Token"]
        found = self.tokens.get(text)
        window_s = WINDOW_S if request.query.get("allow_expired") == "1" else 0
        rules = (found.credential or {}).get("access_rules") if found else None
        supports = "OpenStack-Identity-Access-Rules" in request.headers
        if (
            found is None
            or found.expires_at + timedelta(seconds=window_s) <= self.clock()
            or (rules is not None and not supports)
        ):
            return web.json_response({"error": {"code": 404}}, status=404)
        return self._document(text, 200)

    def _document(self, text: str, status: int) -> web.Response:
        known = self.tokens[text]
        domain = {"id": "default", "name": "Default"}
        token: dict[str, Any] = {
            "methods": ["password"],
            "user": {"id": f"id-of-{known.user}", "name": known.user, "domain": domain},
            "expires_at": known.expires_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        if known.project is not None:
            token["project"] = {"id": known.project, "name": f"project {known.project}", "domain": domain}
            token["roles"] = [{"id": f"role-{role}", "name": role} for role in known.roles]
        if known.credential is not None:
            token["application_credential"] = known.credential
        return web.json_response({"token": token}, status=status, headers={"X-Subject-Token": text})
