"""Application credentials over HTTP."""

from typing import Any

import pytest
from aiohttp import ClientSession

from asking import TOKENS, log_in
from stillage.accounts.names import role_id


class Owner:
    """A user at his application credentials."""

    def __init__(self, api: ClientSession, text: str, token: dict[str, Any]) -> None:
        self.api = api
        self.headers = {"X-Auth-Token": text}
        self.id = token["user"]["id"]
        self.project_id = token.get("project", {}).get("id")
        self.path = f"/identity/v3/users/{self.id}/application_credentials"

    async def ask(self, method: str, path: str = "", **values: Any) -> tuple[int, Any]:
        body = {"application_credential": values} if values else None
        async with self.api.request(method, self.path + path, json=body, headers=self.headers) as response:
            return response.status, await response.json() if response.status != 204 else None

    async def make(self, **values: Any) -> dict[str, Any]:
        status, document = await self.ask("POST", **{"name": "ci", **values})
        assert status == 201, document
        made: dict[str, Any] = document["application_credential"]
        return made


@pytest.fixture
async def erin(api: ClientSession) -> Owner:
    return Owner(api, *await log_in(api))


async def log_in_with(api: ClientSession, **values: Any) -> tuple[int, str, Any]:
    identity = {"methods": ["application_credential"], "application_credential": values}
    async with api.post(TOKENS, json={"auth": {"identity": identity}}) as response:
        return response.status, response.headers.get("X-Subject-Token", ""), await response.json()


async def test_the_secret_is_shown_once_and_works(api: ClientSession, erin: Owner) -> None:
    made = await erin.make(description="for the pipeline")
    secret = made.pop("secret")
    assert made.pop("links")["self"].endswith(f"{erin.path}/{made['id']}")
    assert made == {
        "id": made["id"],
        "name": "ci",
        "description": "for the pipeline",
        "project_id": erin.project_id,
        "roles": [{"id": role_id(name), "name": name, "domain_id": None} for name in ("member", "reader")],
        "expires_at": None,
        "unrestricted": False,
    }
    for path in ("", f"/{made['id']}", "?name=ci"):
        status, document = await erin.ask("GET", path)
        assert status == 200
        assert secret not in str(document)
        assert "secret" not in str(document)
    status, _, document = await log_in_with(api, id=made["id"], secret=secret)
    assert status == 201
    assert document["token"]["methods"] == ["application_credential"]
    assert document["token"]["application_credential"] == {"id": made["id"], "name": "ci", "restricted": True}
    user = {"name": "erin", "domain": {"id": "default"}}
    assert (await log_in_with(api, name="ci", user=user, secret=secret))[0] == 201
    assert (await log_in_with(api, id=made["id"], secret="wrong"))[0] == 401


async def test_a_secret_may_be_chosen(api: ClientSession, erin: Owner) -> None:
    made = await erin.make(secret="chosen by erin")
    assert made["secret"] == "chosen by erin"
    assert (await log_in_with(api, id=made["id"], secret="chosen by erin"))[0] == 201


async def test_the_end_has_no_z(erin: Owner) -> None:
    # gophercloud cannot read one here, though it needs one in a token.
    made = await erin.make(expires_at="2030-01-02T03:04:05Z")
    assert made["expires_at"] == "2030-01-02T03:04:05.000000"


async def test_a_list_has_ones_own_and_can_be_searched_by_name(erin: Owner) -> None:
    for name in ("b", "a"):
        await erin.make(name=name)
    _, document = await erin.ask("GET")
    assert [found["name"] for found in document["application_credentials"]] == ["a", "b"]
    _, document = await erin.ask("GET", "?name=b")
    assert [found["name"] for found in document["application_credentials"]] == ["b"]


async def test_a_second_one_of_the_same_name_is_a_conflict(erin: Owner) -> None:
    await erin.make()
    status, document = await erin.ask("POST", name="ci")
    assert (status, document["error"]["title"]) == (409, "Conflict")


@pytest.mark.parametrize(
    "values",
    [
        {"name": ""},
        {"roles": [{"name": "admin"}]},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"access_rules": [{"path": "/v2/**", "method": "GET", "service": "image"}]},
    ],
)
async def test_what_cannot_be_is_a_bad_request(erin: Owner, values: dict[str, Any]) -> None:
    status, _ = await erin.ask("POST", **{"name": "ci", **values})
    assert status == 400


async def test_a_deleted_one_is_gone_with_its_tokens(api: ClientSession, erin: Owner) -> None:
    made = await erin.make()
    _, text, _ = await log_in_with(api, id=made["id"], secret=made["secret"])
    assert (await erin.ask("DELETE", f"/{made['id']}"))[0] == 204
    assert (await erin.ask("DELETE", f"/{made['id']}"))[0] == 404
    assert (await erin.ask("GET", f"/{made['id']}"))[0] == 404
    async with api.get("/v2/images", headers={"X-Auth-Token": text}) as response:
        assert response.status == 401


async def test_a_restricted_one_makes_and_deletes_none(api: ClientSession, erin: Owner) -> None:
    made = await erin.make()
    _, text, document = await log_in_with(api, id=made["id"], secret=made["secret"])
    program = Owner(api, text, document["token"])
    assert (await program.ask("POST", name="second"))[0] == 403
    assert (await program.ask("DELETE", f"/{made['id']}"))[0] == 403
    assert (await program.ask("GET"))[0] == 200


async def test_an_unrestricted_one_does(api: ClientSession, erin: Owner) -> None:
    made = await erin.make(unrestricted=True)
    _, text, document = await log_in_with(api, id=made["id"], secret=made["secret"])
    assert document["token"]["application_credential"]["restricted"] is False
    assert (await Owner(api, text, document["token"]).make(name="second"))["name"] == "second"


async def test_they_are_nobody_elses_business(api: ClientSession, erin: Owner) -> None:
    made = await erin.make()
    paul, root = Owner(api, *await log_in(api, "paul")), Owner(api, *await log_in(api, "root"))
    paul.path = root.path = erin.path
    for method, path in (("GET", ""), ("GET", f"/{made['id']}"), ("DELETE", f"/{made['id']}")):
        assert (await paul.ask(method, path))[0] == 403
    assert (await root.ask("POST", name="x"))[0] == 403
    assert (await root.ask("GET", f"/{made['id']}"))[0] == 200


async def test_an_unscoped_token_cannot_make_one(api: ClientSession) -> None:
    status, document = await Owner(api, *await log_in(api, scope="unscoped")).ask("POST", name="ci")
    assert status == 400
    assert "project" in document["error"]["message"]
