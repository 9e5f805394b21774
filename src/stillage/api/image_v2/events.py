"""A stream of events, for pages that show what happens while it does.

Source: WHATWG, "HTML", "Server-sent events".
"""

from functools import lru_cache

from aiohttp import hdrs, web

from stillage.api.credentials import credentials_of
from stillage.api.http.json_bodies import encoded
from stillage.api.http.time_limits import let_take_long
from stillage.api.services import principal, services
from stillage.images.event import Event
from stillage.operations.events.hub import Batch

LAST = "Last-Event-ID"
HEADERS = {hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store", "X-Accel-Buffering": "no"}
COME_BACK_MS = 2000


async def stream(request: web.Request) -> web.StreamResponse:
    """GET /v2/events: server-sent events about images, uploads and jobs, until the credentials end.

    ``Last-Event-ID``, which browsers send by themselves, goes on where another stream broke, at any node.
    """
    key, look = credentials_of(request)
    after = request.headers.get(LAST)
    async with services(request).events.stream(principal(request), key, look, after) as events:
        let_take_long(request)
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        events.has_left = lambda: request.transport is None or request.transport.is_closing()
        await response.write(f"retry: {COME_BACK_MS}\n\n".encode())
        async for batch in events.batches():
            events.cut = None if request.transport is None else request.transport.abort
            await response.write(_text(batch))
            events.cut = None
        await response.write_eof()
    return response


def _text(batch: Batch) -> bytes:
    """Return a batch as it is sent. Its position comes last: whoever misses a part gets the whole again."""
    position = f"id: {batch.position}\n\n".encode()
    return b"".join(map(_of_one, batch.events)) + (position if batch.events else b":\n" + position)


@lru_cache(1024)
def _of_one(event: Event) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event.kind.encode(), encoded(dict(event.document)))
