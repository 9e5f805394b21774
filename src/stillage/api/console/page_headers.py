"""The headers of everything below /console/, errors and sessions as well as pages: see `files.SAFE`."""

from aiohttp import web

from stillage.api.console.files import SAFE
from stillage.api.dialects import route_of

PREFIX = "/console"


async def mark(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers to every answer of the console."""
    dialect = route_of(request).dialect
    if dialect is not None and PREFIX in dialect.prefixes:
        response.headers.update(SAFE)
