"""Web servers on loopback that images are imported from: each answer is a function, and connections are counted."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from stillage.operations.imports.sources import WebFile
from stillage.outgoing.destinations import Destinations
from stillage.outgoing.expected import ExpectedDigests
from stillage.outgoing.fetch import Fetcher
from stillage.outgoing.keyring import KeyRing
from stillage.outgoing.transfer import Retries, Splitting
from stillage.outgoing.web import Reading, WebSource

AT_ONCE = Retries(tries=3, pause_s=0.0)
"""Nobody waits in a test."""
TRUST = ssl.create_default_context()
ETAG = '"one"'


@dataclass(frozen=True)
class Request:
    """What a client asked for. Header names are lower case."""

    path: str
    headers: Mapping[str, str]

    @property
    def start(self) -> int:
        """Where the range that is asked for begins."""
        match = re.match(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(match[1]) if match else 0

    @property
    def end(self) -> int | None:
        """Where it ends, if it says so."""
        match = re.match(r"bytes=\d+-(\d+)", self.headers.get("range", ""))
        return int(match[1]) + 1 if match else None


Handler = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class WebServer:
    """A server that answers each request with *handler*, on one address."""

    handler: Handler
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
                self.requests.append(Request(lines[0].split()[1], headers))
                await self.handler(self.requests[-1], writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def url(self, path: str = "/disk.img", host: str = "mirror.example") -> str:
        return f"http://{host}:{self.port}{path}"


@asynccontextmanager
async def web_server(handler: Handler, *, port: int = 0, **options: Any) -> AsyncIterator[WebServer]:
    server = WebServer(handler)
    listening = await asyncio.start_server(server.serve, "127.0.0.2", port, **options)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


def head(status: str = "200 OK", /, **headers: object) -> bytes:
    """Return the head of an answer; underscores in names are hyphens."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def files(contents: Mapping[str, bytes], **headers: object) -> Handler:
    """Return what serves whole files."""

    async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
        body = contents.get(request.path)
        if body is None:
            writer.write(head("404 Not Found", Content_Length=0))
        else:
            writer.write(head(Content_Length=len(body), **headers) + body)

    return handle


def ranges(data: bytes, etag: str = ETAG) -> Handler:
    """Return what serves *data* as a server does that takes ranges."""

    async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer_of(request, data, etag))

    return handle


def answer_of(request: Request, data: bytes, etag: str = ETAG) -> bytes:
    known: dict[str, object] = {"Accept_Ranges": "bytes", "ETag": etag}
    if "range" not in request.headers or request.headers.get("if-range") != etag:
        return head(Content_Length=len(data), **known) + data
    start, end = request.start, min(request.end or len(data), len(data))
    part: dict[str, object] = {"Content_Range": f"bytes {start}-{end - 1}/{len(data)}", "Content_Length": end - start}
    return head("206 Partial Content", **part, **known) + data[start:end]


def hosts(**addresses: str | Sequence[str]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """Return a lookup: underscores in names are dots; others lead to 127.0.0.2."""

    async def look_up(host: str, port: int) -> Sequence[str]:
        found = addresses.get(host.replace(".", "_"), "127.0.0.2")
        return [found] if isinstance(found, str) else found

    return look_up


@asynccontextmanager
async def web_source(
    *servers: WebServer,
    reading: Reading | None = None,
    keys: Path | None = None,
    destinations: Destinations | None = None,
    **options: Any,
) -> AsyncIterator[WebSource]:
    """Yield a source that may reach *servers* on 127.0.0.2 alone."""
    allowed = destinations or Destinations(
        networks=[ip_network("127.0.0.2/32")], ports=frozenset(server.port for server in servers)
    )
    options.setdefault("lookup", hosts())
    fetcher = Fetcher(allowed, **{"timeout_s": 30.0, "trust": TRUST, **options})
    digests = ExpectedDigests(fetcher, KeyRing(keys) if keys else None)
    try:
        yield WebSource(fetcher, digests, reading or Reading(AT_ONCE, Splitting()))
    finally:
        await fetcher.close()


async def read(source: WebSource, url: str, **expected: Any) -> bytes:
    """Return all bytes of the image at *url*."""
    async with source.open(WebFile(url, **expected)) as opened:
        chunks = [chunk async for chunk in opened.chunks]
    content = b"".join(chunks)
    assert opened.length in (None, len(content))
    return content
