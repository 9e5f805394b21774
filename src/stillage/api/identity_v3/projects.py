"""Projects and the one domain.

Source: Identity API v3, "Projects", "Domains" and "Authentication and token management".
"""

from collections.abc import Callable
from functools import partial

from aiohttp import web

from stillage.accounts.names import DOMAIN_ID, DOMAIN_NAME
from stillage.accounts.people import Project
from stillage.accounts.people_request import new_project_of, project_change_of
from stillage.api.http.json_bodies import json_of, json_response
from stillage.api.identity_v3 import documents
from stillage.api.identity_v3.pages import is_true, page_of, page_response
from stillage.api.identity_v3.request import MAX_BODY, base_url, identity, self_url
from stillage.api.identity_v3.shape import domain_document, list_document, project_document
from stillage.api.services import note, principal
from stillage.errors import NotFound


async def of_token(request: web.Request) -> web.Response:
    """GET /v3/auth/projects: the projects for which the user can get a token."""
    own = await identity(request).directory.own(principal(request))
    return page_response(request, "projects", own, None, _document(request))


async def of_user(request: web.Request) -> web.Response:
    """GET /v3/users/{user_id}/projects: the projects in which a user has a role; filters as for all projects."""
    page = page_of(request)
    found = await identity(request).directory.of_user(principal(request), request.match_info["user_id"])
    shown = [project for project in found if page is not None and page.wants(project)]
    return page_response(request, "projects", shown, None, _document(request))


async def search(request: web.Request) -> web.Response:
    """GET /v3/projects: all for an admin, else the user's own. Huawei's tools use it.

    `name`, `name__icontains`, `enabled` and `domain_id` filter; `limit` and `marker` page.
    """
    page = page_of(request)
    found = await identity(request).directory.search(principal(request), page)
    return page_response(request, "projects", found, page, _document(request))


async def create(request: web.Request) -> web.Response:
    """POST /v3/projects: create a project, for administrators."""
    wanted = new_project_of(await json_of(request, limit=MAX_BODY))
    project = await identity(request).projects.create(principal(request), wanted)
    note(request, target=project.id)
    return json_response({"project": project_document(project, base_url(request))}, status=201)


async def show(request: web.Request) -> web.Response:
    """GET /v3/projects/{project_id}: one project."""
    project = await identity(request).directory.show(principal(request), request.match_info["project_id"])
    return json_response({"project": project_document(project, base_url(request))})


async def change(request: web.Request) -> web.Response:
    """PATCH /v3/projects/{project_id}: change a project, for administrators. `enabled` ends its tokens."""
    project_id = request.match_info["project_id"]
    note(request, target=project_id)
    wanted = project_change_of(await json_of(request, limit=MAX_BODY), project_id)
    project = await identity(request).projects.change(principal(request), project_id, wanted)
    return json_response({"project": project_document(project, base_url(request))})


async def delete(request: web.Request) -> web.Response:
    """DELETE /v3/projects/{project_id}: delete a project without images, for administrators. Its tokens end."""
    note(request, target=request.match_info["project_id"])
    await identity(request).projects.delete(principal(request), request.match_info["project_id"])
    return web.Response(status=204)


async def domains(request: web.Request) -> web.Response:
    """GET /v3/auth/domains: the only domain, for every user; Terraform finds its account here."""
    return json_response(list_document("domains", [domain_document(base_url(request))], self_url(request)))


async def search_domains(request: web.Request) -> web.Response:
    """GET /v3/domains: the only domain, for every user; `name` and `enabled` filter."""
    is_wanted = request.query.get("name", DOMAIN_NAME) == DOMAIN_NAME
    if "enabled" in request.query:
        is_wanted = is_wanted and is_true(request, "enabled")
    found = [domain_document(base_url(request))] if is_wanted else []
    return json_response(list_document("domains", found, self_url(request)))


async def show_domain(request: web.Request) -> web.Response:
    """GET /v3/domains/{domain_id}: the only domain, for every user. It cannot be changed."""
    if request.match_info["domain_id"] != DOMAIN_ID:
        raise NotFound("there is no such domain; the only one is 'default'")
    return json_response({"domain": domain_document(base_url(request))})


def _document(request: web.Request) -> Callable[[Project], documents.Project]:
    return partial(project_document, base_url=base_url(request))
