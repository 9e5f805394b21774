"""The headers of everything below /console/: its pages load nothing but their own files, and nobody frames them.

Source: W3C, "Content Security Policy Level 3"; WHATWG, "HTML", "Cross-origin opener policies".
"""

from aiohttp import web

from stillage.api.dialects import route_of

PREFIX = "/console"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


async def mark(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers to every answer of the console, errors included."""
    dialect = route_of(request).dialect
    if dialect is not None and PREFIX in dialect.prefixes:
        response.headers.update(HEADERS)
