"""Read the body of a request: its length, its bytes as they arrive, the idle timeout, the delayed ``100 Continue``."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from aiohttp.web_exceptions import HTTPException
from aiohttp.web_protocol import RequestPayloadError

from stillage.api.http.receiving import Lender, Receiver
from stillage.errors import BodyIncomplete, InvalidInput, PeerTooSlow

# Size of the pieces of a body: at most one read of the socket, so that an upload refused at its first block has not
# filled a whole buffer besides.
PIECE = 256 << 10
# How many chunks of a body, and then how many bytes, are read without a pause.
MOST_CHUNKS = 1024
# A body of known length and at least this size bypasses the parser.
DIRECT = 2 << 20


@dataclass(frozen=True, slots=True)
class Body:
    """Replaces the body of a request for its handlers.

    Attributes:
        length: The number of bytes; None if unknown until the end.
    """

    pieces: AsyncIterator[bytes]
    length: int | None


BODY = web.RequestKey("body", Body)
TARGET = web.RequestKey("target", str)
"""The original request target, if `Runner` has removed a prefix from it."""
EXPECTATION = web.RequestKey("expectation", str)
RECEIVER = web.RequestKey("receiver", Receiver)
# What reading a body raises when the rest of it cannot arrive.
BROKEN = (RequestPayloadError, ClientPayloadError, HttpProcessingError, HTTPException, OSError, RuntimeError)


def body_of(request: web.Request, *, idle_s: float) -> AsyncIterator[bytes]:
    """Return the bytes of the body, or those that `BODY` replaces them with; see `receive`."""
    return request[BODY].pieces if BODY in request else receive(request, idle_s=idle_s)


def length_of(request: web.Request) -> int | None:
    """Return the number of bytes of the body; None if unknown until its end."""
    if BODY in request:
        return request[BODY].length
    length = request.content_length
    if length is None and not request.can_read_body:
        return 0  # HTTP/1.1: no length and no chunks mean no body
    return length


async def receive(request: web.Request, *, idle_s: float) -> AsyncIterator[bytes]:
    """Yield the bytes of the body as they arrive, in pieces of any size. The first read sends ``100 Continue``.

    Args:
        request: Its body must not have been touched.
        idle_s: How long to wait for the next piece.

    Raises:
        BodyIncomplete: If the client disconnects or sends malformed chunks before the end.
        PeerTooSlow: If nothing arrives for *idle_s*.
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
        raise BodyIncomplete("the body ended before its declared end; send the file again") from error


async def _some_of(content: StreamReader) -> bytes:
    """Return up to `PIECE` bytes, none at the end. Unlike `StreamReader.read` it pauses between many chunks."""
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
        await asyncio.sleep(0)  # there is more, and the consumer may never wait
    return b"".join(pieces)


async def _let_begin(request: web.Request) -> None:
    expectation = request.pop(EXPECTATION, None)
    if expectation is None or request.version < (1, 1):
        return
    if expectation != "100-continue":
        raise InvalidInput(f"unsupported Expect {expectation!r}; use 100-continue")
    if request.content.is_eof() or request.content.total_bytes:
        return  # the client does not wait for 100
    await inform(request, "100 Continue", {})


async def inform(request: web.Request, status: str, headers: Mapping[str, str]) -> None:
    """Send an interim response: *status* and its phrase. Does nothing for HTTP/1.0 or a client that disconnected."""
    if request.version < (1, 1):
        return
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with suppress(ConnectionError):
        await request.writer.write("\r\n".join(lines).encode())
    request.writer.output_size = 0  # the final response has not begun
