"""Every document of the identity API is as described, and has no member that its description does not have."""

from typing import Any

from aiohttp import ClientSession

from asking import headers_of, password
from described import Described, documents_of
from stillage.accounts.names import role_id
from stillage.api.identity_v3.description import CREDENTIALS, DETAILS, KEYS, ROLES
from stillage.operations.identity.accounts import Accounts


async def test_every_document_is_as_described(api: ClientSession, accounts: Accounts) -> None:
    async with api.get("/openapi.json") as response:
        described = Described(await response.json())
    user, lab = await accounts.get_user("erin"), await accounts.get_project("lab")
    names = {"user_id": user.id, "project_id": lab.id}
    headers = await headers_of(api)

    async def ask(route: str, body: Any = None, status: int = 200) -> Any:
        method, _, path = route.partition(" ")
        async with api.request(method, path.format(**names), json=body, headers=headers) as response:
            assert response.status == status, await response.text()
            answer = await response.json()
        described.check(route, status, answer)
        return answer

    await ask("POST /v3/auth/tokens", password(), 201)
    headers["X-Subject-Token"] = headers["X-Auth-Token"]
    for route in (
        "GET /v3", "GET /v3/auth/tokens", "GET /v3/auth/catalog", "GET /v3/auth/projects", "GET /v3/auth/domains",
        "GET /v3/projects", "GET /v3/projects/{project_id}", "GET /v3/users/{user_id}/projects",
    ):  # fmt: skip
        await ask(route)
    await ask("GET /identity", status=300)
    credential = await ask(f"POST {CREDENTIALS}", {"application_credential": {"name": "ci"}}, 201)
    names["credential_id"] = credential["application_credential"]["id"]
    key = await ask(f"POST {KEYS}", {"credential": {"description": "ci"}}, 201)
    names["access"] = key["credential"]["access"]
    for route in (
        f"GET {CREDENTIALS}",
        f"GET {CREDENTIALS}/{{credential_id}}",
        f"GET {KEYS}",
        f"GET {KEYS}/{{access}}",
    ):
        await ask(route)
    await ask(f"PUT {KEYS}/{{access}}", {"credential": {"status": "inactive"}})
    by_token = {"auth": {"identity": {"methods": ["token"]}}}
    await ask("POST /v3.0/OS-CREDENTIAL/securitytokens", by_token, 201)
    headers.update(await headers_of(api, "root"))
    made = await ask("POST /v3/users", {"user": {"name": "new", "email": "n@x", "default_project_id": lab.id}}, 201)
    names["user_id"] = made["user"]["id"]
    await ask("PATCH /v3/users/{user_id}", {"user": {"description": "d"}})
    made = await ask("POST /v3/projects", {"project": {"name": "new", "tags": ["a"]}}, 201)
    names |= {"project_id": made["project"]["id"], "role_id": role_id("member"), "domain_id": "default"}
    await ask("PATCH /v3/projects/{project_id}", {"project": {"description": "d"}})
    names |= {"user_id": user.id, "project_id": lab.id}
    for route in (
        "GET /v3/users", "GET /v3/users/{user_id}", "GET /v3/roles", "GET /v3/roles/{role_id}", f"GET {ROLES}",
        "GET /v3/role_assignments", "GET /v3/domains", "GET /v3/domains/{domain_id}",
    ):  # fmt: skip
        await ask(route)
    assert set(documents_of(DETAILS)) <= described.seen
