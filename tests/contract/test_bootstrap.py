"""The first start of an identity, and the ones after it, on every engine."""

import asyncio
from typing import Any

import pytest

from fakes import Clock
from stillage.accounts.login_request import login_request_of
from stillage.accounts.principal import Principal
from stillage.db.session import Database
from stillage.errors import Unauthenticated
from stillage.identity.passwords import Passwords
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.bootstrap import bootstrap
from stillage.operations.identity.embedded import EmbeddedIdentity


async def start(
    database: Database, passwords: Passwords, clock: Clock, admin: str | None = None, demo: str | None = None
) -> dict[str, str]:
    return await bootstrap(database, passwords, admin_password=admin, demo_password=demo, clock=clock)


async def token(identity: EmbeddedIdentity, name: str, password: str) -> str:
    user: dict[str, Any] = {"name": name, "domain": {"id": "default"}, "password": password}
    request = login_request_of({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}})
    return (await identity.login(request)).text


async def principal(identity: EmbeddedIdentity, name: str, password: str) -> Principal:
    return await identity.principal_of(await token(identity, name, password))


async def test_the_first_start_makes_an_admin_and_a_member_of_demo(
    database: Database, passwords: Passwords, clock: Clock, identity: EmbeddedIdentity
) -> None:
    made = await start(database, passwords, clock)
    admin, demo = [await principal(identity, name, made[name]) for name in ("admin", "demo")]
    assert (admin.project_name, "admin" in admin.roles) == ("demo", True)
    assert (demo.project_name, demo.roles) == ("demo", frozenset({"member", "reader"}))
    assert made["admin"] != made["demo"]


async def test_passwords_may_be_given(
    database: Database, passwords: Passwords, clock: Clock, identity: EmbeddedIdentity
) -> None:
    assert await start(database, passwords, clock, "a", "d") == {"admin": "a", "demo": "d"}
    await principal(identity, "admin", "a")
    await principal(identity, "demo", "d")


async def test_later_starts_change_nothing(
    database: Database, passwords: Passwords, clock: Clock, identity: EmbeddedIdentity, accounts: Accounts
) -> None:
    made = await start(database, passwords, clock)
    kept = await token(identity, "admin", made["admin"])
    await accounts.set_user_enabled("demo", enabled=False)
    assert await start(database, passwords, clock) == {}
    assert await start(database, passwords, clock, made["admin"], "other") == {}
    await identity.principal_of(kept)
    assert [(user.name, user.enabled) for user in await accounts.users()] == [("admin", True), ("demo", False)]
    assert len(await accounts.projects()) == 1


async def test_another_admin_password_is_set_and_ends_the_admins_tokens_only(
    database: Database, passwords: Passwords, clock: Clock, identity: EmbeddedIdentity
) -> None:
    made = await start(database, passwords, clock)
    admins, demos = [await token(identity, name, made[name]) for name in ("admin", "demo")]
    assert await start(database, passwords, clock, "changed") == {"admin": "changed"}
    with pytest.raises(Unauthenticated):
        await identity.principal_of(admins)
    with pytest.raises(Unauthenticated):
        await token(identity, "admin", made["admin"])
    await identity.principal_of(demos)
    await principal(identity, "admin", "changed")


async def test_a_role_that_was_taken_away_does_not_come_back(
    database: Database, passwords: Passwords, clock: Clock, accounts: Accounts
) -> None:
    await start(database, passwords, clock)
    await accounts.revoke("demo", "admin", "admin")
    await start(database, passwords, clock)
    assert [member.user for member in await accounts.members()] == ["demo"]


async def test_nodes_that_start_together_agree(
    database: Database, database_url: str, passwords: Passwords, clock: Clock, identity: EmbeddedIdentity
) -> None:
    other = Database(database_url)
    try:
        results = await asyncio.gather(*(start(d, passwords, clock) for d in (database, other) for _ in range(3)))
    finally:
        other.close()
    made = [passwords_made for passwords_made in results if passwords_made]
    assert len(made) == 1
    await principal(identity, "admin", made[0]["admin"])
    await principal(identity, "demo", made[0]["demo"])


async def test_a_user_who_was_deleted_does_not_come_back(
    database: Database, passwords: Passwords, clock: Clock, accounts: Accounts
) -> None:
    await start(database, passwords, clock)
    await accounts.delete_user("demo")
    assert await start(database, passwords, clock) == {}
    assert [user.name for user in await accounts.users()] == ["admin"]
