"""Signing in to the console, and what its cookie opens, over HTTP."""

import pytest
from aiohttp import ClientSession

from asking import TOKENS, headers_of
from browsing import ERIN, SESSION, ask, cookie, sign_in
from described import Described, documents_of
from event_stream import event_stream
from stillage.api.console.description import DETAILS
from stillage.operations.events import hub
from stillage.operations.identity.accounts import Accounts

PROXIED = {"Host": "images.example.test"}
KEYS = "/v3.0/OS-CREDENTIAL/credentials"


async def test_who_is_signed_in_is_said_until_they_sign_out(api: ClientSession) -> None:
    cookie, said = await sign_in(api)
    assert (said["user"]["name"], said["project"]["name"], said["is_admin"]) == ("erin", "lab", False)
    assert said["roles"] == ["member", "reader"]
    assert await ask(api, "GET", SESSION, cookie=cookie) == (200, said)
    assert (await ask(api, "DELETE", SESSION, cookie=cookie, Sec_Fetch_Site="same-origin"))[0] == 204
    assert (await ask(api, "GET", SESSION, cookie=cookie))[0] == 401
    assert (await ask(api, "GET", SESSION, **await headers_of(api)))[0] == 401  # a token is no session


async def test_the_cookie_is_for_this_host_and_unseen_by_scripts(api: ClientSession) -> None:
    async with api.post(SESSION, json=ERIN) as response:
        morsel = cookie(response)
        assert response.headers["Cache-Control"] == "no-store"
    assert (morsel.key, morsel["path"], morsel["samesite"], morsel["domain"]) == ("stillage", "/", "Strict", "")
    assert (bool(morsel["httponly"]), bool(morsel["secure"])) == (True, False)
    async with api.delete(SESSION, headers={"Cookie": f"stillage={morsel.value}", "Origin": origin(api)}) as response:
        assert (cookie(response).value, cookie(response)["max-age"]) == ("", "0")


def origin(api: ClientSession) -> str:
    return str(api._base_url).rstrip("/")


async def test_without_https_nobody_signs_in_from_another_machine(api: ClientSession) -> None:
    async with api.post(SESSION, json=ERIN, headers=PROXIED) as response:
        assert (response.status, (await response.json())["error"]["stillage_code"]) == (403, "https_needed")
    for host in ("localhost:80", "[::1]:9292", "127.0.0.1", "x.localhost"):
        async with api.post(SESSION, json=ERIN, headers={"Host": host}) as response:
            assert response.status == 201, host


async def test_the_cookie_opens_every_api(api: ClientSession) -> None:
    cookie, said = await sign_in(api)
    for path in ("/v2/images", "/v3/auth/projects", "/v2/cloudimages", f"/v3/users/{said['user']['id']}/projects"):
        assert (await ask(api, "GET", path, cookie=cookie))[0] == 200, path
        assert (await ask(api, "GET", path, cookie="stillage=gsc1" + "A" * 43))[0] == 401, path
        assert (await ask(api, "GET", path, cookie=cookie.replace("stillage", "__Host-stillage")))[0] == 401, path
    root, _ = await sign_in(api, {"user": "root", "password": "roots", "project": "secret"})
    async with api.get("/metrics", headers={"Cookie": root}) as response:
        assert response.status == 200


async def test_a_token_takes_precedence_over_the_cookie(api: ClientSession) -> None:
    root, _ = await sign_in(api, {"user": "root", "password": "roots"})
    headers = await headers_of(api)
    for path, names in (("/v3/auth/projects", ["lab"]), ("/v3/projects", ["lab"])):
        _, answer = await ask(api, "GET", path, cookie=root, **headers)
        assert [project["name"] for project in answer["projects"]] == names
    for path in ("/v3/auth/projects", "/v2/images"):
        assert (await ask(api, "GET", path, cookie=root, X_Auth_Token="gst1"))[0] == 401


