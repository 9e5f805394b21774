"""Tokens over HTTP."""

import json
import re
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asking import TOKENS, headers_of, log_in, password, project
from fakes import Clock
from stillage.operations.identity.accounts import Accounts

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def test_a_login_says_everything_that_clients_read(api: ClientSession, accounts: Accounts) -> None:
    async with api.post(TOKENS, json=password()) as response:
        assert response.status == 201
        assert response.content_type == "application/json"
        assert response.headers["Vary"] == "X-Auth-Token"
        assert len(response.headers["X-Subject-Token"]) <= 255
        token = (await response.json())["token"]
        base = str(response.url.origin())
    user, lab = await accounts.get_user("erin"), await accounts.get_project("lab")
    domain = {"id": "default", "name": "Default"}
    assert token["user"] == {"id": user.id, "name": "erin", "domain": domain, "password_expires_at": None}
    assert token["project"] == {"id": lab.id, "name": "lab", "domain": domain}
    assert (token["methods"], token["is_domain"], len(token["audit_ids"])) == (["password"], False, 1)
    assert [role["name"] for role in token["roles"]] == ["member", "reader"]
    assert TIME.fullmatch(token["issued_at"])
    assert token["issued_at"] == "2026-01-02T03:04:05.678901Z"
    assert token["expires_at"] == "2026-01-03T03:04:05.678901Z"
    urls = {service["type"]: {e["url"] for e in service["endpoints"]} for service in token["catalog"]}
    assert urls == {"identity": {f"{base}/identity/v3"}, "image": {base}}
    for service in token["catalog"]:
        assert {e["interface"] for e in service["endpoints"]} == {"public", "internal", "admin"}
        assert {(e["region"], e["region_id"]) for e in service["endpoints"]} == {("RegionOne", "RegionOne")}


@pytest.mark.parametrize("path", ["/v3/auth/tokens", "/identity/v3/auth/tokens"])
@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json;charset=utf8", "application/x-www-form-urlencoded", ""]
)
async def test_the_body_is_json_whatever_its_type_says(api: ClientSession, path: str, content_type: str) -> None:
    body = json.dumps(password()) + "\n"
    async with api.post(path, data=body, headers={"Content-Type": content_type}) as response:
        assert response.status == 201


async def test_an_unscoped_token_has_no_project_roles_or_catalogue(api: ClientSession) -> None:
    text, token = await log_in(api, scope="unscoped")
    assert not {"project", "roles", "catalog", "is_domain"} & token.keys()
    async with api.get("/v2/images", headers={"X-Auth-Token": text}) as response:
        assert response.status == 401


@pytest.mark.parametrize("query", ["?nocatalog", "?nocatalog=", "?nocatalog=true", "?nocatalog=0"])
async def test_the_catalogue_can_be_left_out(api: ClientSession, query: str) -> None:
    async with api.post(TOKENS + query, json=password()) as response:
        assert "catalog" not in (await response.json())["token"]
        mine = {"X-Auth-Token": response.headers["X-Subject-Token"]}
    async with api.get(TOKENS + query, headers={**mine, "X-Subject-Token": mine["X-Auth-Token"]}) as response:
        assert "catalog" not in (await response.json())["token"]


async def test_a_token_opens_the_image_api(api: ClientSession) -> None:
    async with api.get("/v2/images", headers=await headers_of(api)) as response:
        assert response.status == 200
        assert (await response.json())["images"] == []


async def test_a_token_is_exchanged_and_may_come_in_the_header_too(api: ClientSession) -> None:
    text, first = await log_in(api, scope="unscoped")
    auth = {"identity": {"methods": ["token"], "token": {"id": text}}, "scope": project("lab")}
    async with api.post(TOKENS, json={"auth": auth}, headers={"X-Auth-Token": text}) as response:
        assert response.status == 201
        second = (await response.json())["token"]
    assert second["project"]["name"] == "lab"
    assert second["expires_at"] == first["expires_at"]
    assert second["methods"] == ["token", "password"]


async def test_a_token_is_shown_as_it_was_given_out(api: ClientSession) -> None:
    text, token = await log_in(api)
    both = {"X-Auth-Token": text, "X-Subject-Token": text}
    async with api.get(TOKENS, headers=both) as response:
        assert response.status == 200
        assert response.headers["X-Subject-Token"] == text
        assert (await response.json())["token"] == token
        length = response.headers["Content-Length"]
    async with api.head(TOKENS, headers=both) as response:
        assert response.status == 200
        assert await response.read() == b""
        assert response.headers["Content-Length"] == length


