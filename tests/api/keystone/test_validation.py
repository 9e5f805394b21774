"""Tokens of the cloud's Keystone: what is asked of it, and what is made of its answers."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from aiohttp import web
from multidict import CIMultiDict

from fake_keystone import FakeKeystone
from fakes import Clock
from image_api import Person, Town
from server import Answer
from stillage.api.services import SERVICES
from stillage.errors import Unavailable
from stillage.identity.keystone.identity import BAD_FOR_S

Serve = Callable[..., AbstractAsyncContextManager[Town]]

LIST = "/v2/images"


def person(town: Town, token: str) -> Person:
    return Person(town.session, token, "")


async def ask(town: Town, token: str, **headers: str) -> Answer:
    return await person(town, token)("GET", LIST, **headers)


async def test_who_has_a_good_token_is_who_keystone_says(town: Town, keystone: FakeKeystone) -> None:
    erin, ada = person(town, keystone.token()), person(town, keystone.token("ada", "ops", "Admin"))
    image = await erin.create(name="hers")
    assert image["owner"] == "lab"
    assert await ada.show(image["id"]) == image
    other = person(town, keystone.token("olga", "works"))
    assert (await other("GET", f"{LIST}/{image['id']}")).status == 404
    reader = person(town, keystone.token("rita", "lab", "reader"))
    assert (await reader("DELETE", f"{LIST}/{image['id']}")).status == 403


async def test_the_requests_are_those_of_the_identity_api(town: Town, keystone: FakeKeystone) -> None:
    token = keystone.token()
    assert (await ask(town, token)).status == 200
    login, validation = keystone.asked
    assert (login.method, login.path) == ("POST", "/v3/auth/tokens?nocatalog")
    assert (validation.method, validation.path) == ("GET", "/v3/auth/tokens?nocatalog")
    assert validation.headers["x-subject-token"] == token
    assert keystone.tokens[validation.headers["x-auth-token"]].user == "stillage"
    assert "openstack-identity-access-rules" not in validation.headers


async def test_an_application_credential_logs_in_as_well(serve: Serve, keystone: FakeKeystone) -> None:
    async with serve(keystone_username=None, keystone_credential_id="c1") as town:
        assert (await ask(town, keystone.token())).status == 200


@pytest.mark.parametrize("token", ["unknown", "ünknown", "two words", "x" * 20000])
async def test_what_keystone_does_not_know_is_a_401_that_points_to_it(
    town: Town, keystone: FakeKeystone, token: str
) -> None:
    answer = await ask(town, token)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == f'Keystone uri="{keystone.url}/v3"'


async def test_no_token_costs_keystone_nothing(town: Town, keystone: FakeKeystone) -> None:
    for token in ("", "two words", "x" * 20000):
        assert (await ask(town, token)).status == 401
    assert not keystone.asked


async def test_clients_may_be_pointed_to_another_url(serve: Serve) -> None:
    async with serve(keystone_public_url="https://cloud.example.test/identity/v3/") as town:
        answer = await ask(town, "unknown")
        assert answer.headers["www-authenticate"] == 'Keystone uri="https://cloud.example.test/identity/v3"'
        answer = await person(town, "")("POST", "/v3/auth/tokens", {})
        assert answer.status == 404
        assert "https://cloud.example.test/identity/v3" in answer.message


async def test_the_embedded_identity_is_off(town: Town, keystone: FakeKeystone) -> None:
    principal = person(town, keystone.token("ada", "ops", "admin"))
    for path in ("/identity", "/identity/", "/identity/v3", "/v3", "/v3/", "/v3/auth/tokens", "/v3/projects"):
        for method in ("GET", "POST", "DELETE"):
            answer = await principal(method, path)
            assert answer.status == 404
            assert f"{keystone.url}/v3" in answer.message


async def test_a_token_for_no_project_is_refused_and_told_why(town: Town, keystone: FakeKeystone) -> None:
    answer = await ask(town, keystone.token(project=None))
    assert answer.status == 401
    assert "project" in answer.message


async def test_a_token_with_access_rules_is_refused_whatever_keystone_does(town: Town, keystone: FakeKeystone) -> None:
    rules = {"id": "c1", "access_rules": [{"service": "image", "method": "GET", "path": "/v2/images"}]}
    assert (await ask(town, keystone.token(credential=rules))).status == 401
    assert (await ask(town, keystone.token(credential={"id": "c1", "restricted": True}))).status == 200
    token = keystone.token(credential=rules)
    keystone.answer = lambda request: keystone._document(request.headers.get("X-Subject-Token", token), 200)
    assert (await ask(town, token)).status == 401


async def test_forged_identity_headers_mean_nothing(town: Town, keystone: FakeKeystone) -> None:
    forged = {
        "X-Identity-Status": "Confirmed",
        "X-User-Id": "ada",
        "X-User-Name": "ada",
        "X-Project-Id": "ops",
        "X-Tenant-Id": "ops",
        "X-Roles": "admin",
        "X-Role": "admin",
        "X-Is-Admin-Project": "True",
        "X-System-Scope": "all",
        "X-Service-Identity-Status": "Confirmed",
        "X-Service-Roles": "service,admin",
        "X-Domain-Id": "default",
        "OpenStack-System-Scope": "all",
    }
    hidden = await person(town, keystone.token("ada", "ops", "admin")).create(name="hidden")
    assert (await ask(town, "", **forged)).status == 401
    assert (await ask(town, "unknown", **forged)).status == 401
    erin = person(town, keystone.token("erin", "lab", "reader"))
    assert (await erin("GET", f"{LIST}/{hidden['id']}", **forged)).status == 404
    assert (await erin("POST", LIST, {"name": "x"}, **forged)).status == 403
    assert (await ask(town, keystone.token(lives_s=-1), **forged)).status == 401


async def test_a_signature_is_a_401_that_says_what_is_known_here(town: Town, keystone: FakeKeystone) -> None:
    authorization = f"SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature={'0' * 64}"
    answer = await ask(town, "", authorization=authorization)
    assert answer.status == 401
    assert "signed requests are not accepted" in answer.message
    assert (await person(town, "")("POST", "/v3.0/OS-CREDENTIAL/credentials", {})).status == 404


@pytest.mark.parametrize("name", ["X-Auth-Token", "X-Service-Token"])
async def test_two_tokens_are_none_and_the_same_twice_is_one(town: Town, keystone: FakeKeystone, name: str) -> None:
    good, other = (keystone.token(user, "service", "service", "member") for user in ("nova", "cinder"))
    user = [("X-Auth-Token", keystone.token())] if name == "X-Service-Token" else []
    for first, second, status in ((good, other, 401), (good, "", 401), ("", good, 401), (good, good, 200)):
        sent = CIMultiDict([*user, (name, first), (name, second)])
        async with town.session.get(f"{town.url}{LIST}", headers=sent) as response:
            assert response.status == status


# What is remembered


async def test_a_token_is_asked_about_once_and_again_when_that_is_old(
    town: Town, keystone: FakeKeystone, clock: Clock
) -> None:
    token = keystone.token()
    for _ in range(3):
        assert (await ask(town, token)).status == 200
    assert len(keystone.validations) == 1
    clock.advance(299)
    assert (await ask(town, token)).status == 200
    assert len(keystone.validations) == 1
    clock.advance(1)
    assert (await ask(town, token)).status == 200
    assert len(keystone.validations) == 2


async def test_a_revoked_token_works_until_its_answer_is_old(town: Town, keystone: FakeKeystone, clock: Clock) -> None:
    token = keystone.token()
    assert (await ask(town, token)).status == 200
    del keystone.tokens[token]
    assert (await ask(town, token)).status == 200
    clock.advance(300)
    assert (await ask(town, token)).status == 401


async def test_a_token_ends_when_it_ends_and_not_a_moment_later(
    town: Town, keystone: FakeKeystone, clock: Clock
) -> None:
    token = keystone.token(lives_s=60)
    assert (await ask(town, token)).status == 200
    clock.advance(59.999999)
    assert (await ask(town, token)).status == 200
    clock.advance(0.000001)
    assert (await ask(town, token)).status == 401


async def test_nothing_is_remembered_where_nothing_may_be(serve: Serve, keystone: FakeKeystone) -> None:
    async with serve(keystone_cache_s=0) as town:
        token = keystone.token()
        assert (await ask(town, token)).status == 200
        del keystone.tokens[token]
        assert (await ask(town, token)).status == 401


async def test_a_clock_that_is_set_back_lengthens_nothing(town: Town, keystone: FakeKeystone, clock: Clock) -> None:
    token = keystone.token()
    assert (await ask(town, token)).status == 200
    clock.advance(-3000)
    assert (await ask(town, token)).status == 200
    assert len(keystone.validations) == 2


async def test_a_bad_token_is_remembered_for_seconds(town: Town, keystone: FakeKeystone, clock: Clock) -> None:
    for _ in range(3):
        assert (await ask(town, "unknown")).status == 401
    assert len(keystone.validations) == 1
    clock.advance(BAD_FOR_S)
    assert (await ask(town, "unknown")).status == 401
    assert len(keystone.validations) == 2


async def test_the_same_token_a_thousand_times_at_once_is_one_question(town: Town, keystone: FakeKeystone) -> None:
    token = keystone.token()
    identity = town.application[SERVICES].identity
    keystone.open.clear()
    waiting = [asyncio.create_task(identity.principal_of(token)) for _ in range(1000)]
    await keystone.came.wait()
    waiting[0].cancel()  # the one that asked leaves; the others still get their answer
    keystone.open.set()
    principals = await asyncio.gather(*waiting[1:])
    assert {principal.user_id for principal in principals} == {"id-of-erin"}
    assert len(keystone.validations) == 1
    assert len(keystone.logins) == 1


async def test_a_thousand_tokens_at_once_are_a_thousand_questions_and_one_login(
    town: Town, keystone: FakeKeystone
) -> None:
    tokens = [keystone.token(f"user{number}") for number in range(1000)]
    identity = town.application[SERVICES].identity
    principals = await asyncio.gather(*(identity.principal_of(token) for token in tokens))
    assert [principal.user_id for principal in principals] == [f"id-of-user{number}" for number in range(1000)]
    assert len(keystone.validations) == 1000
    assert len(keystone.logins) == 1


# Our own token


async def test_our_own_token_is_renewed_before_it_ends(town: Town, keystone: FakeKeystone, clock: Clock) -> None:
    await ask(town, keystone.token())
    clock.advance(3600 - 121)
    await ask(town, keystone.token())
    assert len(keystone.logins) == 1
    clock.advance(1)
    assert (await ask(town, keystone.token())).status == 200
    assert len(keystone.logins) == 2


async def test_our_own_token_that_was_revoked_is_replaced_once(town: Town, keystone: FakeKeystone) -> None:
    tokens = [keystone.token() for _ in range(20)]
    assert (await ask(town, tokens[0])).status == 200
    del keystone.tokens[keystone.validations[0].headers["x-auth-token"]]
    answers = await asyncio.gather(*(ask(town, token) for token in tokens))
    assert {answer.status for answer in answers} == {200}
    assert len(keystone.logins) == 2


async def test_our_own_token_serves_on_when_it_cannot_be_renewed(
    town: Town, keystone: FakeKeystone, clock: Clock
) -> None:
    await ask(town, keystone.token())
    clock.advance(3600 - 60)
    keystone.password = "changed"
    assert (await ask(town, keystone.token())).status == 200
    clock.advance(60)
    assert (await ask(town, keystone.token())).status == 503
    keystone.password = "the service user's password"
    clock.advance(10)
    assert (await ask(town, keystone.token())).status == 200


async def test_a_short_life_is_renewed_in_its_middle(serve: Serve, keystone: FakeKeystone, clock: Clock) -> None:
    keystone.own_lives_s = 60
    async with serve() as town:
        await ask(town, keystone.token())
        clock.advance(29)
        await ask(town, keystone.token())
        assert len(keystone.logins) == 1
        clock.advance(1)
        await ask(town, keystone.token())
        assert len(keystone.logins) == 2


async def test_a_login_that_is_refused_is_not_tried_again_at_once(
    town: Town, keystone: FakeKeystone, clock: Clock
) -> None:
    keystone.password = "changed"
    for _ in range(5):
        assert (await ask(town, keystone.token())).status == 503
    assert len(keystone.logins) == 1
    clock.advance(10)
    assert (await ask(town, keystone.token())).status == 503
    assert len(keystone.logins) == 2


async def test_a_keystone_that_takes_no_token_of_its_own_is_asked_twice(town: Town, keystone: FakeKeystone) -> None:
    keystone.own_lives_s = 0
    answer = await ask(town, keystone.token())
    assert answer.status == 503
    assert len(keystone.validations) == 2


# When Keystone fails


def with_status(status: int) -> web.Response:
    return web.Response(status=status, text="what a token it is", headers={"Location": "http://127.0.0.1:9/"})


@pytest.mark.parametrize("status", [500, 502, 503, 504, 400, 403, 418, 429, 302, 307, 204])
async def test_whatever_keystone_answers_it_is_a_503_and_never_a_401(
    town: Town, keystone: FakeKeystone, status: int
) -> None:
    known = keystone.token()
    assert (await ask(town, known)).status == 200
    before = len(keystone.asked)
    keystone.answer = lambda _: with_status(status)
    answer = await ask(town, keystone.token())
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "what a token" not in answer.message
    assert len(keystone.asked) == before + 1  # no redirect was followed
    assert (await ask(town, known)).status == 200
    keystone.answer = None
    assert (await ask(town, keystone.token())).status == 200


@pytest.mark.parametrize("status", [413, 414, 431])
async def test_a_token_that_is_too_long_for_keystone_is_none_of_its_own(
    town: Town, keystone: FakeKeystone, status: int
) -> None:
    await ask(town, keystone.token())
    keystone.answer = lambda _: with_status(status)
    assert (await ask(town, "x" * 16000)).status == 401


BODIES = {
    "nothing": b"",
    "no JSON": b"<html>",
    "no token": b'{"tokens": []}',
    "a list": b"[1]",
    "no user": b'{"token": {"expires_at": "2026-01-02T04:04:05Z"}}',
    "a bad time": b'{"token": {"user": {"id": "x", "name": "x"}, "expires_at": "soon"}}',
    "a user that is a number": b'{"token": {"user": {"id": 1, "name": "x"}, "expires_at": "2027-01-02T04:04:05Z"}}',
    "deep nesting": b"[" * 100_000,
    "too much": b" " * (2 << 20),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_an_answer_that_is_none_is_a_503(town: Town, keystone: FakeKeystone, body: bytes) -> None:
    await ask(town, keystone.token())
    keystone.answer = lambda _: web.Response(body=body)
    assert (await ask(town, keystone.token())).status == 503


async def test_a_keystone_that_does_not_answer_is_a_503(serve: Serve, keystone: FakeKeystone) -> None:
    async with serve(keystone_timeout_s=2) as town:
        known = keystone.token()
        assert (await ask(town, known)).status == 200
        keystone.open.clear()
        answer = await ask(town, keystone.token())
        assert answer.status == 503
        assert "in time" in answer.message
        assert (await ask(town, known)).status == 200


async def test_a_keystone_that_is_not_there_is_a_503(serve: Serve, keystone: FakeKeystone) -> None:
    async with serve(keystone_url="http://127.0.0.1:9") as town:
        answer = await ask(town, keystone.token())
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        with pytest.raises(Unavailable):
            await town.application[SERVICES].identity.principal_of("x")


async def test_a_503_comes_before_the_body_is_read(town: Town, keystone: FakeKeystone) -> None:
    erin = person(town, keystone.token())
    image = await erin.create(disk_format="raw", container_format="bare")
    keystone.answer = lambda _: with_status(500)
    other = person(town, keystone.token())
    assert (await other.upload(image["id"])).status == 503
    keystone.answer = None
    assert (await erin.show(image["id"]))["status"] == "queued"


async def test_a_token_that_ends_while_bytes_flow_changes_nothing(
    town: Town, keystone: FakeKeystone, clock: Clock
) -> None:
    erin, other = person(town, keystone.token(lives_s=10)), person(town, keystone.token())
    image = await erin.create(disk_format="raw", container_format="bare")
    async with erin.uploading(image["id"]) as upload:
        clock.advance(11)
        assert (await ask(town, erin.token)).status == 401
        assert (await upload.finish()).status == 204
    assert (await other.show(image["id"]))["status"] == "active"
