"""Time limits of requests against slow clients: a total, and a minimum rate for image data."""

import asyncio
from asyncio import timeout
from collections.abc import AsyncIterator

from aiohttp import web

from stillage.api.http.body import body_of
from stillage.api.services import Handler, services
from stillage.errors import RateTooLow, RequestTooLong

# Connections start slowly, so the rate is checked only after this.
FIRST_S = 10.0

LIMIT = web.RequestKey("limit", asyncio.Timeout)


async def image_bytes(request: web.Request, *, least_bytes_per_s: float = 0) -> AsyncIterator[bytes]:
    """Yield the body of *request*, image data, without a time limit but with a minimum rate.

    Args:
        request: Its body must not have been touched.
        least_bytes_per_s: Minimum rate, if the one in the settings is lower.

    Raises:
        RateTooLow: If it arrives too slowly.
        StillageError: As `body.receive`.
    """
    app_services = services(request)
    let_take_long(request)
    body = app_services.metrics.counted(body_of(request, idle_s=app_services.idle_s))
    async for piece in steady(body, max(least_bytes_per_s, app_services.least_bytes_per_s)):
        yield piece


async def steady(body: AsyncIterator[bytes], least_bytes_per_s: float) -> AsyncIterator[bytes]:
    """Yield *body* while it arrives fast enough. Only the time spent waiting for the client counts.

    Raises:
        RateTooLow: If the average rate is below *least_bytes_per_s*.
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
    """End a request that takes too long, unless it moves image data, which may take as long as the client needs."""
    limit_s = services(request).request_s
    try:
        async with timeout(limit_s) as request[LIMIT]:
            return await handler(request)
    except TimeoutError as error:
        if request[LIMIT].expired():
            raise RequestTooLong(limit_s) from error
        raise


def let_take_long(request: web.Request) -> None:
    """Lift the time limit: *request* moves image data from now on, or waits for their verification."""
    if not request[LIMIT].expired():
        request[LIMIT].reschedule(None)
