"""A session with an image service: logs in, retries requests, and logs in again when a token has expired."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Self

import aiohttp

from stillage.client.auth.keys import KeyAuthority
from stillage.client.auth.tokens import Authority, Place, TokenAuthority
from stillage.client.clouds import Cloud
from stillage.client.errors import GIVE_UP_AFTER_S
from stillage.client.http import Answer, Http, Request, insist
from stillage.client.retry import Retry


class Session:
    """Created by `Session.to`. `place` says where images are, and of which project."""

    def __init__(self, http: Http, authority: Authority, place: Place, retry: Retry) -> None:
        self.http = http
        self.place = place
        self.retry = retry
        self._authority = authority
        self._has_answered = False

    @classmethod
    @asynccontextmanager
    async def to(
        cls,
        cloud: Cloud,
        *,
        give_up_after_s: float = GIVE_UP_AFTER_S,
        say: Callable[[str], None] = lambda _sentence: None,
    ) -> AsyncIterator[Self]:
        """Log in to *cloud*.

        Raises:
            BadCloud, ServerRefused, NetworkGaveUp: If that is not possible.
        """
        retry = Retry(give_up_after_s=give_up_after_s, say=say)
        async with Http(cloud) as http:
            kind = KeyAuthority if cloud.auth_type == "aksk" else TokenAuthority
            authority: Authority = kind(cloud, http, retry)
            async with retry.first_contact(cloud.find("auth_url") or cloud.name):
                place = await authority.enter()
            yield cls(http, authority, place, retry)

    async def ask(self, request: Request) -> Answer:
        """Send *request*, with retries, and return the final answer.

        Raises:
            NetworkGaveUp: If there was none for too long.
        """
        if not self._has_answered:
            async with self.retry.first_contact(self.place.image_url):
                answer = await insist(lambda: self.once(request), self.retry)
            self._has_answered = True
            return answer
        return await insist(lambda: self.once(request), self.retry)

    async def signed(self, request: Request) -> Request:
        """Return *request* with authentication, for what is sent otherwise."""
        return await self._authority.signed(request)

    async def ask_as_anybody(self, request: Request) -> Answer:
        """As `ask`, without a token, for URLs with a capability."""
        return await insist(lambda: self.http.send(request), self.retry)

    async def once(self, request: Request) -> Answer:
        """Send *request* once; after a 401 with a new token, if one can be had.

        Raises:
            Broken: If no answer came.
        """
        signed = await self._authority.signed(request)
        answer = await self.http.send(signed)
        if answer.status == 401 and await self._authority.renew(signed):
            answer = await self.http.send(await self._authority.signed(request))
        return answer

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[tuple[aiohttp.ClientResponse, asyncio.Timeout]]:
        """As `once`, for an answer that is read piece by piece; see `Http.stream`."""
        signed = await self._authority.signed(request)
        async with self.http.stream(signed) as (response, limit):
            if response.status != 401:
                yield response, limit
                return
        await self._authority.renew(signed)
        async with self.http.stream(await self._authority.signed(request)) as (response, limit):
            yield response, limit

    def url(self, path: str) -> str:
        """Return the URL of *path*, such as ``/v2/images``; an absolute URL stays as it is."""
        return path if path.startswith(("http://", "https://")) else self.place.image_url + path
