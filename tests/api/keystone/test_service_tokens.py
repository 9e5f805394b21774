"""Service tokens: Nova and Cinder vouch for a user whose token ended while they worked for him."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from structlog.testing import capture_logs

from fake_keystone import WINDOW_S, FakeKeystone
from fakes import Clock
from image_api import Person, Town
from server import Answer

Serve = Callable[..., AbstractAsyncContextManager[Town]]


async def ask(town: Town, token: str, service_token: str | None = None) -> Answer:
    headers = {} if service_token is None else {"x_service_token": service_token}
    return await Person(town.session, token, "")("GET", "/v2/images", **headers)


@pytest.fixture
def nova(keystone: FakeKeystone) -> str:
    """A service's token that lives for a week."""
    return keystone.token("nova", "service", "Service", lives_s=7 * 86400)


async def test_a_service_goes_on_with_a_token_that_ended(
    town: Town, keystone: FakeKeystone, clock: Clock, nova: str
) -> None:
    token = keystone.token(lives_s=60)
    assert (await ask(town, token, nova)).status == 200
    clock.advance(61)
    assert (await ask(town, token)).status == 401
    assert (await ask(town, token, nova)).status == 200
    paths = [asked.path for asked in keystone.validations if asked.headers["x-subject-token"] == token]
    assert paths == ["/v3/auth/tokens?nocatalog&allow_expired=1", "/v3/auth/tokens?nocatalog"]


async def test_a_token_that_is_known_to_have_ended_is_asked_about_again_for_a_service(
    town: Town, keystone: FakeKeystone, nova: str
) -> None:
    token = keystone.token(lives_s=-1)
    assert (await ask(town, token)).status == 401
    assert (await ask(town, token, nova)).status == 200
    assert (await ask(town, token)).status == 401


async def test_keystone_says_how_long_a_token_can_be_lengthened(
    town: Town, keystone: FakeKeystone, clock: Clock, nova: str
) -> None:
    token = keystone.token(lives_s=60)
    clock.advance(60 + WINDOW_S - 1)
    assert (await ask(town, token, nova)).status == 200
    clock.advance(300)
    assert (await ask(town, token, nova)).status == 401


async def test_what_a_service_vouches_for_is_remembered(town: Town, keystone: FakeKeystone, nova: str) -> None:
    token = keystone.token(lives_s=-1)
    for _ in range(3):
        assert (await ask(town, token, nova)).status == 200
    assert len(keystone.validations) == 2


async def test_a_token_without_the_role_refuses_the_request(town: Town, keystone: FakeKeystone) -> None:
    member, admin = keystone.token("mallory"), keystone.token("ada", "ops", "admin")
    for vouching in (member, admin):
        assert (await ask(town, keystone.token(), vouching)).status == 401
        assert (await ask(town, keystone.token(lives_s=-1), vouching)).status == 401


async def test_where_the_role_is_not_required_it_lengthens_nothing(serve: Serve, keystone: FakeKeystone) -> None:
    async with serve(service_token_roles_required=False) as town:
        vouching = keystone.token("mallory")
        assert (await ask(town, keystone.token(), vouching)).status == 200
        assert (await ask(town, keystone.token(lives_s=-1), vouching)).status == 401
        assert (await ask(town, keystone.token(), "unknown")).status == 401


async def test_the_roles_are_a_setting(serve: Serve, keystone: FakeKeystone, nova: str) -> None:
    async with serve(service_token_roles="Helper,carrier") as town:
        assert (await ask(town, keystone.token(), nova)).status == 401
        helper = keystone.token("cinder", "service", "helper")
        assert (await ask(town, keystone.token(lives_s=-1), helper)).status == 200


@pytest.mark.parametrize("bad", ["unknown", "two words", "x" * 20000])
async def test_a_bad_service_token_refuses_the_request(town: Town, keystone: FakeKeystone, bad: str) -> None:
    assert (await ask(town, keystone.token(), bad)).status == 401


async def test_a_service_token_that_ended_is_a_bad_one(town: Town, keystone: FakeKeystone, nova: str) -> None:
    over = keystone.token("nova", "service", "service", "reader", lives_s=-1)
    assert (await ask(town, keystone.token(), over)).status == 401
    assert (await ask(town, over, nova)).status == 200  # vouched for like any other


async def test_a_service_cannot_vouch_for_nobody(town: Town, keystone: FakeKeystone, nova: str) -> None:
    assert (await ask(town, "", nova)).status == 401
    assert (await ask(town, "unknown", nova)).status == 401


async def test_an_empty_service_token_is_none(town: Town, keystone: FakeKeystone) -> None:
    assert (await ask(town, keystone.token(), "")).status == 200


async def test_a_service_gives_no_right_of_its_own(town: Town, keystone: FakeKeystone) -> None:
    mighty = keystone.token("nova", "service", "service", "admin")
    hidden = await Person(town.session, keystone.token("ada", "ops", "admin"), "").create(name="hidden")
    erin = Person(town.session, keystone.token(), "")
    assert (await erin("GET", f"/v2/images/{hidden['id']}", x_service_token=mighty)).status == 404


async def test_neither_token_is_in_the_log(town: Town, keystone: FakeKeystone, nova: str) -> None:
    token = keystone.token(lives_s=-1)
    with capture_logs() as lines:
        await ask(town, token, nova)
        await ask(town, "unknown-token", "unknown-service-token")
    assert lines
    for secret in (token, nova, "unknown-token", "unknown-service-token"):
        assert secret not in str(lines)


async def test_the_audit_names_the_service_that_vouched(town: Town, keystone: FakeKeystone, nova: str) -> None:
    erin = Person(town.session, keystone.token(lives_s=-1), "")
    with capture_logs() as lines:
        assert (await erin("POST", "/v2/images", {}, x_service_token=nova)).status == 201
    (event,) = [line for line in lines if line["event"] == "audit"]
    assert event["initiator"]["id"] == "id-of-erin"
    assert event["initiator"]["credential"] == {"type": "token", "vouched_by": "id-of-nova"}
