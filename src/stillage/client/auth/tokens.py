"""Authenticates with a token, fetched with a password, an application credential or another token.

Source: OpenStack Identity API v3, "Password authentication with scoped authorization" and its neighbours.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

from stillage import times
from stillage.client.clouds import Cloud
from stillage.client.errors import BadCloud, ServerRefused
from stillage.client.http import Answer, Http, Request, insist
from stillage.client.retry import Retry

# A token may expire before the server has checked it.
MARGIN = timedelta(minutes=2)
IMAGE_SERVICE = "image"


@dataclass(frozen=True, slots=True)
class Place:
    """Where images are, and of which project.

    Attributes:
        image_url: Without a version and a trailing slash.
        is_project_known: False if `project_id` only stands for the project, which the server chooses.
    """

    image_url: str
    project_id: str
    is_project_known: bool = True

    @property
    def is_local(self) -> bool:
        """Whether the image service is on this machine, by its address."""
        host = urlsplit(self.image_url).hostname or ""
        return host in ("localhost", "::1") or host.startswith("127.")


class Authority(Protocol):
    """Authenticates requests."""

    async def enter(self) -> Place:
        """Log in if needed, and find the image service.

        Raises:
            ServerRefused: If the credentials are not taken.
            BadCloud: If there is no image service for them.
        """

    async def signed(self, request: Request) -> Request:
        """Return *request* with authentication."""

    async def renew(self, refused: Request) -> bool:
        """Called after a 401 for *refused*; False if another attempt would fail as well."""


class TokenAuthority:
    """Fetches a token, and a new one when it is about to expire or was refused."""

    def __init__(self, cloud: Cloud, http: Http, retry: Retry) -> None:
        self._cloud = cloud
        self._http = http
        self._retry = retry
        self._token = ""
        self._ends = datetime.max.replace(tzinfo=UTC)
        self._fetching = asyncio.Lock()

    async def enter(self) -> Place:
        token = await self._fetch()
        project = token.get("project") or {}
        if not project.get("id"):
            raise BadCloud(f"the token of {self._cloud.name} is not scoped to a project; set project_name")
        return Place(image_url_of(self._cloud, token.get("catalog") or []), str(project["id"]))

    async def signed(self, request: Request) -> Request:
        async with self._fetching:
            if datetime.now(UTC) > self._ends - MARGIN:
                await self._fetch()
        return replace(request, headers={**request.headers, "X-Auth-Token": self._token})

    async def renew(self, refused: Request) -> bool:
        async with self._fetching:
            if refused.headers.get("X-Auth-Token") == self._token:  # otherwise another request has renewed it already
                await self._fetch()
        return True

    async def _fetch(self) -> dict[str, Any]:
        url = f"{await identity_url(self._cloud, self._http, self._retry)}/auth/tokens"
        answer = await insist(lambda: self._http.send(json_request("POST", url, _login(self._cloud))), self._retry)
        if answer.status == 401:
            raise ServerRefused(f"{self._cloud.name}: the login was refused; check user and password", status=401)
        token: dict[str, Any] = answer.document(201).get("token") or {}
        self._token = answer.headers.get("X-Subject-Token", "")
        self._ends = _time_of(token.get("expires_at"))
        return token


def json_request(method: str, url: str, document: object, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, url, {"Content-Type": "application/json", **named}, json_bytes(document))


def json_bytes(document: object) -> bytes:
    return json.dumps(document).encode()


async def identity_url(cloud: Cloud, http: Http, retry: Retry) -> str:
    """Return the URL of the identity API v3, without a trailing slash."""
    url = cloud.need("auth_url").rstrip("/")
    if url.endswith("/v3"):
        return url
    answer = await insist(lambda: http.send(Request("GET", f"{url}/")), retry)
    return _link_of(answer) or f"{url}/v3"


def image_url_of(cloud: Cloud, catalogue: Sequence[Mapping[str, Any]]) -> str:
    """Return the image service's URL in *catalogue*, without a version.

    Raises:
        BadCloud: If the catalogue has none that fits.
    """
    if cloud.image_url:
        return _without_version(cloud.image_url)
    endpoints = [e for service in catalogue if service.get("type") == IMAGE_SERVICE for e in service["endpoints"]]
    fitting = [e for e in endpoints if cloud.region in (None, e.get("region_id"), e.get("region"))]
    for endpoint in fitting:
        if endpoint.get("interface") == cloud.interface:
            return _without_version(str(endpoint["url"]))
    regions = ", ".join(sorted({str(e.get("region_id") or e.get("region")) for e in endpoints})) or "none"
    raise BadCloud(
        f"the catalogue of {cloud.name} has no {cloud.interface} image service in region {cloud.region or 'any'}; "
        f"regions that have one: {regions}"
    )


def _without_version(url: str) -> str:
    url = url.rstrip("/")
    head, _, last = url.rpartition("/")
    return head if last.startswith("v2") else url


def _link_of(answer: Answer) -> str | None:
    document = answer.json
    if not isinstance(document, dict):
        return None
    versions = document.get("versions")
    found = versions.get("values") if isinstance(versions, dict) else [document.get("version")]
    for version in found or []:
        if isinstance(version, dict) and str(version.get("id")).startswith("v3"):
            for link in version.get("links") or []:
                if link.get("rel") == "self":
                    return str(link["href"]).rstrip("/")
    return None


def _login(cloud: Cloud) -> dict[str, Any]:
    identity, scope = _LOGINS[cloud.auth_type](cloud), _scope(cloud)
    if cloud.auth_type == "application_credential" or scope is None:
        return {"auth": {"identity": identity}}
    return {"auth": {"identity": identity, "scope": scope}}


def _by_password(cloud: Cloud) -> dict[str, Any]:
    return {"methods": ["password"], "password": {"user": {**_user(cloud), "password": cloud.need("password")}}}


def _by_token(cloud: Cloud) -> dict[str, Any]:
    return {"methods": ["token"], "token": {"id": cloud.need("token")}}


def _by_application_credential(cloud: Cloud) -> dict[str, Any]:
    credential: dict[str, Any] = {"secret": cloud.need("application_credential_secret")}
    if found := cloud.find("application_credential_id"):
        credential["id"] = found
    else:
        credential |= {"name": cloud.need("application_credential_name"), "user": _user(cloud)}
    return {"methods": ["application_credential"], "application_credential": credential}


_LOGINS = {
    "password": _by_password,
    "token": _by_token,
    "application_credential": _by_application_credential,
}


def _user(cloud: Cloud) -> dict[str, Any]:
    if found := cloud.find("user_id"):
        return {"id": found}
    return {"name": cloud.need("username", "user_name"), "domain": _domain(cloud, "user")}


def _scope(cloud: Cloud) -> dict[str, Any] | None:
    if found := cloud.find("project_id", "tenant_id"):
        return {"project": {"id": found}}
    if found := cloud.find("project_name", "tenant_name"):
        return {"project": {"name": found, "domain": _domain(cloud, "project")}}
    return None


def _domain(cloud: Cloud, whose: str) -> dict[str, str]:
    if found := cloud.find(f"{whose}_domain_id", "domain_id"):
        return {"id": found}
    if found := cloud.find(f"{whose}_domain_name", "domain_name"):
        return {"name": found}
    return {"id": cloud.find("default_domain") or "default"}


def _time_of(text: object) -> datetime:
    try:
        return times.parse(str(text))
    except (ValueError, OverflowError):
        return datetime.max.replace(tzinfo=UTC)
