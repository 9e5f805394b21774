"""What HTTP needs beyond what aiohttp does by itself: rude, slow and broken clients.

aiohttp is right on its own about malformed heads, contradictory lengths, cut chunks and back-pressure. Ours are:

* **The delayed 100.** aiohttp answers ``Expect: 100-continue`` before any handler has looked. Here the header is taken
  out of the request at its birth, and the first read of the body sends the 100; a refusal goes out instead of it.
* **The early answer.** A client that is refused may go on sending for hours. The answer is sent at once, a little more
  is read so that a reset does not overtake the answer, and the connection is closed.
* **The half-closed connection.** A client may end its side and wait for the answer; aiohttp would hang up on it.
* **The broken chunk.** aiohttp queues a 400 behind the running request, and does not tell the one that reads the body.
* **The sum of the head.** aiohttp limits each field and their number, 4 MiB in all.
* **The time limit of TLS.** Python gives a handshake, and the good-bye, half a minute and more.
* **The limit of open files.** uvloop resets what it has no descriptor for. Here it waits, see `api.http.accepting`.
* **The time limits of bodies.** aiohttp waits for ever for the next piece.
* **The time limit of answers.** aiohttp waits for ever for a client to read. The kernel does not, where it is told.
* **Many small things.** What the socket gives at once, 256 KiB, may be ten thousand chunks, and the parser takes them
  without a pause. Here it gets them in slices, and where those take their time the loop is free for others in between.
* **Large bodies** of known length go past the parser, see `api.http.receiving`.
* **The drain.** aiohttp's own graceful stop drops the incoming bytes of running uploads. We count running requests,
  stop listening, wait for the count to fall to zero, and only then let aiohttp clean up.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import ClientPayloadError, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_exceptions import HTTPException
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo
from multidict import CIMultiDictProxy
from yarl import URL

from stillage.api.http.accepting import Acceptor
from stillage.api.http.descriptors import Descriptors
from stillage.api.http.receiving import Lender, Receiver
from stillage.errors import BodyIncomplete, InvalidInput, PeerTooSlow

log = structlog.get_logger()

# Real IAM tokens have 8 KiB, so one field must hold that; a request line holds a list's filters.
MAX_FIELD = 32 * 1024
MAX_LINE = 16 * 1024
MAX_HEAD = 64 * 1024
# The socket is read in pieces of up to 256 KiB; with a smaller buffer reading stops and starts for every piece.
READ_BUFFER = 1 << 20
# What a body is taken in: no more than one read of the socket, so that an upload which ends at its first block has not
# taken a whole buffer beside it.
PIECE = 256 << 10
# What the parser takes at once. Chunks of one byte are its slowest food: 2 ms for each slice.
SLICE = 32 << 10
# When what came in one read has taken this long, others have their turn before the rest of it.
TURN_S = 0.001
# How many chunks of a body, and then how many bytes, are taken in one go.
MOST_CHUNKS = 1024
# After an early answer: how much more is read, and how long we wait for the client to notice.
LINGER_BYTES = 1 << 20
LINGER_S = 2.0
# A refused request whose whole body is this small is read to its end, and the connection stays usable.
SMALL_BODY = 64 * 1024

# What an upload that is cut off by a stop gets to clean up after itself before it is cancelled.
CLEAN_UP_S = 1.0
# Connections that may wait to be accepted.
BACKLOG = 1024
# A body of known length and at least this size is received past the parser.
DIRECT = 2 << 20


@dataclass(frozen=True, slots=True)
class Body:
    """What stands in the place of a request's body, for whoever reads it.

    Attributes:
        length: How many bytes it has; None if only its end will tell.
    """

    pieces: AsyncIterator[bytes]
    length: int | None


BODY = web.RequestKey("body", Body)
TARGET = web.RequestKey("target", str)
"""The request line's, where `Runner` has taken a prefix off."""
EXPECTATION = web.RequestKey("expectation", str)
RECEIVER = web.RequestKey("receiver", Receiver)

# What reading a body raises when there is no more of it to come.
BROKEN = (RequestPayloadError, ClientPayloadError, HttpProcessingError, HTTPException, OSError, RuntimeError)


