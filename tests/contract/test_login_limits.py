"""Whoever guesses is slowed down, and locks nobody else out, on every engine."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Connection, func, select

from fakes import Clock, CountingHasher
from stillage.accounts.login_request import LoginRequest, login_request_of
from stillage.db import failures, networks
from stillage.db.session import Database
from stillage.db.tables import known_networks, login_failures
from stillage.errors import TooManyAtOnce, TooManyFailures, Unauthenticated, Unavailable
from stillage.identity.passwords import Passwords
from stillage.operations.identity import guard
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.1"


@pytest.fixture(autouse=True)
async def people(accounts: Accounts) -> None:
    for user in ("admin", "erin"):
        await accounts.create_user(user, f"{user}s")


def by_password(user: str, password: str | None = None) -> LoginRequest:
    identity = {"user": {"name": user, "domain": {"id": "default"}, "password": password or f"{user}s"}}
    return login_request_of({"auth": {"identity": {"methods": ["password"], "password": identity}}})


async def log_in(identity: EmbeddedIdentity, user: str = "admin", address: str | None = HOME) -> None:
    await identity.login(by_password(user), address)


async def guess(identity: EmbeddedIdentity, user: str, address: str, times: int = 1) -> None:
    for number in range(times):
        with pytest.raises(Unauthenticated):
            await identity.login(by_password(user, f"wrong {number}"), address)


async def locked(identity: EmbeddedIdentity, user: str, address: str) -> int:
    with pytest.raises(TooManyFailures) as refused:
        await log_in(identity, user, address)
    return refused.value.retry_after_s


async def test_a_stranger_locks_the_name_for_his_own_network_and_nobody_else_out(identity: EmbeddedIdentity) -> None:
    await guess(identity, "admin", ELSEWHERE, times=3)
    assert await locked(identity, "admin", ELSEWHERE) == 60
    await log_in(identity)
    await log_in(identity, "erin", ELSEWHERE)


async def test_the_addresses_of_one_ipv6_network_are_one(identity: EmbeddedIdentity) -> None:
    for number in range(3):
        await guess(identity, "admin", f"2001:db8::{number}")
    assert await locked(identity, "admin", "2001:db8::ffff:1") == 60
    await log_in(identity, address="2001:db8:0:1::1")


async def test_whoever_goes_on_failing_waits_longer(identity: EmbeddedIdentity, clock: Clock) -> None:
    for _ in range(3):
        await guess(identity, "admin", ELSEWHERE, times=3)
        clock.advance(60)
    assert await locked(identity, "admin", ELSEWHERE) == 12 * 60 - 180
    clock.advance(12 * 60 - 180)
    await log_in(identity, address=ELSEWHERE)


async def attacked(identity: EmbeddedIdentity) -> None:
    """A hundred guesses at the admin's password, from many networks."""
    for number in range(50):
        await guess(identity, "admin", f"203.0.113.{number}", times=2)


async def test_a_name_under_attack_is_not_locked_where_it_has_logged_in_before(identity: EmbeddedIdentity) -> None:
    await log_in(identity)
    await attacked(identity)
    await guess(identity, "admin", HOME, times=2)
    await log_in(identity)


async def test_a_name_under_attack_has_two_attempts_from_a_new_network(
    identity: EmbeddedIdentity, clock: Clock
) -> None:
    await attacked(identity)
    await log_in(identity, address="192.0.2.77")
    await guess(identity, "admin", ELSEWHERE, times=2)
    assert await locked(identity, "admin", ELSEWHERE) == 900
    clock.advance(3601)
    await log_in(identity, address=ELSEWHERE)


async def test_a_network_that_tries_many_names_keeps_those_that_have_logged_in_from_there(
    identity: EmbeddedIdentity,
) -> None:
    await log_in(identity, "erin", ELSEWHERE)
    for number in range(50):
        await guess(identity, f"name {number}", ELSEWHERE)
    assert await locked(identity, "admin", ELSEWHERE) == 300
    await log_in(identity, "erin", ELSEWHERE)
    await log_in(identity)


