"""Add the routes beside the APIs: versions, the OpenAPI description, health and metrics."""

from collections.abc import Mapping
from functools import cache

from aiohttp import hdrs, web

from stillage.api import health, openapi, versions
from stillage.api.credentials import TOKEN, UNAUTHENTICATED, only
from stillage.api.description import ERROR, Description, Details
from stillage.api.dialects import Dialect
from stillage.api.json_schemas import Schema, components_of
from stillage.api.problems import Wording
from stillage.api.services import PRINCIPAL, services
from stillage.api.session_cookie import cookie_of, session_of
from stillage.errors import Unauthenticated

DETAILS: Mapping[str, Details] = {
    "GET /": Details({300: "Versions", 303: None}),
    "GET /v2.{minor}": Details({300: "Versions"}, (404,)),
    "GET /versions": Details({200: "Versions"}),
    "GET /openapi.json": Details({200: "Anything"}),
    "GET /healthz": Details({200: "Anything"}),
    "GET /readyz": Details({200: "Anything", 503: "Anything"}),
    "GET /metrics": Details({200: "text"}, (401, 403)),
}

PUBLIC = frozenset(DETAILS) - {"GET /metrics"}


def add_routes(router: web.UrlDispatcher) -> None:
    for routes in (health, versions, openapi):
        routes.add_routes(router)


async def authenticate(request: web.Request) -> None:
    """Authenticate by a token, which Prometheus can send only in Authorization, or by a session of the console."""
    if request.match_info.http_exception is not None:
        return
    token = only(request, TOKEN) or request.headers.get(hdrs.AUTHORIZATION, "").removeprefix("Bearer ")
    if not token and cookie_of(request).text:
        request[PRINCIPAL] = (await session_of(request)).principal
        return
    if not token:
        raise Unauthenticated(UNAUTHENTICATED)
    request[PRINCIPAL] = await services(request).identity.principal_of(token)


def details(method: str, path: str) -> Details:
    return DETAILS[f"{method} {path}"]


@cache
def schemas() -> Mapping[str, Schema]:
    """Return the schemas that the descriptions of all dialects may use."""
    return {**components_of(versions.Versions), "Error": ERROR, "Anything": {"type": "object"}}


def dialect(wording: Wording) -> Dialect:
    """*wording*: the profile's."""
    return Dialect(
        prefixes=("/", "/v2.{minor}", "/versions", "/openapi.json", "/healthz", "/readyz", "/metrics"),
        add_routes=add_routes,
        authenticate=authenticate,
        public=PUBLIC,
        wording=wording,
        changes={},
        description=Description(details, schemas),
    )
