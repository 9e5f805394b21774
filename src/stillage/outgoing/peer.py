"""Sends HTTP requests to other servers: to Keystone and to the audit webhook.

Nothing that comes back is trusted: redirects are not followed, an answer has a largest size and a latest time, nothing
is unpacked, no cookie is kept. What a peer says is never a part of an error's text, since it may repeat what was sent.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path

import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from yarl import URL

from stillage import __version__, traces
from stillage.errors import BadSettings, Unavailable
from stillage.peers import Reply

log = structlog.get_logger()

MAX_ANSWER = 1 << 20
MAX_FIELD = 32 * 1024  # the validated token comes back in a header
CONNECTIONS = 32
HEADERS = {"User-Agent": f"stillage/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}


class HttpPeer:
    """Implements `peers.Peer`. Create it in a running loop."""

    def __init__(self, url: str, name: str, *, timeout_s: float, authority: Path | None = None) -> None:
        """Describe the server.

        Args:
            url: Without a slash at its end.
            name: What errors and the log call it.
            timeout_s: For a whole request, from waiting for a connection to the end of the answer.
            authority: PEM file with whom to trust; None trusts whom the machine trusts.

        Raises:
            BadSettings: If *authority* cannot be used.
        """
        self._url = url
        self._name = name
        self._session = ClientSession(
            connector=TCPConnector(limit=CONNECTIONS, ssl=_trust(authority)),
            timeout=ClientTimeout(total=timeout_s),
            cookie_jar=DummyCookieJar(),
            headers=HEADERS,
            auto_decompress=False,
            max_field_size=MAX_FIELD,
        )

    async def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        try:
            return await self._once(method, path, headers, body)
        except TimeoutError as error:
            log.error("no answer in time", peer=self._name)
            raise Unavailable(f"{self._name} did not answer in time; try again later") from error
        except (ClientError, OSError, ValueError) as error:
            log.error("no answer", peer=self._name, why=type(error).__name__)
            raise Unavailable(f"cannot reach {self._name}; try again later") from error

    async def close(self) -> None:
        await self._session.close()

    async def _once(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        url = URL(self._url + path, encoded=True)
        headers = {**headers, **traces.headers()}
        async with self._session.request(method, url, headers=headers, data=body, allow_redirects=False) as response:
            answer = bytearray()
            while piece := await response.content.read(MAX_ANSWER + 1 - len(answer)):
                answer += piece
                if len(answer) > MAX_ANSWER:
                    log.error("an answer is too large", peer=self._name)
                    raise Unavailable(f"{self._name} answered with more than {MAX_ANSWER} bytes")
            fields = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, fields, bytes(answer))


def _trust(authority: Path | None) -> ssl.SSLContext | bool:
    if authority is None:
        return True  # whom the machine trusts
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise BadSettings(f"cannot use the certificates in {authority}: {error}") from error
