"""The APIs that this server speaks. Each is a value with everything that differs between them outside their handlers.

Closed by default: a path of no dialect is 404, and a route of a dialect needs a principal unless it is listed as
public. So a new route is never open by accident.
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
            Unauthenticated if nobody we know does. Also asked where there is no route, or not for this method: then
            it may let the router tell everybody so.
        public: Names of the routes for which `authenticate` is not asked.
        wording: How it words its errors.
        changes: Routes that change something, and what the audit calls it.
        description: What OpenAPI says of its routes and documents.
    """

    prefixes: tuple[str, ...]
    add_routes: Callable[[web.UrlDispatcher], None]
    authenticate: Callable[[web.Request], Awaitable[None]]
    public: frozenset[str]
    wording: Wording
    changes: Mapping[str, Action]
    description: Description

    def has(self, path: str) -> bool:
        return any(path == prefix or (prefix != "/" and path.startswith(f"{prefix}/")) for prefix in self.prefixes)


DIALECTS: web.AppKey[Sequence[Dialect]] = web.AppKey("dialects")


def dialect_of(request: web.Request) -> Dialect | None:
    """Return the dialect that *request*'s path belongs to; None if it belongs to none."""
    resource = request.match_info.route.resource
    path = request.rel_url.path_safe if resource is None else resource.canonical
    return find_dialect(request.config_dict[DIALECTS], path)


def find_dialect(dialects: Sequence[Dialect], path: str) -> Dialect | None:
    return next((dialect for dialect in dialects if dialect.has(path)), None)


def name_of(route: web.AbstractRoute) -> str:
    """Return the name under which a dialect lists *route*; empty for what is no route of ours."""
    if route.resource is None:
        return ""
    method = hdrs.METH_GET if route.method == hdrs.METH_HEAD else route.method
    return f"{method} {route.resource.canonical}"