async def test_a_network_is_forgotten_from_which_nobody_has_logged_in_for_long(
    identity: EmbeddedIdentity, database: Database, clock: Clock
) -> None:
    await log_in(identity)
    clock.advance(guard.KNOWN_S - 1)
    await identity.forget_old()
    assert await database.read(_count, known_networks) == 1
    await log_in(identity)
    clock.advance(guard.KNOWN_S)
    await identity.forget_old()
    assert await database.read(_count, known_networks) == 1
    clock.advance(1)
    await identity.forget_old()
    assert await database.read(_count, known_networks) == 0


def _count(connection: Connection, table: object) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


async def test_only_the_last_networks_of_a_name_are_remembered(database: Database, clock: Clock) -> None:
    for number in range(networks.PER_NAME + 3):
        clock.advance(1)
        await database.write(networks.remember, "name", f"network {number}", clock())
    assert await database.read(_count, known_networks) == networks.PER_NAME
    assert await database.read(networks.find, "name", "network 2") is None
    assert await database.read(networks.find, "name", "network 3") == clock() - timedelta(seconds=networks.PER_NAME - 1)


async def test_failures_take_bounded_room_whoever_fails_from_wherever(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "MOST", 20)

    def record(connection: Connection) -> None:
        for number in range(50):
            failures.record(connection, f"who {number}", clock())

    await database.write(record)
    assert await database.read(_count, login_failures) == 20
    assert await database.read(failures.latest, "who 29", clock() - timedelta(1), 9) == []
    assert len(await database.read(failures.latest, "who 30", clock() - timedelta(1), 9)) == 1


@pytest.fixture
def slow(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Lets checks of passwords end that wait until then."""
    go_on = asyncio.Event()
    verify = passwords.verify

    async def waiting(hashed: str | None, password: str) -> bool:
        await go_on.wait()
        return await verify(hashed, password)

    monkeypatch.setattr(passwords, "verify", waiting)
    return go_on


async def crowd(identity: EmbeddedIdentity, addresses: list[str]) -> list["asyncio.Task[object]"]:
    tasks: list[asyncio.Task[object]] = []
    for number, address in enumerate(addresses):
        request = by_password(f"name {number}", "wrong")
        tasks.append(asyncio.ensure_future(identity.login(request, address)))
    async with asyncio.timeout(60):
        while identity._guard._places._held.total() < len(addresses):  # noqa: ASYNC110 - tasks on their way
            await asyncio.sleep(0.005)
    return tasks


async def test_one_network_cannot_take_every_place(identity: EmbeddedIdentity, slow: asyncio.Event) -> None:
    crowd_of_others = await crowd(identity, [ELSEWHERE] * guard.OF_ONE_NETWORK)
    with pytest.raises(TooManyAtOnce, match="32 logins"):
        await log_in(identity, "erin", ELSEWHERE)
    mine = asyncio.create_task(log_in(identity))
    slow.set()
    await mine
    await asyncio.gather(*crowd_of_others, return_exceptions=True)
    await log_in(identity, "erin", "192.0.2.9")


async def test_many_networks_leave_places_for_those_that_are_known(
    identity: EmbeddedIdentity, slow: asyncio.Event, hasher: CountingHasher
) -> None:
    slow.set()
    await log_in(identity)
    slow.clear()
    crowd_of_others = await crowd(identity, [f"203.0.113.{n}" for n in range(guard.TOTAL - guard.FOR_THE_KNOWN)])
    with pytest.raises(Unavailable, match="too many logins"):
        await log_in(identity, "erin", "203.0.113.200")
    mine = asyncio.create_task(log_in(identity))
    slow.set()
    await mine
    await asyncio.gather(*crowd_of_others, return_exceptions=True)
