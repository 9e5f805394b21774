"""HTTP/1.1 on a bare connection, byte by byte: sends a part of a request, and sees what is answered until then."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from stillage.client.errors import BadCloud
from stillage.client.http import CONNECT_S, USER_AGENT

LONGEST_HEAD = 64 << 10
PORTS = {"http": 80, "https": 443}


class Cut(Exception):
    """The connection ended, or what came over it is not HTTP."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server. *trust* None: plain HTTP. *path* is the prefix of every path, without a slash at its end."""

    host: str
    port: int
    path: str
    trust: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str, trust: ssl.SSLContext) -> Self:
        """Read *url*.

        Raises:
            BadCloud: If it is no URL of a server.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or PORTS[parts.scheme]
        except (KeyError, ValueError) as error:
            raise BadCloud(f"{url!r} is not a valid URL; use https://HOST or http://HOST:PORT") from error
        if not parts.hostname or any(character <= " " for character in url):
            raise BadCloud(f"{url!r} is not a valid URL; use https://HOST or http://HOST:PORT")
        return cls(parts.hostname, port, parts.path.rstrip("/"), trust if parts.scheme == "https" else None)

    @property
    def authority(self) -> str:
        """What ``Host`` names."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS["http" if self.trust is None else "https"] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Head:
    """The status and the headers of an answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]

    @property
    def is_of_the_service(self) -> bool:
        """True if an image service answered, not a proxy before it."""
        return "x-openstack-request-id" in self.headers


class Wire:
    """One connection, made by `to`."""

    def __init__(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target = target
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, target: Target) -> AsyncIterator[Self]:
        """Connect to *target*.

        Raises:
            OSError: If that is not possible; TimeoutError is one, and so are the errors of `ssl`.
        """
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(
                target.host, target.port, ssl=target.trust, limit=LONGEST_HEAD
            )
        try:
            yield cls(target, reader, writer)
        finally:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    @property
    def certificate(self) -> Mapping[str, object]:
        """The verified certificate, as of `ssl.SSLSocket.getpeercert`; empty without one."""
        return self._writer.get_extra_info("peercert") or {}

    async def send_head(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Send a request up to its body."""
        named = {"Host": self._target.authority, "User-Agent": USER_AGENT, "Accept": "application/json"} | dict(headers)
        lines = [f"{method} {self._target.path}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
        await self.send("\r\n".join((*lines, "", "")).encode("latin-1"))

    async def send(self, data: bytes) -> None:
        """Send *data*.

        Raises:
            Cut: If the connection takes no more.
        """
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise Cut(f"the connection broke: {error}") from error

    async def answer(self, within_s: float | None) -> Head | None:
        """Return the next answer, also an interim one; None if there is none *within_s* seconds. None: no limit.

        Raises:
            Cut: If the connection ended.
        """
        try:
            async with asyncio.timeout(within_s):
                head = await self._reader.readuntil(b"\r\n\r\n")
        except TimeoutError:
            return None
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
            raise Cut("the connection was closed without an answer") from error
        return head_of(head)

    async def final(self, within_s: float | None) -> Head | None:
        """As `answer`, without the interim ones."""
        while (head := await self.answer(within_s)) is not None and head.status < 200:
            pass
        return head

    async def send_until_answered(self, pieces: Iterable[bytes], within_s: float) -> tuple[int, Head | None]:
        """Send *pieces* until an answer comes. Returns how many bytes were sent by then, and the answer.

        *within_s* limits each piece, and the wait after the last one.

        Raises:
            Cut: If the connection ended without one.
        """
        sent = 0
        answering = asyncio.ensure_future(self.final(None))
        try:
            for piece in pieces:
                if not await self._sent_before(answering, piece, within_s):
                    break
                sent += len(piece)
            await asyncio.wait({answering}, timeout=within_s)
            return sent, answering.result() if answering.done() else None
        finally:
            answering.cancel()

    async def _sent_before(self, answering: "asyncio.Future[Head | None]", piece: bytes, within_s: float) -> bool:
        """Send *piece*; False if an answer, a broken connection or the time limit comes before."""
        sending = asyncio.ensure_future(self.send(piece))
        both: set[asyncio.Future[Any]] = {answering, sending}
        await asyncio.wait(both, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0)  # what has arrived is read before more is sent
        is_sent = sending.done() and sending.exception() is None
        sending.cancel()
        return is_sent and not answering.done()


def head_of(data: bytes) -> Head:
    """Read the head of an answer.

    Raises:
        Cut: If it is none.
    """
    first, *lines = data.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if not words[0].startswith("HTTP/1.") or len(words) < 2 or not words[1].isdigit():
        raise Cut("what answers is not an HTTP server")
    named = (line.partition(":") for line in lines if ":" in line)
    return Head(int(words[1]), {name.strip().lower(): value.strip() for name, _, value in named})
