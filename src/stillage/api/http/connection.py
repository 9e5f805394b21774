"""Serve HTTP connections: aiohttp's server with our limits on heads, chunks and idle clients.

Beyond aiohttp it handles half-closed connections, broken chunks, many small chunks and the total size of the head; see
the list in the package's docstring.
"""

import time
from http import HTTPStatus
from itertools import chain
from typing import Any

import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo
from multidict import CIMultiDictProxy
from yarl import URL

from stillage.api.http.answer import LINGER_S
from stillage.api.http.body import EXPECTATION, TARGET
from stillage.api.http.receiving import Lender
from stillage.api.http.stopping import CLEAN_UP_S
from stillage.api.problems import CODE
from stillage.errors import HeadTooLarge, InternalError, MalformedRequest, StillageError

log = structlog.get_logger()
# Real IAM tokens have 8 KiB, so one field must hold that. A request line holds the filters of a list.
MAX_FIELD = 32 * 1024
MAX_LINE = 16 * 1024
MAX_HEAD = 64 * 1024
# The socket is read in pieces of up to 256 KiB; a smaller buffer would pause and resume reading for every piece.
READ_BUFFER = 1 << 20
# How much the parser gets at once. Chunks of one byte are slowest to parse: 2 ms for each slice.
SLICE = 32 << 10
# After parsing one read for this long, let other tasks run before the rest.
TURN_S = 0.001


class Connection(Lender):
    """One connection. If the client closes only its side, the connection stays open for the answer."""

    __slots__ = ("_ended", "_payload", "_unparsed")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._payload: StreamReader | None = None
        self._ended = False
        self._unparsed = bytearray()

    def begin(self, payload: StreamReader) -> None:
        """Remember the body of the request whose handling begins now."""
        self._payload = payload
        if self._ended and not self._messages:
            self.close()  # after the answer; no more can arrive

    def data_received(self, data: bytes) -> None:
        if self._unparsed and data:
            self._unparsed += data
            return
        if len(data) <= SLICE:
            self._parse(data)
            return
        until = time.perf_counter() + TURN_S  # uvloop's clock does not advance within one callback
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
        parsed = len(self._messages)
        super().data_received(data)
        # aiohttp queues malformed bytes as a request of their own. The reader of the body they are part of must know.
        if len(self._messages) > parsed and isinstance(self._messages[-1][0], _ErrInfo):
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
        self._break_bodies("the body ended before its declared end")
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
        """Answer a malformed request with 400, and an error that no middleware handled with 500."""
        if isinstance(exc, HttpProcessingError):
            log.info("malformed request", peer=request.remote, why=exc.message.partition("\n")[0])
            error: StillageError = MalformedRequest((message or exc.message).partition(":")[0].strip())
        elif isinstance(exc, ConnectionError):
            raise exc  # the client disconnected or was cut off, which is logged already
        else:
            log.error("request failed outside the application", peer=request.remote, exc_info=exc)
            error = InternalError()
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        response = web.json_response(
            {"error": {"code": status, "title": HTTPStatus(status).phrase, "message": str(error), CODE: error.code}},
            status=status,
            headers={"X-Content-Type-Options": "nosniff"},
        )
        response.force_close()
        return response


class Server(web.Server):
    """Creates our connections, and requests without their Expect header."""

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """aiohttp's runner with our `Server` and our limits."""

    def __init__(
        self, app: web.Application, *, header_timeout_s: float, idle_timeout_s: float, prefix: str = ""
    ) -> None:
        """Set the limits.

        Args:
            app: The application to serve.
            header_timeout_s: Time limit of a request's head, and of the TLS handshake.
            idle_timeout_s: How long a client may read nothing of a pending answer.
            prefix: A path that a proxy may leave in front of request paths; routes do not include it.
        """
        self._prefix = prefix
        super().__init__(
            app,
            access_log=None,  # ours is structured, see api.middleware
            auto_decompress=False,  # an image is stored as received
            handle_signals=False,
            # `stop` has waited already; aiohttp would wait for another minute, twice.
            shutdown_timeout=CLEAN_UP_S,
            # From the connection, or the last answer, to the end of the next request's head.
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
            assert isinstance(protocol, Connection)  # noqa: S101 - `Server` creates no others
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
    if not prefix:
        return message
    path = message.url.raw_path
    if path != prefix and not path.startswith(f"{prefix}/"):
        return message
    target = message.path.removeprefix(prefix)
    target = target if target.startswith("/") else f"/{target}"
    return message._replace(path=target, url=URL(target, encoded=True))


def require_small_head(request: web.Request) -> None:
    """Raise HeadTooLarge if the header fields are too large in total."""
    if sum(map(len, chain.from_iterable(request.raw_headers))) > MAX_HEAD:
        raise HeadTooLarge(MAX_HEAD)
