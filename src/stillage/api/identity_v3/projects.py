"""Projects and the one domain, to look at.

Source: Identity API v3, "Projects" and "Authentication and token management".
"""

from collections.abc import Sequence

from aiohttp import web

from stillage.accounts.people import Project
from stillage.api.http.json_bodies import json_response
from stillage.api.identity_v3.request import base_url, identity, self_url
from stillage.api.identity_v3.shape import domain_document, list_document, project_document
from stillage.api.services import principal


async def of_token(request: web.Request) -> web.Response:
    """GET /v3/auth/projects: the projects for which the user can get a token."""
    return _list(request, await identity(request).directory.own(principal(request)))


async def of_user(request: web.Request) -> web.Response:
    """GET /v3/users/{user_id}/projects: the projects in which a user has a role."""
    user_id = request.match_info["user_id"]
    return _list(request, await identity(request).directory.of_user(principal(request), user_id))


async def search(request: web.Request) -> web.Response:
    """GET /v3/projects: all for an admin, else the user's own; `name` filters. Huawei's tools use it."""
    return _list(request, await identity(request).directory.search(principal(request), request.query.get("name")))


async def show(request: web.Request) -> web.Response:
    """GET /v3/projects/{project_id}: one project."""
    project = await identity(request).directory.show(principal(request), request.match_info["project_id"])
    return json_response({"project": project_document(project, base_url(request))})


async def domains(request: web.Request) -> web.Response:
    """GET /v3/auth/domains: the only domain, for every user; Terraform finds its account here."""
    return json_response(list_document("domains", [domain_document(base_url(request))], self_url(request)))


def _list(request: web.Request, projects: Sequence[Project]) -> web.Response:
    documents = [project_document(project, base_url(request)) for project in projects]
    return json_response(list_document("projects", documents, self_url(request)))