class Connection(Lender):
    """One connection. Stays open for the answer when the client has closed its side only."""

    __slots__ = ("_ended", "_payload", "_unparsed")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._payload: StreamReader | None = None
        self._ended = False
        self._unparsed = bytearray()

    def begin(self, payload: StreamReader) -> None:
        """Remember the body of the request that is handled from now on."""
        self._payload = payload
        if self._ended and not self._messages:
            self.close()  # after the answer; nothing more can come

    def data_received(self, data: bytes) -> None:
        if self._unparsed and data:
            self._unparsed += data
            return
        until = time.perf_counter() + TURN_S  # uvloop's own clock stands still meanwhile
        for start in range(0, len(data) or 1, SLICE):
            self._parse(data[start : start + SLICE])
            if len(data) > start + SLICE and time.perf_counter() > until:
                self._unparsed += data[start + SLICE :]
                self._pause_transport_reading()
                self._loop.call_soon(self._parse_on)
                return

    def parse_all(self) -> None:
        data, self._unparsed = bytes(self._unparsed), bytearray()
        if data:
            self._parse(data)

    def _parse_on(self) -> None:
        data = bytes(self._unparsed[:SLICE])
        del self._unparsed[:SLICE]
        if data:
            self._parse(data)
        if self._unparsed:
            self._loop.call_soon(self._parse_on)
        elif not self._reading_paused and not self._buffer_paused:
            self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        if not self._unparsed:
            super()._resume_transport_reading()

    def _parse(self, data: bytes) -> None:
        known = len(self._messages)
        super().data_received(data)
        # What is no HTTP is queued as a request of its own; whoever reads a body that it belongs to must know, too.
        if len(self._messages) > known and isinstance(self._messages[-1][0], _ErrInfo):
            self._break_bodies("the chunks of the body are malformed")

    def connection_lost(self, exc: BaseException | None) -> None:
        self._unparsed.clear()
        super().connection_lost(exc)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        self.parse_all()
        if self.ssl_context is not None:
            return None  # TLS has no half-closed connections
        waits = self._waiter is not None or self._payload is None
        if waits and not self._messages:
            return None
        self._ended = True
        self._break_bodies("the body ended before its announced end")
        if not self._messages:
            self.close()
        return True

    def _break_bodies(self, why: str) -> None:
        for payload in (self._payload, *(payload for _, payload in self._messages)):
            if payload is not None and not payload.is_eof():
                payload.set_exception(RequestPayloadError(why))

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP request (400), or what even the outermost middleware did not survive (500)."""
        if isinstance(exc, HttpProcessingError):
            log.info("malformed request", peer=request.remote, why=exc.message.partition("\n")[0])
            text = f"this is not a well-formed HTTP request: {(message or exc.message).partition(':')[0].strip()}"
        elif isinstance(exc, ConnectionError):
            raise exc  # the client left, or was cut off; whoever saw that first has logged it
        else:
            log.error("request failed outside the application", peer=request.remote, exc_info=exc)
            text = "internal error; the server's log says more"
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        response = web.json_response(
            {"error": {"code": status, "title": _title(status), "message": text}},
            status=status,
            headers={"X-Content-Type-Options": "nosniff"},
        )
        response.force_close()
        return response


def _title(status: int) -> str:
    return "Bad Request" if status == 400 else "Internal Server Error"


class Server(web.Server):
    """Makes our connections, and requests without their Expect header."""

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """aiohttp's runner with our `Server` in it, and our limits."""

    def __init__(
        self, app: web.Application, *, header_timeout_s: float, idle_timeout_s: float, prefix: str = ""
    ) -> None:
        """Make it.

        Args:
            app: What is served.
            header_timeout_s: For the head of a request, and for the handshake of TLS.
            idle_timeout_s: How long a client may read nothing of what waits for it.
            prefix: A path that requests may stand below, as a proxy leaves them; routes do not know of it.
        """
        self._prefix = prefix
        super().__init__(
            app,
            access_log=None,  # ours is structured, see api.middleware
            auto_decompress=False,  # an image is stored as it came
            handle_signals=False,
            # `stop` has waited already; aiohttp would wait for a minute more, twice.
            shutdown_timeout=CLEAN_UP_S,
            # Counts from the connection, or the last answer, to the end of the next request's head.
            keepalive_timeout=header_timeout_s,
            lingering_time=LINGER_S,
            max_field_size=MAX_FIELD,
            max_line_size=MAX_LINE,
            read_bufsize=READ_BUFFER,
        )
        self.header_timeout_s = header_timeout_s
        self.idle_timeout_s = idle_timeout_s

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()

        def make_request(
            message: RawRequestMessage, payload: StreamReader, protocol: RequestHandler, *rest: Any
        ) -> web.BaseRequest:
            assert isinstance(protocol, Connection)  # noqa: S101 - `Server` makes no others
            target, message = message.path, _below(self._prefix, message)
            expectation = message.headers.get(hdrs.EXPECT)
            if expectation is not None:
                headers = message.headers.copy()
                headers.popall(hdrs.EXPECT)
                message = message._replace(headers=CIMultiDictProxy(headers))
            protocol.begin(payload)
            request = made.request_factory(message, payload, protocol, *rest)
            if target != message.path:
                request[TARGET] = target
            if expectation is not None:
                request[EXPECTATION] = expectation.lower()
            return request

        return Server(made.request_handler, request_factory=make_request, **made._kwargs)  # noqa: SLF001


