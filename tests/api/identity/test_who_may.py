"""Who may use which route of administration: asked as a stranger, as a member and as an administrator."""

from typing import Any

from aiohttp import ClientSession

from asking import headers_of
from stillage.accounts.names import role_id
from stillage.operations.identity.accounts import Accounts

# What a stranger, a member and an administrator get. A member may see what is their own.
ROUTES: list[tuple[str, str, Any, int, int, int]] = [
    ("GET", "/v3/users", None, 401, 403, 200),
    ("GET", "/v3/users/{paul}", None, 401, 403, 200),
    ("GET", "/v3/users/{erin}", None, 401, 200, 200),
    ("GET", "/v3/users/nobody", None, 401, 403, 404),
    ("POST", "/v3/users", {"user": {"name": "new"}}, 401, 403, 201),
    ("PATCH", "/v3/users/{erin}", {"user": {"email": "e@x"}}, 401, 403, 200),
    ("POST", "/v3/users/{erin}/password", {"user": {"original_password": "x", "password": "y"}}, 401, 401, 403),
    ("GET", "/v3/users/{erin}/projects", None, 401, 200, 200),
    ("POST", "/v3/projects", {"project": {"name": "new"}}, 401, 403, 201),
    ("PATCH", "/v3/projects/{lab}", {"project": {"description": "d"}}, 401, 403, 200),
    ("GET", "/v3/projects", None, 401, 200, 200),
    ("GET", "/v3/domains", None, 401, 200, 200),
    ("GET", "/v3/domains/default", None, 401, 200, 200),
    ("GET", "/v3/domains/other", None, 401, 404, 404),
    ("GET", "/v3/roles", None, 401, 403, 200),
    ("GET", "/v3/roles/{reader}", None, 401, 403, 200),
    ("GET", "/v3/role_assignments", None, 401, 403, 200),
    ("GET", "/v3/projects/{lab}/users/{paul}/roles", None, 401, 403, 200),
    ("PUT", "/v3/projects/{lab}/users/{paul}/roles/{reader}", None, 401, 403, 204),
    ("GET", "/v3/projects/{lab}/users/{paul}/roles/{reader}", None, 401, 403, 204),
    ("DELETE", "/v3/projects/{lab}/users/{paul}/roles/{reader}", None, 401, 403, 204),
    ("GET", "/v2/quotas", None, 401, 403, 200),
    ("GET", "/v2/quotas/{lab}", None, 401, 200, 200),
    ("GET", "/v2/quotas/{secret}", None, 401, 403, 200),
    ("PUT", "/v2/quotas/{lab}", {"limits": {}}, 401, 403, 200),
    ("DELETE", "/v2/quotas/{lab}", None, 401, 403, 204),
    ("GET", "/v2/status", None, 401, 403, 200),
    ("GET", "/v2/settings", None, 401, 403, 200),
    ("GET", "/v2/audit", None, 401, 200, 200),
    ("GET", "/v2/usage?by=project", None, 401, 200, 200),
    ("DELETE", "/v3/users/{paul}", None, 401, 403, 204),
    ("DELETE", "/v3/projects/{lab}", None, 401, 403, 204),
]


async def test_every_route_knows_who_may_use_it(api: ClientSession, accounts: Accounts) -> None:
    names = {user.name: user.id for user in await accounts.users()} | {"reader": role_id("reader")}
    names |= {project.name: project.id for project in await accounts.projects()}
    people: tuple[dict[str, str], ...] = ({}, await headers_of(api, "erin"), await headers_of(api, "root"))
    for method, path, body, *wanted in ROUTES:
        for headers, status in zip(people, wanted, strict=True):
            async with api.request(method, path.format(**names), json=body, headers=headers) as response:
                assert response.status == status, (method, path, await response.text())
