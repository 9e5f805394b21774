"""How long a request may take: a time in all, until it begins to move an image's bytes, and a rate from then on."""

import asyncio
from asyncio import timeout
from collections.abc import AsyncIterator

from aiohttp import web

from stillage.api.http.body import body_of
from stillage.api.services import Handler, services
from stillage.errors import RateTooLow, RequestTooLong

# The first moments do not count: connections start slowly.
FIRST_S = 10.0

LIMIT = web.RequestKey("limit", asyncio.Timeout)


async def image_bytes(request: web.Request, *, least_bytes_per_s: float = 0) -> AsyncIterator[bytes]:
    """Yield the body of *request*, an image's bytes, which may take long if they come steadily.

    Args:
        request: Its body must not have been touched.
        least_bytes_per_s: How fast they must come, even if the settings ask for less.

    Raises:
        RateTooLow: If it comes too slowly.
        StillageError: As `body.receive`.
    """
    known = services(request)
    let_take_long(request)
    body = known.metrics.counted(body_of(request, idle_s=known.idle_s))
    async for piece in steady(body, max(least_bytes_per_s, known.least_bytes_per_s)):
        yield piece


async def steady(body: AsyncIterator[bytes], least_bytes_per_s: float) -> AsyncIterator[bytes]:
    """Yield *body*, as long as it comes fast enough. What counts is the time that we wait for the client.

    Raises:
        RateTooLow: If fewer than *least_bytes_per_s* have come in the mean.
    """
    now = asyncio.get_running_loop().time
    received, waited_s, begun = 0, 0.0, now()
    async for piece in body:
        received += len(piece)
        waited_s += now() - begun
        if waited_s > FIRST_S and received < least_bytes_per_s * waited_s:
            raise RateTooLow(received / waited_s, least_bytes_per_s)
        yield piece
        begun = now()


@web.middleware
async def limit_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give up a request that takes too long, unless it moves bytes, which take as long as the client needs."""
    limit_s = services(request).request_s
    try:
        async with timeout(limit_s) as request[LIMIT]:
            return await handler(request)
    except TimeoutError as error:
        if request[LIMIT].expired():
            raise RequestTooLong(limit_s) from error
        raise


def let_take_long(request: web.Request) -> None:
    """From here on *request* moves an image's bytes, or waits for what is found in them."""
    if not request[LIMIT].expired():
        request[LIMIT].reschedule(None)
