"""Roles, and who has which role in which project.

Source: Identity API v3, "Roles" and "OS-INHERIT" for the query of role assignments.
"""

from aiohttp import web

from stillage.accounts.names import role_id
from stillage.api.http.json_bodies import json_response
from stillage.api.identity_v3.pages import is_true
from stillage.api.identity_v3.request import base_url, identity, self_url
from stillage.api.identity_v3.shape import assignment_document, list_document, role_document
from stillage.api.services import note, principal

# Nobody has a role in these ways here.
ELSEWHERE = ("group.id", "scope.domain.id", "scope.system", "scope.OS-INHERIT:inherited_to")


async def search(request: web.Request) -> web.Response:
    """GET /v3/roles: the roles, for administrators; `name` filters."""
    names = await identity(request).roles.names(principal(request))
    wanted = request.query.get("name")
    has_domain = "domain_id" in request.query  # of a role: none here belongs to one
    shown = [role_document(name, base_url(request)) for name in names if wanted in (None, name) and not has_domain]
    return json_response(list_document("roles", shown, self_url(request)))


async def show(request: web.Request) -> web.Response:
    """GET /v3/roles/{role_id}: a role, for administrators."""
    name = await identity(request).roles.name_of(principal(request), request.match_info["role_id"])
    return json_response({"role": role_document(name, base_url(request))})


async def assignments(request: web.Request) -> web.Response:
    """GET /v3/role_assignments: who has which role where, for administrators.

    `user.id`, `scope.project.id` and `role.id` filter; `include_names` adds names, `effective` implied roles.
    """
    query = request.query
    found = await identity(request).roles.assignments(
        principal(request),
        user_id=query.get("user.id"),
        project_id=query.get("scope.project.id"),
        effective=is_true(request, "effective"),
    )
    wanted, elsewhere = query.get("role.id"), any(name in query for name in ELSEWHERE)
    with_names, url = is_true(request, "include_names"), base_url(request)
    shown = [
        assignment_document(assignment, url, with_names=with_names)
        for assignment in found
        if wanted in (None, role_id(assignment.role)) and not elsewhere
    ]
    return json_response(list_document("role_assignments", shown, self_url(request)))


async def of_user(request: web.Request) -> web.Response:
    """GET /v3/projects/{project_id}/users/{user_id}/roles: a user's roles in a project, for administrators."""
    project_id, user_id = request.match_info["project_id"], request.match_info["user_id"]
    found = await identity(request).roles.assignments(principal(request), user_id=user_id, project_id=project_id)
    shown = [role_document(assignment.role, base_url(request)) for assignment in found]
    return json_response(list_document("roles", shown, self_url(request)))


async def require(request: web.Request) -> web.Response:
    """GET and HEAD /v3/projects/{project_id}/users/{user_id}/roles/{role_id}: 204 if the user has the role."""
    await identity(request).roles.require(principal(request), *_names(request))
    return web.Response(status=204)


async def grant(request: web.Request) -> web.Response:
    """PUT /v3/projects/{project_id}/users/{user_id}/roles/{role_id}: give a user a role, for administrators."""
    project_id, user_id, role = _names(request)
    note(request, target=user_id, project=project_id, role=role)
    await identity(request).roles.grant(principal(request), project_id, user_id, role)
    return web.Response(status=204)


async def revoke(request: web.Request) -> web.Response:
    """DELETE /v3/projects/{project_id}/users/{user_id}/roles/{role_id}: take a role, for administrators.

    The user's tokens for the project end.
    """
    project_id, user_id, role = _names(request)
    note(request, target=user_id, project=project_id, role=role)
    await identity(request).roles.revoke(principal(request), project_id, user_id, role)
    return web.Response(status=204)


def _names(request: web.Request) -> tuple[str, str, str]:
    return request.match_info["project_id"], request.match_info["user_id"], request.match_info["role_id"]
