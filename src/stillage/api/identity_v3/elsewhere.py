"""The routes of the identity API with an external Keystone: each names its URL."""

from aiohttp import web

from stillage.api.services import identity_url
from stillage.errors import NotFound

PREFIXES = ("/identity", "/v3", "/v3.0")
ROUTES = frozenset(f"* {path}" for prefix in PREFIXES for path in (prefix, f"{prefix}/{{rest}}"))


async def point(request: web.Request) -> web.Response:
    """Any request to /identity, /v3 or /v3.0: 404 with the URL of Keystone."""
    raise NotFound(f"users and tokens are in Keystone; log in at {identity_url(request)}")


def add_routes(router: web.UrlDispatcher) -> None:
    for prefix in PREFIXES:
        router.add_route("*", prefix, point)
        router.add_route("*", f"{prefix}/{{rest:.*}}", point)
