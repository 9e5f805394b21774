"""Refuse early: send the answer to a refused upload at once, while the client is still sending its body."""

import asyncio
from contextlib import suppress

from aiohttp import web

from stillage.api.http.body import BROKEN, EXPECTATION, RECEIVER

# After an early answer: how much more is read, and how long we wait for the client to notice.
LINGER_BYTES = 1 << 20
LINGER_S = 2.0
# A refused request whose whole body is this small is read to its end, and the connection stays usable.
SMALL_BODY = 64 * 1024


async def answer(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Return *response*. If the client may be in the middle of a body, send it and close the connection first."""
    if RECEIVER in request:
        request[RECEIVER].end()
    unread = not request.content.is_eof() or EXPECTATION in request
    # aiohttp would try to read the rest of a broken body, and report its absence as an error of the server.
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
    except OSError:  # includes ENOTCONN, which is not a ConnectionError
        pass  # the client disconnected without waiting for the answer
    transport = request.transport
    request.protocol.force_close()
    if transport is not None and not request.content.is_eof():
        # uvloop's TLS would keep reading, to find the client's close_notify after everything it still sends.
        transport.abort()
    return response


def _is_small(request: web.Request) -> bool:
    length = request.content_length
    return EXPECTATION not in request and length is not None and length <= SMALL_BODY


async def _rest_came(request: web.Request) -> bool:
    """Read the rest of a small body; False if the client disconnects or is too slow: aiohttp would log an error."""
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
        pass  # the client disconnected or is too slow: no reason to wait
