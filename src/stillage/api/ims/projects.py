"""The project in a path must be that of the token. Source: IMS API Reference, "Making an API Request"."""

from aiohttp import web

from stillage.api.services import principal
from stillage.errors import ImsRefusal


def require_project(request: web.Request) -> None:
    """Raise ImsRefusal if the path names another project than that of the principal."""
    if request.match_info["project_id"] != principal(request).project_id:
        raise ImsRefusal("IMG.0030", "the project in the path is not the project of the token")
