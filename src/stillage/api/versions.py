"""List the versions of the image API (discovery). Needs no token; keystoneauth follows the links.

Source: OpenStack Image API v2, "API versions"; IMS API Reference, "Querying API Versions".
"""

from aiohttp import hdrs, web
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from stillage.api.http.json_bodies import json_response
from stillage.api.services import public_url, services
from stillage.errors import RouteNotFound

ALWAYS = ("v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")
# As Glance lists them; 2.18 cleans and prunes its cache, which there is no need for here.
LATEST = ("v2.17", "v2.16", "v2.15")
WITH_ONE_STORE = (*LATEST, "v2.9", *ALWAYS)
WITH_SEVERAL_STORES = (*LATEST, "v2.14", "v2.13", "v2.12", "v2.11", "v2.10", "v2.9", "v2.8", *ALWAYS)
"""The newest is the current one."""


class Link(TypedDict):
    rel: str
    href: str


class Version(TypedDict):
    id: str
    status: str
    links: list[Link]


class Versions(TypedDict):
    """The versions of the image API."""

    versions: list[Version]


async def front(request: web.Request) -> web.Response:
    """GET /: the versions of the image API; a browser is led to the console."""
    if services(request).sessions is not None and "text/html" in request.headers.get(hdrs.ACCEPT, ""):
        return web.Response(
            status=303, headers={hdrs.LOCATION: f"{public_url(request)}/console/", hdrs.VARY: hdrs.ACCEPT}
        )
    response = await choices(request)
    response.headers[hdrs.VARY] = hdrs.ACCEPT
    return response


async def choices(request: web.Request) -> web.Response:
    """GET /v2: the versions of the image API."""
    return json_response(_document(request), status=300)


async def versions(request: web.Request) -> web.Response:
    """GET /versions: the versions, and at /v2/versions for glanceclient with a versioned URL."""
    return json_response(_document(request))


async def version(request: web.Request) -> web.Response:
    """GET /v2.{minor}: that version of the image API alone, as IMS answers for ``/v2.0``."""
    wanted = f"v2.{request.match_info['minor']}"
    known = [version for version in _document(request)["versions"] if version["id"] == wanted]
    if not known:
        raise RouteNotFound
    document: Versions = {"versions": known}
    return json_response(document, status=300)


def _document(request: web.Request) -> Versions:
    links: list[Link] = [{"rel": "self", "href": f"{public_url(request)}/v2/"}]
    current, *others = WITH_SEVERAL_STORES if len(services(request).stores) > 1 else WITH_ONE_STORE
    entries = [(current, "CURRENT"), *((version, "SUPPORTED") for version in others)]
    return {"versions": [{"id": version, "status": status, "links": links} for version, status in entries]}


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_get("/", front)
    router.add_get("/v2", choices)
    router.add_get("/v2/", choices)
    router.add_get("/v2.{minor:[0-9]{1,2}}", version)
    router.add_get("/versions", versions)
    router.add_get("/v2/versions", versions)