def _below(prefix: str, message: RawRequestMessage) -> RawRequestMessage:
    path = message.url.raw_path
    if not prefix or (path != prefix and not path.startswith(f"{prefix}/")):
        return message
    target = message.path.removeprefix(prefix)
    target = target if target.startswith("/") else f"/{target}"
    return message._replace(path=target, url=URL(target, encoded=True))


def require_small_head(request: web.Request) -> None:
    """Raise 431 if the fields of the head are too large in sum."""
    if sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEAD:
        raise web.HTTPRequestHeaderFieldsTooLarge(text=f"the header fields may have {MAX_HEAD} bytes in all")


def body_of(request: web.Request, *, idle_s: float) -> AsyncIterator[bytes]:
    """Return the body's bytes, or what `BODY` has in their place; see `receive`."""
    return request[BODY].pieces if BODY in request else receive(request, idle_s=idle_s)


def length_of(request: web.Request) -> int | None:
    """Return how many bytes the body has; None if only its end will tell."""
    if BODY in request:
        return request[BODY].length
    length = request.content_length
    if length is None and not request.can_read_body:
        return 0  # HTTP/1.1: without a length or chunks there is no body
    return length


async def receive(request: web.Request, *, idle_s: float) -> AsyncIterator[bytes]:
    """Yield the body's bytes as they come, in pieces of any size. The first call lets the client begin.

    Args:
        request: Its body must not have been touched.
        idle_s: How long to wait for the next piece.

    Raises:
        BodyIncomplete: If the client leaves, or sends chunks that are none, before the end.
        PeerTooSlow: If nothing comes for *idle_s*.
    """
    await _let_begin(request)
    length = request.content_length or 0
    try:
        if length >= DIRECT and isinstance(request.protocol, Lender):
            receiver = request[RECEIVER] = Receiver(request, request.protocol, length)
            while block := await receiver.read(idle_s):
                yield block
            return
        while True:
            async with asyncio.timeout(idle_s):
                piece = await _some_of(request.content)
            if not piece:
                return
            yield piece
    except TimeoutError as error:
        raise PeerTooSlow(idle_s) from error
    except RequestPayloadError as error:
        raise BodyIncomplete(f"{error}; send the file again") from error
    except BROKEN as error:
        raise BodyIncomplete("the body ended before its announced end; send the file again") from error


async def _some_of(content: StreamReader) -> bytes:
    """Return up to `PIECE` bytes, nothing at the end. `StreamReader.read` takes many chunks without a pause."""
    if (failure := content.exception()) is not None:
        raise failure
    if content.at_eof():
        return b""
    while not content._buffer and not content._eof:  # noqa: SLF001 - as `read` does
        await content._wait("receive")  # noqa: SLF001
    pieces, room = [], PIECE
    for _ in range(min(len(content._buffer), MOST_CHUNKS)):  # noqa: SLF001
        pieces.append(content._read_nowait_chunk(room))  # noqa: SLF001
        room -= len(pieces[-1])
        if not room:
            break
    if len(pieces) == MOST_CHUNKS:
        await asyncio.sleep(0)  # there is more, and no other wait in whoever takes it
    return b"".join(pieces)


async def _let_begin(request: web.Request) -> None:
    expectation = request.pop(EXPECTATION, None)
    if expectation is None or request.version < (1, 1):
        return
    if expectation != "100-continue":
        raise InvalidInput(f"Expect: {expectation!r} is not known; only 100-continue is")
    if request.content.is_eof() or request.content.total_bytes:
        return  # it did not wait
    await inform(request, "100 Continue", {})


async def inform(request: web.Request, status: str, headers: Mapping[str, str]) -> None:
    """Send an interim response: *status* and its phrase. HTTP/1.0 has none, and who has left hears none."""
    if request.version < (1, 1):
        return
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with suppress(ConnectionError):
        await request.writer.write("\r\n".join(lines).encode())
    request.writer.output_size = 0  # the answer itself has not begun


