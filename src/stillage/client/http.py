"""Sends requests over one pool of connections; the result is an answer, or `Broken`."""

import asyncio
import json
import os
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

import stillage
from stillage.client.clouds import Cloud
from stillage.client.errors import BadCloud, ServerRefused
from stillage.client.file_body import FileBody, FilePayload
from stillage.client.retry import Outage, Retry

USER_AGENT = f"stillage/{stillage.__version__}"
CONNECT_S = 20.0
IDLE_S = 60.0
"""How long to wait for the server to take or to send a single byte."""
MOST_SHOWN = 300
MESSAGES = ("message", "error_msg", "errorMsg")

Body = Callable[[], AsyncIterator[bytes | memoryview]]
"""Returns the body again, for every attempt."""


class Broken(Exception):
    """No answer: the connection failed or broke, or no bytes moved for too long."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `length` is that of the `body`."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    body: Body | None = None
    length: int = 0
    idle_s: float = IDLE_S


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with a small body."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes = b""

    @property
    def is_passing(self) -> bool:
        """True if the same request may succeed later."""
        return self.status in (408, 429) or self.status >= 500

    @property
    def retry_after_s(self) -> float | None:
        value = self.headers.get(hdrs.RETRY_AFTER, "")
        return float(value) if value.isascii() and value.isdigit() else None

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def message(self) -> str:
        """The server's own message, in any of the forms that image services use; otherwise the status."""
        document = self.json
        found = _first(document, MESSAGES) if isinstance(document, dict) else _text_of(self.body)
        return f"{self.status}: {found}" if found else f"status {self.status} without a reason"

    @property
    def code(self) -> str | None:
        """The code of docs/errors.md, from a server that has them."""
        document = self.json
        return (_first(document, ("stillage_code",)) or None) if isinstance(document, dict) else None

    def require(self, *statuses: int) -> Self:
        """Return this answer if it is one of *statuses*.

        Raises:
            ServerRefused: If not.
        """
        if self.status not in statuses:
            raise self.refusal(f"the server answered {self.message}")
        return self

    def refusal(self, why: str) -> ServerRefused:
        """Return the error that this answer is, with the facts that a server may have added."""
        document = self.json
        facts = document.get("error", document) if isinstance(document, dict) else None
        refused = ServerRefused(why, status=self.status, code=self.code)
        return refused.note(facts) if isinstance(facts, dict) else refused

    def document(self, *statuses: int) -> dict[str, Any]:
        """The JSON object of an answer with one of *statuses*.

        Raises:
            ServerRefused: If it is another answer.
        """
        found = self.require(*statuses).json
        if not isinstance(found, dict):
            raise ServerRefused(
                "the server did not answer with a JSON object; is it an image service?", status=self.status
            )
        return found


class Http:
    """Use it as an asynchronous context manager; leaving closes every connection."""

    def __init__(self, cloud: Cloud) -> None:
        # Whom the machine trusts, aiohttp has read already, and reading takes long.
        is_usual = cloud.verify and cloud.cacert is None and cloud.certificate is None
        self._trust = True if is_usual else trust_of(cloud)

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._trust),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            headers={hdrs.USER_AGENT: USER_AGENT, hdrs.ACCEPT: "application/json"},
            skip_auto_headers=[hdrs.CONTENT_TYPE],
            trust_env=True,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def send(self, request: Request) -> Answer:
        """Send *request* once.

        Raises:
            Broken: If no answer came.
            BadCloud: If the server's certificate is not trusted.
            Exception: Whatever the body of *request* raises.
        """
        async with self.stream(request) as (response, _):
            answer = Answer(response.status, response.headers, await response.read())
            if response.status >= 400:
                response.close()  # it may have answered before it took everything
            return answer

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[tuple[aiohttp.ClientResponse, asyncio.Timeout]]:
        """Send *request* once, and read the answer's body inside. Errors as of `send`.

        Call `alive` with the second value after each piece that was read, or the wait times out.
        """
        own: list[Exception] = []
        url = _url_of(request)
        try:
            async with asyncio.timeout(request.idle_s) as limit:
                data = _data_of(request, limit, own)
                headers = CIMultiDict(request.headers)
                if request.body is not None:
                    headers[hdrs.CONTENT_LENGTH] = str(request.length)
                async with self._client.request(
                    request.method, url, headers=headers, data=data, allow_redirects=False
                ) as response:
                    yield response, limit
        except TimeoutError as error:
            raise Broken(f"no bytes moved for {request.idle_s:g} seconds") from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            raise BadCloud(
                f"the certificate of {_origin(request.url)} is not trusted: {error}; set 'cacert' to its authority"
            ) from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise BadCloud(f"{request.url!r} is not a valid URL") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            if own:
                raise own[0] from error
            raise Broken(_why(error)) from error


