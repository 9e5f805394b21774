"""Read names of namespaces and of what is in them from a URL."""

from aiohttp import web

from stillage.errors import NotFound
from stillage.images.metadefs.definitions import MAX_NAME, Kind, definition_not_found, namespace_not_found
from stillage.images.values import is_unicode


def namespace_in(request: web.Request) -> str:
    """Return the namespace that the request's path names; NotFound if nothing can have such a name."""
    name = request.match_info["namespace"]
    return _possible(name, namespace_not_found(name))


def name_in(request: web.Request, kind: Kind) -> str:
    """Return the name of a definition of *kind* in the request's path; NotFound if nothing can have such a name."""
    name = request.match_info["name"]
    return _possible(name, definition_not_found(request.match_info["namespace"][:MAX_NAME], kind, name))


def _possible(name: str, error: NotFound) -> str:
    if "\0" in name or not is_unicode(name):  # which PostgreSQL cannot even compare
        raise error
    return name
