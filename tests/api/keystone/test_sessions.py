"""Signing in to the console with an external Keystone: its own form, and its users in the cloud's Keystone."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from http.cookies import SimpleCookie
from typing import Any

from fake_keystone import FakeKeystone
from fakes import Clock
from image_api import Town

Serve = Callable[..., AbstractAsyncContextManager[Town]]

ERIN = {"user": "erin", "password": "erins", "project": "lab", "domain": "users"}
SAME = {"Sec-Fetch-Site": "same-origin"}


async def sign_in(town: Town, wanted: Any = ERIN) -> tuple[int, str, Any]:
    async with town.session.post(f"{town.url}/console/session", json=wanted) as response:
        morsels = SimpleCookie(response.headers.get("Set-Cookie", "")).values()
        return response.status, "; ".join(f"{m.key}={m.value}" for m in morsels), await response.json()


async def ask(town: Town, method: str, path: str, cookie: str) -> int:
    async with town.session.request(method, f"{town.url}{path}", headers=SAME | {"Cookie": cookie}) as response:
        return response.status


async def test_a_session_is_worth_what_keystones_token_is_and_revokes_it_at_its_end(
    town: Town, keystone: FakeKeystone
) -> None:
    keystone.passwords["erin"] = "erins"
    status, cookie, said = await sign_in(town)
    assert (status, said["user"]["name"], said["project"]["id"], said["roles"]) == (
        201, "erin", "lab", ["member", "reader"],
    )  # fmt: skip
    assert await ask(town, "GET", "/v2/images", cookie) == 200
    assert len(keystone.tokens) == 2  # the service user's, and erin's
    assert await ask(town, "DELETE", "/console/session", cookie) == 204
    assert len(keystone.tokens) == 1
    assert await ask(town, "GET", "/v2/images", cookie) == 401


async def test_a_session_ends_with_its_token(town: Town, keystone: FakeKeystone, clock: Clock) -> None:
    keystone.passwords["erin"] = "erins"
    _, cookie, said = await sign_in(town)
    assert said["expires_at"] == said["idle_until"]
    clock.advance(3599)
    assert await ask(town, "GET", "/console/session", cookie) == 200
    clock.advance(1)
    assert await ask(town, "GET", "/console/session", cookie) == 401


async def test_what_keystone_refuses_is_refused_and_counted(town: Town, keystone: FakeKeystone) -> None:
    keystone.passwords["erin"] = "erins"
    assert [(await sign_in(town, ERIN | {"password": "x"}))[0] for _ in range(11)] == [401] * 10 + [429]
    asked = len(keystone.asked)
    assert (await sign_in(town))[0] == 429
    assert len(keystone.asked) == asked


async def test_a_user_without_a_project_is_told_to_name_one(town: Town, keystone: FakeKeystone) -> None:
    keystone.passwords["erin"] = "erins"
    status, _, said = await sign_in(town, {"user": "erin", "password": "erins"})
    assert (status, "project" in said["error"]["message"]) == (400, True)
    assert (await sign_in(town, {"link": "gsl1" + "A" * 43}))[0] == 401


async def test_without_the_console_there_are_no_sessions(serve: Serve, keystone: FakeKeystone) -> None:
    async with serve(console=False) as town:
        keystone.passwords["erin"] = "erins"
        assert (await sign_in(town))[0] == 404
        assert await ask(town, "GET", "/v2/images", "stillage=gsc1" + "A" * 43) == 401


async def test_a_session_is_ended_from_another_one_and_so_is_its_token(town: Town, keystone: FakeKeystone) -> None:
    keystone.passwords["erin"] = "erins"
    cookies = [(await sign_in(town))[1] for _ in range(2)]
    tokens = len(keystone.tokens)
    url = f"{town.url}/console/sessions"
    async with town.session.get(url, headers={"Cookie": cookies[0]}) as response:
        listed = (await response.json())["sessions"]
    assert sorted((each["kind"], each["project_id"], each["is_current"]) for each in listed) == [
        ("session", "lab", False), ("session", "lab", True),
    ]  # fmt: skip
    other = next(each["id"] for each in listed if not each["is_current"])
    assert await ask(town, "DELETE", f"/console/sessions/{other}", cookies[0]) == 204
    assert await ask(town, "DELETE", f"/console/sessions/{other}", cookies[0]) == 404
    assert len(keystone.tokens) == tokens - 1
    assert [await ask(town, "GET", "/v2/images", each) for each in cookies] == [200, 401]
