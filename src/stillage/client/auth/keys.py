"""Authenticates with a pair of access keys that signs every request. Nothing is fetched, and nothing expires.

Source: as of `identity.signing.signature`; for what is asked of the identity service docs/signatures.md.
"""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

from stillage.client.auth.tokens import Place, identity_url, image_url_of
from stillage.client.clouds import ACCESS_KEYS, SECRET_KEYS, Cloud
from stillage.client.errors import BadCloud
from stillage.client.http import Answer, Http, Request, insist
from stillage.client.retry import Retry
from stillage.identity.signing.authorization import UNSIGNED_PAYLOAD
from stillage.identity.signing.signature import sign_request


class KeyAuthority:
    """Signs requests. Without a named project the server takes the key's own."""

    def __init__(self, cloud: Cloud, http: Http, retry: Retry) -> None:
        self._cloud = cloud
        self._http = http
        self._retry = retry
        self._access_key = cloud.need(*ACCESS_KEYS)
        self._secret = cloud.need(*SECRET_KEYS)
        self._project_id = cloud.find("project_id", "tenant_id")

    async def enter(self) -> Place:
        name = self._cloud.find("project_name", "tenant_name")
        if self._project_id is None and name is not None:
            self._project_id = await self._project_named(name)
        if self._cloud.image_url:
            return self._place(image_url_of(self._cloud, ()))
        answer = await self._ask("/auth/catalog")
        catalogue = answer.document(200).get("catalog") or []
        return self._place(image_url_of(self._cloud, catalogue))

    def _place(self, image_url: str) -> Place:
        return Place(image_url, self._project_id or self._access_key, self._project_id is not None)

    async def signed(self, request: Request) -> Request:
        headers = dict(request.headers)
        if self._project_id is not None:
            headers["X-Project-Id"] = self._project_id
        if (security_token := self._cloud.find("security_token")) is not None:
            headers["X-Security-Token"] = security_token
        # A body that is read while it is sent cannot be hashed before.
        payload = UNSIGNED_PAYLOAD if request.body is not None else hashlib.sha256(request.content).hexdigest()
        signature = sign_request(
            request.method,
            request.url,
            headers,
            access_key=self._access_key,
            secret=self._secret,
            payload=payload,
            now=datetime.now(UTC),
        )
        return replace(request, headers=headers | signature)

    async def renew(self, refused: Request) -> bool:  # noqa: ARG002 - whatever it was
        return False

    async def _project_named(self, name: str) -> str:
        found = (await self._ask(f"/projects?name={quote(name, safe='')}")).document(200).get("projects") or []
        if len(found) != 1:
            raise BadCloud(f"{len(found)} projects are named {name!r} for {self._cloud.name}; give project_id")
        return str(found[0]["id"])

    async def _ask(self, path: str) -> Answer:
        url = f"{await identity_url(self._cloud, self._http, self._retry)}{path}"

        async def send() -> Answer:
            return await self._http.send(await self.signed(Request("GET", url)))

        return await insist(send, self._retry)
