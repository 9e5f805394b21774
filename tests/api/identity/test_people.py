"""Users, projects and roles over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession
from structlog.testing import capture_logs

from asking import headers_of, log_in
from stillage.accounts.names import role_id
from stillage.operations.identity.accounts import Accounts

Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def ask(api: ClientSession) -> Ask:
    """``status, document = await ask("GET", "/users")``: as the administrator."""
    headers = await headers_of(api, "root")

    async def send(method: str, path: str, body: Any = None, **more: str) -> tuple[int, Any]:
        async with api.request(method, f"/v3{path}", json=body, headers=headers | more) as response:
            return response.status, await response.json() if response.content_type == "application/json" else None

    return send


async def test_a_user_from_creation_to_deletion(api: ClientSession, ask: Ask, accounts: Accounts) -> None:
    lab = await accounts.get_project("lab")
    wanted = {"name": "ann", "password": "anns", "email": "a@x", "default_project_id": lab.id, "domain_id": "default"}
    status, made = await ask("POST", "/users", {"user": wanted})
    assert status == 201
    user = made["user"]
    assert user["links"]["self"].endswith(f"/v3/users/{user['id']}")
    shown = {**user, "id": "", "links": {}}
    assert shown == {
        "id": "", "name": "ann", "domain_id": "default", "enabled": True, "email": "a@x", "links": {}, "options": {},
        "default_project_id": lab.id, "password_expires_at": None,
    }  # fmt: skip
    assert await ask("GET", f"/users/{user['id']}") == (200, made)
    assert (await ask("PUT", f"/projects/{lab.id}/users/{user['id']}/roles/{role_id('reader')}"))[0] == 204
    text, token = await log_in(api, "ann")
    assert [role["name"] for role in token["roles"]] == ["reader"]
    status, changed = await ask("PATCH", f"/users/{user['id']}", {"user": {"enabled": False, "description": "left"}})
    assert (status, changed["user"]["enabled"], changed["user"]["description"]) == (200, False, "left")
    async with api.get("/v3/auth/projects", headers={"X-Auth-Token": text}) as response:
        assert response.status == 401
    assert (await ask("DELETE", f"/users/{user['id']}"))[0] == 204
    assert (await ask("GET", f"/users/{user['id']}"))[0] == 404


async def test_lists_have_pages_and_filters(ask: Ask) -> None:
    async def names(path: str) -> list[str]:
        status, answer = await ask("GET", path)
        assert status == 200
        return [thing["name"] for thing in next(iter(answer.values()))]

    assert await names("/users?name=erin") == await names("/users?name__icontains=RI") == ["erin"]
    assert await names("/users?domain_id=other") == await names("/users?enabled=false") == []
    assert await names("/projects?enabled=true&name__contains=a&domain_id=default") == ["lab"]
    assert await names("/users?name=%00") == []
    assert await names("/roles?name=member") == ["member"]
    seen, path = [], "/users?limit=1"
    while path:
        _, answer = await ask("GET", path)
        seen += [user["name"] for user in answer["users"]]
        following = answer["links"]["next"]
        path = following and following.partition("/v3")[2]
    assert seen == ["erin", "paul", "root"]
    for bad in ("limit=0", "limit=x", "limit=-1", "marker=nobody", "marker=%00"):
        assert (await ask("GET", f"/users?{bad}"))[0] == 400


async def test_assignments_are_listed_as_openstackclient_reads_them(ask: Ask, accounts: Accounts) -> None:
    erin, lab = await accounts.get_user("erin"), await accounts.get_project("lab")
    member = role_id("member")
    path = f"/role_assignments?user.id={erin.id}&scope.project.id={lab.id}"
    _, answer = await ask("GET", path)
    [assignment] = answer["role_assignments"]
    assert assignment.pop("links")["assignment"].endswith(f"/v3/projects/{lab.id}/users/{erin.id}/roles/{member}")
    assert assignment == {"role": {"id": member}, "user": {"id": erin.id}, "scope": {"project": {"id": lab.id}}}
    _, answer = await ask("GET", f"{path}&include_names=True")
    [assignment] = answer["role_assignments"]
    domain = {"id": "default", "name": "Default"}
    assert assignment["role"] == {"id": member, "name": "member"}
    assert assignment["user"] == {"id": erin.id, "name": "erin", "domain": domain}
    assert assignment["scope"] == {"project": {"id": lab.id, "name": "lab", "domain": domain}}
    _, answer = await ask("GET", f"{path}&effective")
    assert len(answer["role_assignments"]) == 2
    for nothing in ("role.id=x", "group.id=x", "scope.system=all", "user.id=x", "user.id=%00"):
        assert (await ask("GET", f"/role_assignments?{nothing}"))[1]["role_assignments"] == []
    path = f"/projects/{lab.id}/users/{erin.id}/roles"
    assert [role["name"] for role in (await ask("GET", path))[1]["roles"]] == ["member"]
    assert (await ask("HEAD", f"{path}/{member}"))[0] == 204
    assert (await ask("HEAD", f"{path}/{role_id('admin')}"))[0] == 404


async def test_conflicts_say_why(ask: Ask, accounts: Accounts) -> None:
    root = await accounts.get_user("root")
    for method, path, body, code in (
        ("POST", "/users", {"user": {"name": "erin"}}, "already_exists"),
        ("POST", "/projects", {"project": {"name": "lab"}}, "already_exists"),
        ("DELETE", f"/users/{root.id}", None, "last_administrator"),
        ("PATCH", f"/users/{root.id}", {"user": {"enabled": False}}, "last_administrator"),
    ):
        status, answer = await ask(method, path, body)
        assert (status, answer["error"]["stillage_code"]) == (409, code)


async def test_a_password_is_changed_by_its_owner(api: ClientSession, accounts: Accounts) -> None:
    text, token = await log_in(api)
    path = f"/v3/users/{token['user']['id']}/password"
    for original, status in (("wrong", 401), ("erins", 204), ("erins", 401)):
        body = {"user": {"original_password": original, "password": "new secret"}}
        with capture_logs() as lines:
            async with api.post(path, json=body, headers={"X-Auth-Token": text}) as response:
                assert response.status == status
        [event] = [line for line in lines if line["event"] == "audit"]
        assert event["action"] == "update/password"
        assert "new secret" not in str(lines)
    other = {"user": {"original_password": "roots", "password": "x"}}
    root = await accounts.get_user("root")
    async with api.post(f"/v3/users/{root.id}/password", json=other, headers=await headers_of(api, "paul")) as response:
        assert response.status == 403


async def test_the_audit_knows_whom_a_role_was_given(ask: Ask, accounts: Accounts) -> None:
    paul, lab = await accounts.get_user("paul"), await accounts.get_project("lab")
    with capture_logs() as lines:
        await ask("PUT", f"/projects/{lab.id}/users/{paul.id}/roles/{role_id('reader')}")
    [event] = [line for line in lines if line["event"] == "audit"]
    assert (event["action"], event["target"]["id"]) == ("allow", paul.id)
    assert {part["name"]: part["content"] for part in event["attachments"]}["project"] == lab.id
