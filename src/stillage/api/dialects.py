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
    """Return the name under which a dialect lists *route*; empty if no route matched."""
    if route.resource is None:
        return ""
    method = hdrs.METH_GET if route.method == hdrs.METH_HEAD else route.method
    return f"{method} {route.resource.canonical}"