def alive(limit: asyncio.Timeout, idle_s: float = IDLE_S) -> None:
    """Restart the timeout: bytes moved."""
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time() + idle_s)


def _data_of(
    request: Request, limit: asyncio.Timeout, own: list[Exception]
) -> AsyncIterator[bytes | memoryview] | FilePayload | bytes | None:
    """Return the body for aiohttp. It restarts the timeout, and notes its errors in *own*."""
    if isinstance(request.body, FileBody) and request.body.can_be_sent(request.url):
        return FilePayload(request.body, lambda: alive(limit, request.idle_s), own)
    return _watched(request, limit, own) if request.body is not None else request.content or None


async def _watched(request: Request, limit: asyncio.Timeout, own: list[Exception]) -> AsyncIterator[bytes | memoryview]:
    """Yield the body of *request*, and restart the timeout whenever the connection takes a piece."""
    assert request.body is not None  # noqa: S101 - checked before
    try:
        async for piece in request.body():
            alive(limit, request.idle_s)
            yield piece
        alive(limit, request.idle_s)
    except Exception as error:
        own.append(error)
        raise


def trust_of(cloud: Cloud) -> ssl.SSLContext:
    """Return whom to trust as *cloud* says.

    Raises:
        BadCloud: If its certificates cannot be read.
    """
    try:
        trust = ssl.create_default_context(cafile=cloud.cacert)
        if cloud.certificate is not None:
            trust.load_cert_chain(*cloud.certificate)
    except OSError as error:
        named = " and ".join(filter(None, (cloud.cacert, *(cloud.certificate or ()))))
        raise BadCloud(f"cannot read the certificates of {cloud.name} ({named}): {error.strerror}") from error
    if not cloud.verify:
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
    return trust


def _url_of(request: Request) -> URL:
    try:
        return URL(request.url, encoded=True)  # exactly as it was signed
    except ValueError as error:
        raise BadCloud(f"{request.url!r} is not a valid URL") from error


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot reach {error.host}:{error.port}: {_reason(error.os_error)}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection"
    if isinstance(error, OSError) and error.strerror:
        return f"the connection broke: {error.strerror}"
    return "the connection broke"


def _reason(error: OSError) -> str:
    # The loop's own text for a refused connection is "Connect call failed", with the address once more.
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def _first(document: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the first text in *document*, or in an object inside it, that has one of *names*; empty if none has."""
    inner = next((value for value in document.values() if isinstance(value, dict)), {})
    for place in (document, inner):
        for name in names:
            if isinstance(place.get(name), str):
                return str(place[name]).strip()
    return ""


def _text_of(body: bytes) -> str:
    """Return the readable text of a page, without its title, which only repeats the status."""
    text = re.sub(r"(?is)<head.*?</head>|<h1>.*?</h1>|<[^>]*>", " ", body.decode("utf-8", "replace"))
    return " ".join(text.split())[:MOST_SHOWN]


async def insist(send: Callable[[], Awaitable[Answer]], retry: Retry) -> Answer:
    """Call *send* until the answer is final.

    Raises:
        NetworkGaveUp: If *retry* gives up.
    """
    outage = Outage(retry)
    while True:
        try:
            answer = await send()
        except Broken as broken:
            await outage.wait(str(broken))
        else:
            if not answer.is_passing:
                outage.over()
                return answer
            await outage.wait(f"the server answered {answer.message}", at_least_s=answer.retry_after_s)