async def test_pages_of_other_sites_change_nothing(api: ClientSession) -> None:
    cookie, _ = await sign_in(api)
    ours = origin(api)
    refused: list[dict[str, str]] = [
        {}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": "none"},
        {"Origin": "null"}, {"Origin": "https://evil.example"}, {"Origin": f"{ours}0"},
        {"Origin": ours, "Sec_Fetch_Site": "cross-site"}, {"Origin": ours.replace("http", "https")},
        {"Origin": "http://[x"},
    ]  # fmt: skip
    for headers in refused:
        for path in ("/v2/images", KEYS):
            status, answer = await ask(api, "POST", path, {"name": "x"}, cookie=cookie, **headers)
            assert (status, answer["error"]["stillage_code"]) == (403, "cross_site_request"), (headers, path)
        assert (await ask(api, "GET", "/v2/images", cookie=cookie, **headers))[0] == 200
    for headers in ({"Origin": ours}, {"Sec_Fetch_Site": "same-origin"}):
        assert (await ask(api, "POST", "/v2/images", {"name": "x"}, cookie=cookie, **headers))[0] == 201
    # A token was not sent by the browser on its own.
    token = await headers_of(api)
    assert (await ask(api, "POST", "/v2/images", {}, cookie=cookie, **token, Sec_Fetch_Site="cross-site"))[0] == 201


async def test_no_other_site_signs_a_browser_in(api: ClientSession) -> None:
    for headers in ({"Sec_Fetch_Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert (await ask(api, "POST", SESSION, ERIN, **headers))[0] == 403
    assert (await ask(api, "POST", SESSION, ERIN, Origin=origin(api)))[0] == 201


async def test_what_is_no_sign_in_is_refused_with_the_reason(api: ClientSession) -> None:
    for body, says in (
        ({}, "user"), ({"user": "erin"}, "password"), ({"user": 1, "password": "x"}, "user"), ([], "object"),
        ({"user": "erin", "password": "x", "scope": {}}, "scope"), ({"link": None}, "link"),
        ({"user": "e\n", "password": "x"}, "name"), ({"link": "x", "user": "erin"}, "user"),
    ):  # fmt: skip
        status, answer = await ask(api, "POST", SESSION, body)
        assert (status, says in answer["error"]["message"]) == (400, True), body
    assert (await ask(api, "POST", SESSION, ERIN | {"password": "wrong"}))[0] == 401
    assert (await ask(api, "POST", SESSION, {"link": "gsl1" + "A" * 43}))[0] == 401


async def test_a_disabled_user_is_out_at_once(api: ClientSession, accounts: Accounts) -> None:
    cookie, _ = await sign_in(api)
    await accounts.set_user_enabled("erin", enabled=False)
    assert (await ask(api, "GET", "/v2/images", cookie=cookie))[0] == 401


async def test_every_document_is_as_described(api: ClientSession) -> None:
    async with api.get("/openapi.json") as response:
        described = Described(await response.json())
    cookie, said = await sign_in(api)
    described.check(f"POST {SESSION}", 201, said)
    described.check(f"GET {SESSION}", 200, (await ask(api, "GET", SESSION, cookie=cookie))[1])
    described.check("GET /console/sessions", 200, (await ask(api, "GET", "/console/sessions", cookie=cookie))[1])
    assert {one for one in documents_of(DETAILS) if SESSION in one[0]} <= described.seen


async def test_a_stream_of_events_ends_with_the_session_or_the_token(
    api: ClientSession, monkeypatch: pytest.MonkeyPatch, accounts: Accounts
) -> None:
    monkeypatch.setattr(hub, "READ_EVERY_S", 0.02)
    cookie, _ = await sign_in(api)
    token, root = await headers_of(api), await headers_of(api, "root")
    ours = origin(api)
    async with (
        event_stream(api, "", Cookie=cookie) as of_session,
        event_stream(api, "", **token) as of_token,
        event_stream(api, "", **root) as of_root,
    ):
        assert (await ask(api, "DELETE", SESSION, cookie=cookie, Origin=ours))[0] == 204
        assert await of_session.ended()
        assert (await ask(api, "DELETE", TOKENS, **token, X_Subject_Token=token["X-Auth-Token"]))[0] == 204
        assert await of_token.ended()
        await accounts.set_user_enabled("root", enabled=False)
        assert await of_root.ended()
