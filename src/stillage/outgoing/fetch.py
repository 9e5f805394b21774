"""Ask for a URL that a user named (HTTP GET), following redirects by hand: each of them is checked as the first URL is.

Nothing of ours goes along: no cookies, no credentials, no Referer. A redirect from https to http is refused, since
whoever sits in between could then replace the image. Errors show neither the query of a URL, which may be a secret, nor
anything that the source sent, except its status.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientResponse,
    ClientResponseError,
    ServerDisconnectedError,
)
from yarl import URL

from stillage.errors import SourceForbidden, SourceRefused, SourceUnavailable, StillageError
from stillage.outgoing.connecting import Lookup, SystemLookup, Trust, session
from stillage.outgoing.destinations import Destinations, shown

MOST_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PASSING = frozenset({408, 421, 425, 429})
LONGEST_RETRY_S = 600
SMALL_S = 60.0
NO_HEADERS: Mapping[str, str] = {}
REFUSALS = (
    (ClientConnectorCertificateError, "its certificate is not valid for this host, or its issuer is not trusted"),
    ((ClientResponseError, ValueError), "its answer is not HTTP, or its head is too large"),
)
TROUBLE = (
    (TimeoutError, "it was silent for {:g} seconds"),
    (ClientConnectorDNSError, "its host name has no address"),
    (ClientConnectorError, "it takes no connection"),
    ((ServerDisconnectedError, OSError), "the connection broke"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer that is no redirect, and its body unread. Close it.

    Attributes:
        asked: The URL before redirects.
        url: Who answered.
        sent: The headers that went along.
    """

    response: ClientResponse
    asked: URL
    url: URL
    sent: Mapping[str, str]

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.response.headers

    def close(self) -> None:
        """Close the connection, unless all of the answer was read."""
        self.response.close()


class Fetcher:
    """Asks for URLs within what *destinations* allow. Create it in a running loop."""

    def __init__(
        self,
        destinations: Destinations,
        *,
        timeout_s: float,
        trust: Trust,
        proxy: str | None = None,
        lookup: Lookup | None = None,
        most_redirects: int = MOST_REDIRECTS,
    ) -> None:
        """Open nothing yet.

        Args:
            destinations: Where it may lead.
            timeout_s: Longest silence, and longest wait for a connection.
            trust: Whose certificates are good.
            proxy: URL of a proxy that all requests go through.
            lookup: Resolves names; None resolves them as the machine does.
            most_redirects: How many are followed; none where credentials go along.
        """
        self.timeout_s = timeout_s
        self._destinations = destinations
        self._proxy = proxy
        self._most_redirects = most_redirects
        self._own_lookup = SystemLookup() if lookup is None else None
        self._session = session(
            destinations,
            lookup or self._own_lookup or SystemLookup(),
            timeout_s=timeout_s,
            trust=trust,
            through_proxy=proxy is not None,
        )

    async def close(self) -> None:
        await self._session.close()
        if self._own_lookup is not None:
            self._own_lookup.close()

    def require(self, text: str) -> URL:
        """Return the URL *text*.

        Raises:
            SourceForbidden: If it may not be asked for.
        """
        return self._destinations.require(text)

    async def ask(self, url: URL, headers: Mapping[str, str]) -> Answer:
        """Return the answer to a GET of *url*, whatever its status.

        Raises:
            SourceForbidden: If a redirect or a host name leads where nothing may lead.
            SourceUnavailable: If there is no answer.
            SourceRefused: If what comes back is no answer, redirects too often, or its certificate is not trusted.
        """
        asked = url
        for _ in range(self._most_redirects + 1):
            response = await self._once(url, headers)
            if response.status not in REDIRECTS:
                return Answer(response, asked, url, headers)
            target = response.headers.get("Location")
            response.close()
            if not self._most_redirects:
                raise SourceRefused(shown(url), "it redirects, and no redirect is followed with a token")
            url = self._redirected(url, target)
        raise SourceRefused(shown(url), f"it redirects more than {self._most_redirects} times")

    def _redirected(self, url: URL, target: str | None) -> URL:
        if not target:
            raise SourceRefused(shown(url), "it redirects to nowhere")
        try:
            text = str(url.join(URL(target, encoded=target.isascii())))
        except ValueError:
            raise SourceForbidden(shown(url), "it redirects to what is no URL") from None
        # What joining made of an odd target counts no more than the target itself.
        found = self.require(target if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", target) else text)
        if url.scheme == "https" and found.scheme == "http":
            raise SourceForbidden(shown(found), "https must not redirect to http")
        return found

    async def _once(self, url: URL, headers: Mapping[str, str]) -> ClientResponse:
        try:
            async with asyncio.timeout(2 * self.timeout_s):  # of a head that trickles
                return await self._session.get(url, headers=headers, allow_redirects=False, proxy=self._proxy)
        except (ClientError, OSError, ValueError) as error:
            raise translated(error, url, self.timeout_s) from error


async def read_small(fetcher: Fetcher, url: URL, limit: int, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
    """Return all of the small file *url*.

    Raises:
        SourceRefused: If it has more than *limit* bytes.
        StillageError: As `Fetcher.ask` and `require_file`.
    """
    answer = await fetcher.ask(url, headers)
    try:
        require_file(answer, 200)
        content = bytearray()
        async with asyncio.timeout(SMALL_S):
            while piece := await answer.response.content.readany():
                content += piece
                if len(content) > limit:
                    raise SourceRefused(shown(url), f"it has more than {limit} bytes")
        return bytes(content)
    except (ClientError, OSError) as error:
        raise translated(error, url, SMALL_S) from error
    finally:
        answer.close()


def require_file(answer: Answer, status: int) -> None:
    """Raise unless *answer* has *status*, which means the file or a part of it.

    Raises:
        SourceUnavailable: If it may have another one later.
        SourceRefused: If not.
    """
    if answer.status == status:
        return
    told = f"it answered {_named(answer.status)}"
    if 500 <= answer.status < 600 or answer.status in PASSING:
        raise SourceUnavailable(shown(answer.url), told, retry_after_s=_retry_after(answer.headers))
    raise SourceRefused(shown(answer.url), told)


def translated(error: Exception, url: URL, timeout_s: float) -> StillageError:
    """Return what *error*, of aiohttp or a socket, means for whoever asked for *url*."""
    where = shown(url)
    if isinstance(error, ClientHttpProxyError):
        return SourceUnavailable(where, f"the proxy answered {_named(error.status)}")
    refusal = next((why for kind, why in REFUSALS if isinstance(error, kind)), None)
    if refusal is not None:
        return SourceRefused(where, refusal)
    trouble = next((why for kind, why in TROUBLE if isinstance(error, kind)), "the answer broke off")
    return SourceUnavailable(where, trouble.format(timeout_s))


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _retry_after(headers: Mapping[str, str]) -> int:
    text = headers.get("Retry-After", "").strip()
    return min(int(text), LONGEST_RETRY_S) if text.isascii() and text.isdigit() else 5
