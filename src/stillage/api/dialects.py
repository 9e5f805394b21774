"""The APIs that this server offers. Each is a value with everything outside the handlers that differs between them.

Access is denied by default: a path of no dialect is 404, and a route of a dialect needs a principal unless it is
listed as public. So a new route is never open by accident.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import hdrs, web

from stillage.api.description import Description
from stillage.api.problems import Wording
from stillage.audit.events import Action


@dataclass(frozen=True, slots=True)
class Dialect:
    """One API.

    Routes are named ``METHOD PATTERN``, for instance ``GET /v2/images/{image_id}``; HEAD counts as GET.

    Attributes:
        prefixes: Paths that belong to it, each with everything below it; ``/`` is that path alone.
        add_routes: Puts its routes into a router.
        authenticate: Finds the principal of a request, whose body is unread, and keeps it for the handler. Raises
            Unauthenticated if there is none. Also called if no route matches the path or method; then it may let
            the router answer 404 or 405 to everyone.
        public: Names of the routes for which `authenticate` is not called.
        wording: The format of its errors.
        changes: Routes that change something, with the action for the audit event.
        description: What it adds to the OpenAPI description.
        pieces: Routes of which a whole takes many requests: the log tells the whole, and of these only what fails.
    """

    prefixes: tuple[str, ...]
    add_routes: Callable[[web.UrlDispatcher], None]
    authenticate: Callable[[web.Request], Awaitable[None]]
    public: frozenset[str]
    wording: Wording
    changes: Mapping[str, Action]
    description: Description
    pieces: frozenset[str] = frozenset()

    def has(self, path: str) -> bool:
        return any(path == prefix or (prefix != "/" and path.startswith(f"{prefix}/")) for prefix in self.prefixes)


@dataclass(frozen=True, slots=True)
class KnownRoute:
    """What the dialects say of one route.

    Attributes:
        name: Under which its dialect lists it; empty if no route matched.
        pattern: Its path; ``none`` if no route matched.
        dialect: None if the path belongs to none.
        action: What a request does, for the audit event; None if it changes nothing.
        is_public: True if it needs no principal.
        is_piece: True if it is one of many requests for a whole, which the log tells.
    """

    name: str
    pattern: str
    dialect: Dialect | None
    action: Action | None
    is_public: bool
    is_piece: bool = False


class KnownRoutes:
    """What the dialects say of each route. Found once for each, because every request asks several times."""

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self.dialects = dialects
        self._of_routes: dict[web.AbstractRoute, KnownRoute] = {}

    def of(self, request: web.Request) -> KnownRoute:
        route = request.match_info.route
        known = self._of_routes.get(route)
        if known is None:
            known = self._find(route, request)
            if route.resource is not None:  # otherwise aiohttp made it for this request alone
                self._of_routes[route] = known
        return known

    def _find(self, route: web.AbstractRoute, request: web.Request) -> KnownRoute:
        name = name_of(route)
        path = _path_of(request) if route.resource is None else route.resource.canonical
        pattern = "none" if route.resource is None else path
        dialect = find_dialect(self.dialects, path)
        if dialect is None:
            return KnownRoute(name, pattern, None, None, is_public=False)
        is_public, is_piece = name in dialect.public, name in dialect.pieces
        return KnownRoute(name, pattern, dialect, dialect.changes.get(name), is_public, is_piece)


def _path_of(request: web.Request) -> str:
    """Return the path of a request that no route matched: its pattern, if there is one for another method."""
    path = request.rel_url.path_safe
    if not isinstance(request.match_info.http_exception, web.HTTPMethodNotAllowed):
        return path
    return next((resource.canonical for resource in request.app.router.resources() if _matches(resource, path)), path)


def _matches(resource: web.AbstractResource, path: str) -> bool:
    known = resource.get_info()
    return known["path"] == path if "path" in known else known["pattern"].fullmatch(path) is not None


ROUTES: web.AppKey[KnownRoutes] = web.AppKey("routes")


def route_of(request: web.Request) -> KnownRoute:
    """Return what the dialects say of the route that *request* matched."""
    return request.app[ROUTES].of(request)


def find_dialect(dialects: Sequence[Dialect], path: str) -> Dialect | None:
    return next((dialect for dialect in dialects if dialect.has(path)), None)


def name_of(route: web.AbstractRoute) -> str:
    """Return the name under which a dialect lists *route*; empty if no route matched."""
    if route.resource is None:
        return ""
    method = hdrs.METH_GET if route.method == hdrs.METH_HEAD else route.method
    return f"{method} {route.resource.canonical}"
