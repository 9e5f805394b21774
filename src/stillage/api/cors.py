"""Let pages of other sites use the APIs, if the operator names these sites: Horizon, Skyline and others.

They send a token, never a cookie: no answer allows credentials, so a browser gives a page none that it used the cookie
for. The console's own routes are closed to them.

Source: WHATWG, "Fetch", "CORS protocol".
"""

from aiohttp import hdrs, web

from stillage.api.services import Handler, services

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
HEADERS = "*, Authorization"
"""A page may send any header. The star does not stand for Authorization."""
KEPT_S = 3600
EXPOSED = (
    "X-Subject-Token, X-Openstack-Request-Id, X-Total-Count, Location, ETag, Allow, Retry-After, WWW-Authenticate, "
    "Content-Disposition, Content-Range, Content-MD5, OpenStack-image-store-ids, OpenStack-image-import-methods, "
    "Upload-Offset, Upload-Length, Upload-Complete, Upload-Incomplete, Upload-Limit, Upload-Expires, Upload-Metadata, "
    "Upload-Defer-Length, Upload-Draft-Interop-Version, "
    "Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm"
)
CONSOLE = "/console"


@web.middleware
async def answer_preflights(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a browser that asks whether a page may send a request; it asks without the page's token."""
    is_asked = request.method == hdrs.METH_OPTIONS and request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_METHOD)
    if not is_asked or _origin(request) is None:
        return await handler(request)
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: HEADERS,
            hdrs.ACCESS_CONTROL_MAX_AGE: str(KEPT_S),
        },
    )


async def mark(request: web.Request, response: web.StreamResponse) -> None:
    """Tell the browser that the page may read *response*, if its site is named."""
    if not services(request).cors_origins:
        return
    response.headers.add(hdrs.VARY, hdrs.ORIGIN)
    if (origin := _origin(request)) is not None:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED


def _origin(request: web.Request) -> str | None:
    """Return the site that the page is of; None if it may not use what was asked for."""
    origin = request.headers.get(hdrs.ORIGIN)
    is_ours = request.path == CONSOLE or request.path.startswith(f"{CONSOLE}/")
    return origin if origin in services(request).cors_origins and not is_ours else None
