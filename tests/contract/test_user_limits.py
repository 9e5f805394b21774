"""How much one user may have, on every engine: tokens, application credentials, temporary keys."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Table, event, func, select

from fakes import Clock
from stillage.accounts.credential_request import credential_request_of
from stillage.accounts.login_request import LoginRequest, login_request_of
from stillage.db.session import Database
from stillage.db.tables import access_keys, application_credentials, tokens
from stillage.db.tokens import surplus
from stillage.errors import Unauthenticated, UserLimitReached
from stillage.identity.passwords import Passwords
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity, UserLimits
from stillage.operations.identity.login import Issued

LIMITS = UserLimits(tokens=5, credentials=3, temporary_keys=3)


@pytest.fixture
def identity(database: Database, passwords: Passwords, clock: Clock) -> EmbeddedIdentity:
    return EmbeddedIdentity(database, passwords, secret=bytes(32), clock=clock, limits=LIMITS)


@pytest.fixture(autouse=True)
async def people(accounts: Accounts) -> None:
    await accounts.create_project("lab")
    for user in ("erin", "mona"):
        await accounts.create_user(user, f"{user}s", project="lab")


@pytest.fixture
def other(database_url: str, passwords: Passwords, clock: Clock) -> Iterator[EmbeddedIdentity]:
    """The identity of another process."""
    database = Database(database_url)
    yield EmbeddedIdentity(database, passwords, secret=bytes(32), clock=clock, limits=LIMITS)
    database.close()


def by_password(user: str = "erin") -> LoginRequest:
    identity = {"user": {"name": user, "domain": {"id": "default"}, "password": f"{user}s"}}
    return login_request_of({"auth": {"identity": {"methods": ["password"], "password": identity}}})


def by_token(text: str) -> LoginRequest:
    return login_request_of({"auth": {"identity": {"methods": ["token"], "token": {"id": text}}}})


def by_credential(credential_id: str, secret: str) -> LoginRequest:
    values = {"id": credential_id, "secret": secret}
    identity = {"methods": ["application_credential"], "application_credential": values}
    return login_request_of({"auth": {"identity": identity}})


async def rows_of(database: Database, table: Table) -> int:
    def count(connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()

    return await database.read(count)


async def is_good(identity: EmbeddedIdentity, issued: Issued) -> bool:
    try:
        await identity.token_of(issued.text)
    except Unauthenticated:
        return False
    return True


async def make(identity: EmbeddedIdentity, issued: Issued, name: str, **more: Any) -> tuple[str, str]:
    wanted = credential_request_of({"application_credential": {"name": name, **more}})
    credential, secret = await identity.credentials.create(issued.token.principal, issued.token.user_id, wanted)
    return credential.id, secret


async def test_one_token_too_many_ends_the_oldest(identity: EmbeddedIdentity, database: Database, clock: Clock) -> None:
    monas = await identity.login(by_password("mona"))
    issued = []
    for _ in range(7):
        issued.append(await identity.login(by_password()))
        clock.advance(1)
    assert [await is_good(identity, one) for one in issued] == [False] * 2 + [True] * 5
    assert await is_good(identity, monas)
    assert await rows_of(database, tokens) == 6


async def test_tokens_made_of_tokens_count(identity: EmbeddedIdentity, database: Database, clock: Clock) -> None:
    last = await identity.login(by_password())
    for _ in range(7):
        clock.advance(1)
        last = await identity.login(by_token(last.text))
    assert await rows_of(database, tokens) == 5


async def test_a_program_that_logs_in_again_and_again_ends_no_token_of_a_service_with_its_own_credential(
    identity: EmbeddedIdentity, clock: Clock
) -> None:
    owner = await identity.login(by_password())
    service = await identity.login(by_credential(*await make(identity, owner, "service")))
    runaway = await make(identity, owner, "runaway")
    for _ in range(7):
        clock.advance(1)
        last = await identity.login(by_credential(*runaway))
    assert await is_good(identity, owner)
    assert await is_good(identity, service)
    assert await is_good(identity, last)


async def test_expired_tokens_do_not_count(identity: EmbeddedIdentity, clock: Clock) -> None:
    owner = await identity.login(by_password())
    soon = (clock() + timedelta(seconds=60)).isoformat()
    short = await make(identity, owner, "short", expires_at=soon)
    for _ in range(4):
        await identity.login(by_credential(*short))
    clock.advance(60)
    later = [await identity.login(by_password()) for _ in range(4)]
    assert all([await is_good(identity, one) for one in (owner, *later)])


async def test_of_many_who_log_in_at_once_in_two_processes_no_more_remain_than_may(
    identity: EmbeddedIdentity, other: EmbeddedIdentity, database: Database
) -> None:
    await asyncio.gather(*(who.login(by_password()) for who in (identity, other) for _ in range(10)))
    assert await rows_of(database, tokens) == 5


async def test_a_limit_that_was_lowered_holds_from_the_next_login_on(
    identity: EmbeddedIdentity, database: Database, passwords: Passwords, clock: Clock
) -> None:
    for _ in range(5):
        await identity.login(by_password())
    strict = EmbeddedIdentity(database, passwords, secret=bytes(32), clock=clock, limits=UserLimits(tokens=2))
    last = await strict.login(by_password())
    assert await rows_of(database, tokens) == 2
    assert await is_good(strict, last)


async def test_below_the_limit_a_login_costs_one_count_by_an_index(
    identity: EmbeddedIdentity, accounts: Accounts, database: Database
) -> None:
    erin = await accounts.get_user("erin")
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    await identity.login.without_password(erin, None)
    counting = [statement for statement in statements if "count(" in statement]
    assert len(counting) == 1
    assert "tokens.user_id =" in counting[0]
    assert not [statement for statement in statements if statement.startswith("DELETE")]


async def test_one_application_credential_too_many_is_refused_with_both_numbers(
    identity: EmbeddedIdentity, database: Database
) -> None:
    owner = await identity.login(by_password())
    made = [await make(identity, owner, name) for name in "abc"]
    with pytest.raises(UserLimitReached, match="already has 3 application credentials, and the limit is 3; delete one"):
        await make(identity, owner, "d")
    await make(identity, await identity.login(by_password("mona")), "d")
    await identity.credentials.delete(owner.token.principal, owner.token.user_id, made[0][0])
    await make(identity, owner, "d")
    assert await rows_of(database, application_credentials) == 4


async def test_expired_application_credentials_do_not_count_and_make_room(
    identity: EmbeddedIdentity, database: Database, clock: Clock
) -> None:
    owner = await identity.login(by_password())
    for number in range(5):
        soon = (clock() + timedelta(seconds=60)).isoformat()
        await make(identity, owner, f"short {number}", expires_at=soon)
        clock.advance(60)
    await make(identity, owner, "a")
    await make(identity, owner, "b")
    await make(identity, owner, "c")
    assert await rows_of(database, application_credentials) == 3
    with pytest.raises(UserLimitReached):
        await make(identity, owner, "d")


async def test_of_many_application_credentials_made_at_once_no_more_remain_than_may(
    identity: EmbeddedIdentity, other: EmbeddedIdentity, database: Database
) -> None:
    owner = await identity.login(by_password())
    both = [(who, f"{place} {n}") for place, who in enumerate((identity, other)) for n in range(4)]
    results = await asyncio.gather(*(make(who, owner, name) for who, name in both), return_exceptions=True)
    assert sum(isinstance(result, tuple) for result in results) == 3
    assert sum(isinstance(result, UserLimitReached) for result in results) == 5
    assert await rows_of(database, application_credentials) == 3


async def test_one_temporary_key_too_many_is_refused_with_both_numbers(
    identity: EmbeddedIdentity, database: Database, clock: Clock
) -> None:
    owner = await identity.login(by_password())
    await identity.access_keys.make(owner.token.user_id, None, "of another kind")
    for _ in range(3):
        await identity.access_keys.create_temporary(owner.token, 900)
    with pytest.raises(UserLimitReached, match="already has 3 temporary access keys, and the limit is 3; wait"):
        await identity.access_keys.create_temporary(owner.token, 900)
    await identity.access_keys.create_temporary((await identity.login(by_password("mona"))).token, 900)
    clock.advance(900)
    await identity.access_keys.create_temporary(owner.token, 900)
    assert await rows_of(database, access_keys) == 3


async def test_of_many_temporary_keys_made_at_once_no_more_remain_than_may(
    identity: EmbeddedIdentity, other: EmbeddedIdentity, database: Database
) -> None:
    token = (await identity.login(by_password())).token
    makes = [who.access_keys.create_temporary(token, 900) for who in (identity, other) for _ in range(4)]
    results = await asyncio.gather(*makes, return_exceptions=True)
    assert sum(isinstance(result, UserLimitReached) for result in results) == 5
    assert await rows_of(database, access_keys) == 3


@pytest.mark.parametrize(
    ("newest_first", "most", "over"),
    [
        ("", 3, ""),
        ("a1 a2 a3", 3, ""),
        ("a1 a2 a3 a4", 3, "a4"),
        ("a1 b2 a3 b4 b5", 3, "b5 b4"),
        ("b1 b2 b3 b4 a5", 3, "b4 b3"),
        ("a1 b2 c3 d4", 3, "d4"),
        ("a1 a2 b3 b4", 1, "b4 a2 b3"),
    ],
)
def test_the_oldest_of_the_largest_group_is_too_many(newest_first: str, most: int, over: str) -> None:
    given = [(token, token[0]) for token in newest_first.split()]
    assert surplus(given, most) == over.split()
