"""Where a user is signed in, browsers and programs, and signing out there, over HTTP."""

from typing import Any

from aiohttp import ClientSession

from asking import TOKENS, headers_of, log_in
from browsing import ERIN, SESSION, ask, sign_in
from fakes import Clock

PLACES = "/console/sessions"
OURS = {"Sec_Fetch_Site": "same-origin"}


async def places(api: ClientSession, **headers: str) -> list[dict[str, Any]]:
    status, answer = await ask(api, "GET", PLACES, **headers)
    assert status == 200, answer
    listed: list[dict[str, Any]] = answer["sessions"]
    return listed


async def test_a_user_sees_where_they_are_signed_in_and_which_place_this_is(api: ClientSession, clock: Clock) -> None:
    first, _ = await sign_in(api)
    clock.advance(60)
    second, _ = await sign_in(api)
    clock.advance(60)
    token = await headers_of(api)
    await sign_in(api, {"user": "root", "password": "roots"})
    seen = await places(api, cookie=second)
    assert [(each["kind"], each["is_current"]) for each in seen] == [
        ("token", False), ("session", True), ("session", False),
    ]  # fmt: skip
    assert {each["project_name"] for each in seen} == {"lab"}
    assert {each["address"] for each in seen} == {"127.0.0.1"}
    assert [each["used_at"] is None for each in seen] == [True, False, False]
    assert [each["is_current"] for each in await places(api, cookie=first)] == [False, False, True]
    assert [each["is_current"] for each in await places(api, **token)] == [True, False, False]
    text = str(seen)
    for secret in (first.partition("=")[2], second.partition("=")[2], token["X-Auth-Token"]):
        assert secret not in text


async def test_the_last_use_is_written_down(api: ClientSession, clock: Clock) -> None:
    cookie, _ = await sign_in(api)
    (before,) = await places(api, cookie=cookie)
    assert before["used_at"] == before["begun_at"]
    clock.advance(3600)
    await ask(api, "GET", "/v2/images", cookie=cookie)
    (after,) = await places(api, cookie=cookie)
    assert (after["begun_at"], after["used_at"] > before["used_at"]) == (before["begun_at"], True)


async def test_signing_out_there_ends_that_place_at_once_and_no_other(api: ClientSession) -> None:
    here, _ = await sign_in(api)
    there, _ = await sign_in(api)
    token = await headers_of(api)
    for each in await places(api, cookie=here):
        if not each["is_current"]:
            assert (await ask(api, "DELETE", f"{PLACES}/{each['id']}", cookie=here, **OURS))[0] == 204
    assert [(await ask(api, "GET", SESSION, cookie=each))[0] for each in (here, there)] == [200, 401]
    assert (await ask(api, "GET", "/v2/images", **token))[0] == 401
    assert len(await places(api, cookie=here)) == 1


async def test_nobody_ends_what_is_another_users_and_no_other_site_anything(api: ClientSession) -> None:
    erin, _ = await sign_in(api)
    root, _ = await sign_in(api, {"user": "root", "password": "roots"})
    (hers,) = await places(api, cookie=erin)
    path = f"{PLACES}/{hers['id']}"
    status, answer = await ask(api, "DELETE", path, cookie=root, **OURS)
    assert (status, "GET /console/sessions" in answer["error"]["message"]) == (404, True)
    assert (await ask(api, "DELETE", path, cookie=erin, Sec_Fetch_Site="cross-site"))[0] == 403
    assert (await ask(api, "DELETE", path))[0] == 401
    assert (await ask(api, "GET", SESSION, cookie=erin))[0] == 200


async def test_a_restricted_credential_is_listed_by_name_and_ends_nothing(api: ClientSession) -> None:
    text, token = await log_in(api)
    path, headers = f"/v3/users/{token['user']['id']}/application_credentials", {"X-Auth-Token": text}
    wanted = {"application_credential": {"name": "ci"}}
    made = (await ask(api, "POST", path, wanted, **headers))[1]["application_credential"]
    login = {
        "methods": ["application_credential"],
        "application_credential": {"id": made["id"], "secret": made["secret"]},
    }
    async with api.post(TOKENS, json={"auth": {"identity": login}}) as response:
        program = {"X-Auth-Token": response.headers["X-Subject-Token"]}
    seen = await places(api, **program)
    assert {(each["kind"], each["credential"]) for each in seen} == {("token", None), ("application_credential", "ci")}
    other = next(each for each in seen if not each["is_current"])
    assert (await ask(api, "DELETE", f"{PLACES}/{other['id']}", **program))[0] == 403
    assert (await ask(api, "GET", "/v2/images", **headers))[0] == 200


async def test_the_list_is_kept_nowhere(api: ClientSession) -> None:
    cookie, _ = await sign_in(api, ERIN)
    async with api.get(PLACES, headers={"Cookie": cookie}) as response:
        assert response.headers["Cache-Control"] == "no-store"
