"""Projects and the domain over HTTP."""

from typing import Any

import pytest
from aiohttp import ClientSession

from asking import headers_of, log_in
from stillage.operations.identity.accounts import Accounts


async def get(api: ClientSession, path: str, user: str = "erin") -> tuple[int, Any]:
    async with api.get(f"/v3{path}", headers=await headers_of(api, user)) as response:
        return response.status, await response.json()


async def names(api: ClientSession, path: str, user: str = "erin") -> list[str]:
    status, document = await get(api, path, user)
    assert status == 200
    return [project["name"] for project in document["projects"]]


async def test_a_user_finds_his_own_projects_in_every_way(api: ClientSession, accounts: Accounts) -> None:
    user = await accounts.get_user("erin")
    for path in ("/auth/projects", f"/users/{user.id}/projects", "/projects", "/projects?name=lab"):
        assert await names(api, path) == ["lab"]
    assert await names(api, f"/users/{user.id}/projects", "root") == ["lab"]
    assert await names(api, "/auth/projects", "paul") == []


async def test_a_project_is_described_as_clients_expect(api: ClientSession, accounts: Accounts) -> None:
    lab = await accounts.get_project("lab")
    _, document = await get(api, f"/projects/{lab.id}")
    project = document["project"]
    assert project["links"]["self"].endswith(f"/v3/projects/{lab.id}")
    del project["links"]
    assert project == {
        "id": lab.id,
        "name": "lab",
        "description": "",
        "domain_id": "default",
        "parent_id": "default",
        "is_domain": False,
        "enabled": True,
        "tags": [],
        "options": {},
    }
    _, listed = await get(api, "/projects?name=lab")
    assert listed["links"]["next"] is None
    assert listed["links"]["self"].endswith("/v3/projects?name=lab")


async def test_an_admin_finds_every_project(api: ClientSession, accounts: Accounts) -> None:
    assert await names(api, "/projects", "root") == ["lab", "secret"]
    assert await names(api, "/projects?name=lab", "root") == ["lab"]
    assert await names(api, "/projects?name=none", "root") == []
    lab = await accounts.get_project("lab")
    assert (await get(api, f"/projects/{lab.id}", "root"))[0] == 200
    assert (await get(api, "/projects/none", "root"))[0] == 404


async def test_others_projects_are_forbidden_whether_they_are_there_or_not(
    api: ClientSession, accounts: Accounts
) -> None:
    # openstackclient takes the text as an id after a 403, so that images can be shared with a project one cannot see.
    secret = await accounts.get_project("secret")
    answers = [
        await get(api, path)
        for path in (f"/projects/{secret.id}", "/projects/none", "/projects?name=secret", "/projects?name=none")
    ]
    assert {status for status, _ in answers} == {403}
    assert len({document["error"]["message"] for _, document in answers}) == 1


@pytest.mark.parametrize("text", ["%00", "%ED%A0%80", "a%0Ab", "x" * 300, "..%2F..", "%F0%9F%90%A7"])
@pytest.mark.parametrize("user", ["erin", "root"])
async def test_strange_names_and_ids_are_not_there(api: ClientSession, text: str, user: str) -> None:
    assert (await get(api, f"/projects/{text}", user))[0] in (403, 404)
    assert (await get(api, f"/projects?name={text}", user))[0] in (200, 403)
    assert (await get(api, f"/users/{text}/projects", user))[0] in (200, 403)
    assert (await get(api, f"/users/{text}/application_credentials", user))[0] in (200, 403)


async def test_there_is_one_domain(api: ClientSession) -> None:
    status, document = await get(api, "/auth/domains", "paul")
    assert status == 200
    assert [(domain["id"], domain["name"]) for domain in document["domains"]] == [("default", "Default")]


async def test_an_unscoped_token_may_look_for_projects(api: ClientSession) -> None:
    text, _ = await log_in(api, scope="unscoped")
    async with api.get("/v3/auth/projects", headers={"X-Auth-Token": text}) as response:
        assert [project["name"] for project in (await response.json())["projects"]] == ["lab"]