async def answer(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Return *response*, sent already and the connection closed where the client may be in the middle of a body."""
    if RECEIVER in request:
        request[RECEIVER].end()
    unread = not request.content.is_eof() or EXPECTATION in request
    # Of a body that broke aiohttp would try to read the rest, and call it an error of ours that there is none.
    if not unread:
        return response
    try:
        if _is_small(request) and request.content.exception() is None:
            await response.prepare(request)
            await response.write_eof()
            if await _rest_came(request):
                return response
        response.force_close()
        await response.prepare(request)
        await response.write_eof()
        await _linger(request)
    except OSError:  # ENOTCONN as well, which is no ConnectionError
        pass  # it left without waiting for the answer
    transport = request.transport
    request.protocol.force_close()
    if transport is not None and not request.content.is_eof():
        # uvloop's TLS would go on reading, to find the client's good-bye behind all that it still sends.
        transport.abort()
    return response


def _is_small(request: web.Request) -> bool:
    length = request.content_length
    return EXPECTATION not in request and length is not None and length <= SMALL_BODY


async def _rest_came(request: web.Request) -> bool:
    """Read the rest of a small body; False if its client left, or took its time. aiohttp would call that our error."""
    with suppress(TimeoutError, *BROKEN):
        async with asyncio.timeout(LINGER_S):
            while not request.content.is_eof():
                await request.content.readany()
            return True
    return False


async def _linger(request: web.Request) -> None:
    # Closing with unread bytes makes the kernel send a reset, and a reset can overtake the answer.
    transport = request.transport
    if transport is not None and transport.can_write_eof():
        transport.write_eof()
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_S):
            while left > 0 and (piece := await request.content.readany()):
                left -= len(piece)
    except (TimeoutError, *BROKEN):
        pass  # it left, or took its time: either way there is nobody to wait for


class Running:
    """Counts running requests, so that a stop can wait for them."""

    def __init__(self) -> None:
        self._stop: Stop | None = None
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def draining(self) -> bool:
        """True if this process takes no more requests."""
        return self._stop is not None

    @property
    def stopping(self) -> bool:
        """True if nobody takes them in its place either."""
        return self._stop is not None and not self._stop.replaced

    def __enter__(self) -> None:
        self._count += 1
        self._idle.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._idle.set()

    async def drain(self, stop: "Stop") -> int:
        """Wait until no request runs, or *stop* is over. Return how many still do."""
        self._stop = stop
        waiting = [asyncio.ensure_future(self._idle.wait()), asyncio.ensure_future(stop.over())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        return self._count


class Stop:
    """When a server is to end, and how long what it has begun may go on."""

    def __init__(self) -> None:
        self.replaced = False
        self._asked = asyncio.Event()
        self._hurried = asyncio.Event()
        self._until = 0.0

    def ask(self, grace_s: float, *, replaced: bool = False) -> None:
        """End, after *grace_s* at the most. Asked again, the earlier end is meant.

        *replaced*: another process serves in its place already. Until nobody else does, the whole is not stopping.
        """
        self.replaced = replaced and (self.replaced or not self._asked.is_set())
        until = asyncio.get_running_loop().time() + grace_s
        self._until = min(self._until, until) if self._asked.is_set() else until
        self._asked.set()
        self._hurried.set()

    async def wait(self) -> None:
        """Return when it is asked for."""
        await self._asked.wait()

    async def over(self) -> None:
        """Return when it has been asked for, and nothing may go on any more."""
        await self.wait()
        while (left := self._until - asyncio.get_running_loop().time()) > 0:
            self._hurried.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._hurried.wait()


class _Site(web.SockSite):
    """aiohttp's, with our time limits for TLS, which accepts only what there are descriptors for."""

    def __init__(
        self, runner: Runner, sock: socket.socket, tls: ssl.SSLContext | None, descriptors: Descriptors
    ) -> None:
        super().__init__(runner, sock, ssl_context=tls)
        assert runner.server is not None  # noqa: S101 - after the runner's set-up there is one
        self._acceptor = Acceptor(
            sock, runner.server, descriptors, tls=tls, handshake_s=runner.header_timeout_s, goodbye_s=LINGER_S
        )

    async def start(self) -> None:
        await web.BaseSite.start(self)
        self._acceptor.start(BACKLOG)

    async def stop(self) -> None:
        self._acceptor.close()
        await super().stop()


async def listen(
    runner: Runner, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None, descriptors: Descriptors | None = None
) -> None:
    """Accept connections on *sockets*, which are bound already.

    *descriptors*: those of the process; made where nobody else has to know of them.
    """
    descriptors = descriptors or Descriptors()
    for sock in sockets:
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; every connection has it from the socket that it comes from
            unread_ms = round(min(max(1, runner.idle_timeout_s * 1000), 2**31 - 1))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unread_ms)
        await _Site(runner, sock, tls, descriptors).start()


async def stop(runner: Runner, running: Running, how: Stop) -> int:
    """Stop accepting, let running requests finish until *how* is over, then close. Return how many were cut off."""
    for site in list(runner.sites):
        await site.stop()
    cut_off = await running.drain(how)
    await runner.cleanup()
    return cut_off
