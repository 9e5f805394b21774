"""How long a request may take: a rate for those that bring an image, a time in all for those that do not."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from stillage.api.services import Handler, services
from stillage.errors import RateTooLow, RequestTooLong

# Nobody is judged by his first moments: connections begin slowly.
FIRST_S = 10.0


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
    """Give up a request about records that takes too long. Those that move images have limits of their own."""
    if _moves_bytes(request.path):
        return await handler(request)
    limit_s = services(request).request_s
    try:
        async with asyncio.timeout(limit_s) as limit:
            return await handler(request)
    except TimeoutError as error:
        if limit.expired():
            raise RequestTooLong(limit_s) from error
        raise


def _moves_bytes(path: str) -> bool:
    return path.endswith(("/file", "/inspect")) or "/uploads" in path
