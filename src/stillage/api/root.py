"""What stands at the root, for whoever comes: versions, the description of the APIs, health and metrics."""

from aiohttp import hdrs, web

from stillage.api import health, openapi, versions
from stillage.api.credentials import TOKEN, UNAUTHENTICATED, only
from stillage.api.dialects import Dialect
from stillage.api.problems import Wording
from stillage.api.services import PRINCIPAL, services
from stillage.errors import Unauthenticated


def add_routes(router: web.UrlDispatcher) -> None:
    for routes in (health, versions, openapi):
        routes.add_routes(router)


async def authenticate(request: web.Request) -> None:
    """Know who asks by a token, which Prometheus can send in Authorization only."""
    if request.match_info.http_exception is not None:
        return
    token = only(request, TOKEN) or request.headers.get(hdrs.AUTHORIZATION, "").removeprefix("Bearer ")
    if not token:
        raise Unauthenticated(UNAUTHENTICATED)
    request[PRINCIPAL] = await services(request).identity.principal_of(token)


def dialect(wording: Wording) -> Dialect:
    """*wording*: the profile's."""
    return Dialect(
        prefixes=("/", "/versions", "/openapi.json", "/healthz", "/readyz", "/metrics"),
        add_routes=add_routes,
        authenticate=authenticate,
        public=frozenset({"GET /", "GET /versions", "GET /openapi.json", "GET /healthz", "GET /readyz"}),
        wording=wording,
        changes={},
        description=openapi.details_of,
    )