async def test_a_revoked_token_is_gone_and_the_others_are_not(api: ClientSession) -> None:
    first, second = (await log_in(api))[0], (await log_in(api))[0]
    async with api.delete(TOKENS, headers={"X-Auth-Token": second, "X-Subject-Token": first}) as response:
        assert (response.status, await response.read()) == (204, b"")
    for method in (api.get, api.delete):
        async with method(TOKENS, headers={"X-Auth-Token": second, "X-Subject-Token": first}) as response:
            assert response.status == 404
    async with api.get("/v2/images", headers={"X-Auth-Token": first}) as response:
        assert response.status == 401
    async with api.get("/v2/images", headers={"X-Auth-Token": second}) as response:
        assert response.status == 200


async def test_a_token_may_revoke_itself(api: ClientSession) -> None:
    text, _ = await log_in(api)
    both = {"X-Auth-Token": text, "X-Subject-Token": text}
    async with api.delete(TOKENS, headers=both) as response:
        assert response.status == 204
    async with api.get(TOKENS, headers=both) as response:
        assert response.status == 401


@pytest.mark.parametrize("subject", ["", "gst1", "x" * 8192, "gst1" + "a" * 43, "é"])
async def test_an_unknown_subject_is_not_found(api: ClientSession, subject: str) -> None:
    async with api.get(TOKENS, headers={**await headers_of(api), "X-Subject-Token": subject}) as response:
        assert response.status == 404
    async with api.get(TOKENS, headers=await headers_of(api)) as response:
        assert response.status == 404


@pytest.mark.parametrize("token", [None, "", "gst1", "x" * 8192, "gst1" + "a" * 43, "é"])
async def test_a_bad_token_of_the_user_is_not_authenticated(api: ClientSession, token: str | None) -> None:
    subject, _ = await log_in(api)
    headers = {"X-Subject-Token": subject} | ({} if token is None else {"X-Auth-Token": token})
    for method in (api.get, api.head, api.delete):
        async with method(TOKENS, headers=headers) as response:
            assert response.status == 401


async def test_somebody_elses_token_is_the_admins_to_see(api: ClientSession) -> None:
    subject, token = await log_in(api)
    async with api.get(TOKENS, headers={**await headers_of(api, "paul"), "X-Subject-Token": subject}) as response:
        assert response.status == 403
    async with api.get(TOKENS, headers={**await headers_of(api, "root"), "X-Subject-Token": subject}) as response:
        assert (await response.json())["token"] == token


async def test_an_expired_token_is_over(api: ClientSession, clock: Clock) -> None:
    mine = await headers_of(api)
    clock.advance(24 * 3600)
    for path in ("/v2/images", "/v3/auth/projects"):
        async with api.get(path, headers=mine) as response:
            assert response.status == 401


async def test_the_catalogue_stands_alone_too(api: ClientSession) -> None:
    text, token = await log_in(api)
    async with api.get("/v3/auth/catalog", headers={"X-Auth-Token": text}) as response:
        assert (await response.json())["catalog"] == token["catalog"]
    async with api.get("/v3/auth/catalog", headers=await headers_of(api, "paul")) as response:
        assert response.status == 403


async def test_after_too_many_failures_a_client_is_told_when_to_come_back(api: ClientSession, clock: Clock) -> None:
    for _ in range(3):
        async with api.post(TOKENS, json=password(secret="wrong")) as response:
            assert response.status == 401
    clock.advance(10)
    async with api.post(TOKENS, json=password()) as response:
        assert response.status == 429
        assert response.headers["Retry-After"] == "50"
        assert (await response.json())["error"]["code"] == 429


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMED = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=5),
        "name": st.sampled_from(["erin", "lab", "no", "\0", "\ud800"]),
        "domain": st.just({"id": "default"}) | JSON,
        "password": st.sampled_from(["erins", "no", "", "\0", "\ud800"]),
        "secret": st.text(max_size=5),
    },
)
METHODS = st.sampled_from([["password"], ["token"], ["application_credential"], ["x"]])
BODIES = JSON | st.builds(
    lambda methods, named, scope: {
        "auth": {
            "identity": {
                "methods": methods,
                "password": {"user": named},
                "token": named,
                "application_credential": {**named, "user": named} if isinstance(named, dict) else named,
            },
            "scope": scope,
        }
    },
    METHODS,
    NAMED | JSON,
    st.none() | st.just("unscoped") | st.builds(lambda named: {"project": named}, NAMED | JSON) | JSON,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES.map(json.dumps) | st.binary(max_size=50))
async def test_any_body_is_answered_with_a_token_or_a_reason(
    api: ClientSession, clock: Clock, body: str | bytes
) -> None:
    clock.advance(61)  # so that failures do not add up
    async with api.post(TOKENS, data=body) as response:
        answer: dict[str, Any] = await response.json()
        assert response.status in (201, 400, 401), answer
        assert ("token" in answer) == (response.status == 201)
