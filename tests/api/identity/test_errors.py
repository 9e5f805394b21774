"""Errors of the identity API: always JSON, always of Keystone's shape, never saying which part was wrong."""

from typing import Any

import pytest
from aiohttp import ClientSession

from asking import TOKENS, headers_of, log_in, password, project
from stillage.operations.identity.accounts import Accounts

MESSAGE = "The request you have made requires authentication."


@pytest.fixture
async def troubles(accounts: Accounts) -> None:
    await accounts.create_project("closed")
    await accounts.create_user("out", "outs", project="lab")
    await accounts.set_user_enabled("out", enabled=False)
    await accounts.grant("closed", "erin", "member")
    await accounts.set_project_enabled("closed", enabled=False)


@pytest.mark.parametrize(
    "body",
    [
        password(secret="wrong"),
        password("nobody"),
        password("out"),
        password(scope=project("secret")),
        password(scope=project("closed")),
        password(scope=project("nowhere")),
        password(scope={"domain": {"name": "Default"}}),
        {"auth": {"identity": {"methods": ["token"], "token": {"id": "bad"}}}},
    ],
)
async def test_whatever_is_wrong_with_a_login_the_answer_is_the_same(
    api: ClientSession, troubles: None, body: Any
) -> None:
    async with api.post(TOKENS, json=body, headers={"Accept": "text/html"}) as response:
        assert response.status == 401
        assert response.content_type == "application/json"
        error = (await response.json())["error"]
        assert error == {
            "code": 401,
            "title": "Unauthorized",
            "message": MESSAGE,
            "stillage_code": "unauthenticated",
        }
        base = response.url.origin()
        assert response.headers["WWW-Authenticate"] == f'Keystone uri="{base}/identity/v3"'
        assert response.headers["Vary"] == "X-Auth-Token"


async def test_a_credential_with_a_scope_is_told_why(api: ClientSession) -> None:
    credential = {"methods": ["application_credential"], "application_credential": {"id": "c", "secret": "s"}}
    async with api.post(TOKENS, json={"auth": {"identity": credential, "scope": project("lab")}}) as response:
        assert response.status == 401
        assert (await response.json())["error"]["message"] == (
            "Error authenticating with application credential: Application credentials cannot request a scope."
        )


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff", b"1" * 5000, b"[" * 60_000, b'{"auth": NaN}', b'{"auth": {}, "auth": {}}'],
)
async def test_a_malformed_body_is_a_bad_request(api: ClientSession, body: bytes) -> None:
    async with api.post(TOKENS, data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["title"] == "Bad Request"


@pytest.mark.parametrize("path", [TOKENS, "/v3/users/{user}/application_credentials"])
async def test_a_body_of_more_than_64_kib_is_too_large(api: ClientSession, path: str) -> None:
    text, token = await log_in(api)
    path = path.format(user=token["user"]["id"])
    async with api.post(path, data=b" " * (64 * 1024 + 1), headers={"X-Auth-Token": text}) as response:
        assert response.status == 413
        assert (await response.json())["error"]["code"] == 413


@pytest.mark.parametrize("prefix", ["/v3", "/identity/v3"])
async def test_wrong_methods_and_paths_are_answered_in_the_same_shape(api: ClientSession, prefix: str) -> None:
    async with api.put(f"{prefix}/auth/tokens") as response:
        assert response.status == 405
        assert set(response.headers["Allow"].split(",")) == {"DELETE", "GET", "HEAD", "POST"}
        assert (await response.json())["error"]["code"] == 405
    for path in ("/nothing", "/auth", "/groups", "/auth/tokens/"):
        async with api.get(f"{prefix}{path}") as response:
            assert response.status == 404
            assert (await response.json())["error"]["title"] == "Not Found"
            assert response.headers["Vary"] == "X-Auth-Token"


@pytest.mark.parametrize(
    "path", ["/auth/projects", "/auth/domains", "/auth/catalog", "/projects", "/projects/x", "/users/x/projects"]
)
async def test_everything_but_discovery_needs_a_token(api: ClientSession, path: str) -> None:
    async with api.get(f"/v3{path}") as response:
        assert response.status == 401
        assert (await response.json())["error"]["message"] == MESSAGE


async def test_forbidden_is_of_the_same_shape(api: ClientSession) -> None:
    async with api.get("/v3/users/somebody/projects", headers=await headers_of(api)) as response:
        assert response.status == 403
        assert (await response.json())["error"]["title"] == "Forbidden"


async def test_no_password_or_token_is_logged(api: ClientSession, capfd: pytest.CaptureFixture[str]) -> None:
    text, _ = await log_in(api)
    async with api.get(TOKENS, headers={"X-Auth-Token": text, "X-Subject-Token": text}) as response:
        assert response.status == 200
    async with api.post(TOKENS, json=password(secret="hunter2")) as response:
        assert response.status == 401
    async with api.post(TOKENS, data=b'{"password": "hunter2"') as response:
        assert response.status == 400
        assert "hunter2" not in await response.text()
    logged = "".join(capfd.readouterr())
    assert "auth/tokens" in logged, "requests are logged here"
    for secret in (text, "erins", "hunter2"):
        assert secret not in logged
