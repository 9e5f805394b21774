"""Reading the body of a request: its length, its bytes as they come, and the delayed ``100 Continue``."""

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

# What a body is taken in: no more than one read of the socket, so that an upload which ends at its first block has not
# taken a whole buffer beside it.
PIECE = 256 << 10
# How many chunks of a body, and then how many bytes, are taken in one go.
MOST_CHUNKS = 1024
# A body of known length and at least this size is received past the parser.
DIRECT = 2 << 20


@dataclass(frozen=True, slots=True)
class Body:
    """Replaces the body of a request for its handlers.

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
        raise BodyIncomplete("the body ended before its declared end; send the file again") from error


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
        raise InvalidInput(f"unsupported Expect {expectation!r}; use 100-continue")
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
