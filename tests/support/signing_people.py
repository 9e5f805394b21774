"""People who sign their requests, as different clients do, over sockets that send exactly what they are told."""

import asyncio
import hmac
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from fakes import Clock
from server import Answer
from stillage.api.services import Services
from stillage.identity.signing.signature import sign_request
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity

SCOPED = "SDK-HMAC-SHA256"


@dataclass(frozen=True)
class Key:
    access: str
    secret: str
    security_token: str | None = None


@dataclass(frozen=True)
class Signing:
    """Somebody with a key. Signs like the current SDKs, by the digest or, with ``payload``, without the body."""

    url: str
    key: Key
    clock: Clock

    async def __call__(
        self, method: str, path: str, body: object = b"", *, payload: str | None = None, **headers: str
    ) -> Answer:
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given.setdefault("Content-Type", "application/json")
        sent = given | self.headers(method, path, payload or sha256(octets).hexdigest(), given)
        return await send(self.url, method, path, sent, octets)

    def headers(self, method: str, path: str, payload: str, given: dict[str, str]) -> dict[str, str]:
        """Return what makes the request a signed one."""
        token = {"X-Security-Token": self.key.security_token} if self.key.security_token else {}
        added = sign_request(
            method,
            f"{self.url}{path}",
            given | token,
            access_key=self.key.access,
            secret=self.key.secret,
            payload=payload,
            now=self.clock(),
        )
        return token | added

    def with_secret(self, secret: str) -> "Signing":
        return replace(self, key=replace(self.key, secret=secret))


@dataclass(frozen=True)
class Office:
    """A running server, and what is behind it."""

    url: str
    services: Services
    accounts: Accounts
    clock: Clock

    @property
    def identity(self) -> EmbeddedIdentity:
        assert self.services.embedded is not None
        return self.services.embedded

    async def signing(self, user: str = "erin", project: str | None = None) -> Signing:
        """Return a client with a new key of *user*."""
        owner = await self.accounts.get_user(user)
        project_id = None if project is None else (await self.accounts.get_project(project)).id
        made = await self.identity.access_keys.make(owner.id, project_id, "")
        return Signing(self.url, Key(made.key.access, made.secret), self.clock)

    async def token(self, user: str = "erin", project: str | None = "lab") -> str:
        owner = await self.accounts.get_user(user)
        project_id = None if project is None else (await self.accounts.get_project(project)).id
        return (await self.identity.login.without_password(owner, project_id)).text

    async def temporary(self, user: str = "erin", project: str | None = "lab", duration_s: int = 900) -> Signing:
        token = await self.identity.token_of(await self.token(user, project))
        made = await self.identity.access_keys.create_temporary(token, duration_s)
        return Signing(self.url, Key(made.key.access, made.secret, made.security_token), self.clock)

    async def id_of(self, project: str) -> str:
        return (await self.accounts.get_project(project)).id


async def new_image(person: Signing, **attributes: Any) -> str:
    wanted = {"name": "disk", "disk_format": "raw", "container_format": "bare"} | attributes
    answer = await person("POST", "/v2/images", wanted)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def as_terraform(key: Key, method: str, url: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers of the scoped form, which signs the body's digest without saying it."""
    parts = urlsplit(url)
    signed_at = f"{now:%Y%m%dT%H%M%SZ}"
    scope = f"{signed_at[:8]}///sdk_request"
    path = parts.path if parts.path.endswith("/") else f"{parts.path}/"
    lines = f"host:{parts.netloc}\nx-sdk-date:{signed_at}\n"
    canonical = "\n".join([method, path, parts.query, lines, "host;x-sdk-date", sha256(body).hexdigest()])
    signing = f"SDK{key.secret}".encode()
    for part in (signed_at[:8], "", "", "sdk_request"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    text = "\n".join([SCOPED, signed_at, scope, sha256(canonical.encode()).hexdigest()])
    signature = hmac.digest(signing, text.encode(), "sha256").hex()
    credential = f"Credential={key.access}/{scope}"
    return {
        "X-Sdk-Date": signed_at,
        "Authorization": f"{SCOPED} {credential}, SignedHeaders=host;x-sdk-date, Signature={signature}",
    }


async def send(url: str, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
    """Send one request with these headers and those that HTTP cannot do without."""
    fields = list(headers.items())
    if "Transfer-Encoding" not in headers:
        fields.append(("Content-Length", str(len(body))))
    host = urlsplit(url).netloc
    return await send_raw(url, method, path, [("Host", host), *fields], body)


async def send_raw(url: str, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes = b"") -> Answer:
    """Send exactly this, and return the answer, also one that comes before the body's end.

    On a plain socket: a stream of asyncio that cannot send any more forgets the answer that it has not read yet.
    """
    parts, loop = urlsplit(url), asyncio.get_running_loop()
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""])
    with socket.socket() as plain:
        plain.setblocking(False)
        await loop.sock_connect(plain, (parts.hostname, parts.port))
        sending = asyncio.create_task(loop.sock_sendall(plain, head.encode() + body))
        try:
            return await _answer_on(plain, method)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)  # refused in the middle; the answer says why


async def _answer_on(plain: socket.socket, method: str) -> Answer:
    received = b""
    while b"\r\n\r\n" not in received:
        received += await _received(plain)
    head, _, content = received.partition(b"\r\n\r\n")
    status, *fields = head.decode().splitlines()
    named = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    length = 0 if method == "HEAD" else int(named.get("content-length", "0"))
    while len(content) < length:
        content += await _received(plain)
    return Answer(int(status.split()[1]), named, content[:length])


async def _received(plain: socket.socket) -> bytes:
    piece = await asyncio.get_running_loop().sock_recv(plain, 1 << 16)
    assert piece, "the server closed before its answer was complete"
    return piece


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))
