"""Logins that fail, on every engine: how many are let through, what they count for, and when they are forgotten."""

import asyncio

import pytest

from fakes import Clock, CountingHasher
from logins import by_credential, by_password, credential, login, project
from stillage.accounts.login_request import login_request_of
from stillage.errors import TooManyFailures, Unauthenticated
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity

pytestmark = pytest.mark.usefixtures("people")


async def fail(identity: EmbeddedIdentity, user: str = "erin", times: int = 3) -> None:
    for _ in range(times):
        with pytest.raises(Unauthenticated):
            await identity.login(by_password(user, "wrong"))


@pytest.mark.parametrize("user", ["erin", "nobody"])
async def test_after_too_many_failures_even_the_right_password_is_refused(
    identity: EmbeddedIdentity, hasher: CountingHasher, user: str
) -> None:
    await fail(identity, user)
    before = hasher.verified
    with pytest.raises(TooManyFailures) as refused:
        await login(identity, user)
    assert refused.value.retry_after_s == 60
    assert hasher.verified == before
    await login(identity, "root")


async def test_waiting_helps(identity: EmbeddedIdentity, clock: Clock) -> None:
    await fail(identity, times=1)
    clock.advance(20.5)
    await fail(identity, times=2)
    with pytest.raises(TooManyFailures) as refused:
        await login(identity)
    assert refused.value.retry_after_s == 40
    clock.advance(40)
    await login(identity)


async def test_being_refused_does_not_prolong_the_wait(identity: EmbeddedIdentity, clock: Clock) -> None:
    await fail(identity)
    clock.advance(59)
    with pytest.raises(TooManyFailures):
        await login(identity)
    clock.advance(1)
    await login(identity)


async def test_a_success_wipes_the_slate_clean(identity: EmbeddedIdentity) -> None:
    for _ in range(3):
        await fail(identity, times=2)
        await login(identity)


async def test_the_user_is_the_same_by_id_and_by_name(identity: EmbeddedIdentity, accounts: Accounts) -> None:
    user = await accounts.get_user("erin")
    methods = {"methods": ["password"], "password": {"user": {"id": user.id, "password": "wrong"}}}
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await identity.login(login_request_of({"auth": {"identity": methods}}))
    with pytest.raises(TooManyFailures):
        await login(identity)


async def test_guesses_that_come_all_at_once_are_counted(identity: EmbeddedIdentity, hasher: CountingHasher) -> None:
    guesses = [identity.login(by_password(password=f"guess {n}")) for n in range(30)]
    results = await asyncio.gather(*guesses, return_exceptions=True)
    kinds = [type(result) for result in results]
    assert (kinds.count(Unauthenticated), kinds.count(TooManyFailures)) == (3, 27)
    assert hasher.verified == 3


async def test_many_logins_at_once_with_the_right_password_all_succeed(identity: EmbeddedIdentity) -> None:
    assert len(await asyncio.gather(*(login(identity) for _ in range(20)))) == 20


async def test_a_wrong_project_is_no_wrong_password(identity: EmbeddedIdentity) -> None:
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await login(identity, scope=project("secret"))
    await login(identity)


async def test_an_application_credential_that_fails_does_not_lock_its_owner_out(identity: EmbeddedIdentity) -> None:
    token = (await login(identity)).token
    credential_id, secret = await credential(identity, token)
    by_id = by_credential(id=credential_id, secret="wrong")
    by_name = by_credential(name="ci", user={"id": token.user_id}, secret="wrong")
    for request in (by_id, by_name, by_id):
        with pytest.raises(Unauthenticated):
            await identity.login(request)
    with pytest.raises(TooManyFailures):
        await identity.login(by_credential(id=credential_id, secret=secret))
    await login(identity)


async def test_what_is_over_is_forgotten(identity: EmbeddedIdentity, clock: Clock) -> None:
    await fail(identity, "nobody", times=2)
    await login(identity)
    assert await identity.forget_old() == 0
    clock.advance(24 * 3600)
    # The token, and each failure: of the name, of the network, and of the name from there.
    assert await identity.forget_old() == 1 + 2 * 3
