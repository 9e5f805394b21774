"""Tokens of the embedded identity, on every engine: exchanging them, looking at them, and when they end."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Connection, event, inspect, text

from fakes import Clock
from logins import MEMBER, READER, by_credential, by_password, by_token, credential, login, project
from stillage.accounts.secrets import new_token
from stillage.db.session import Database
from stillage.errors import Forbidden, NotFound, Unauthenticated
from stillage.identity.passwords import Passwords
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity
from stillage.operations.identity.login import Issued

pytestmark = pytest.mark.usefixtures("people")


async def test_a_token_is_exchanged_for_one_of_another_project_which_ends_when_it_does(
    identity: EmbeddedIdentity, clock: Clock
) -> None:
    first = await login(identity)
    clock.advance(3600)
    second = await identity.login(by_token(first.text, project("archive")))
    assert (second.token.project_name, second.token.roles) == ("archive", READER)
    assert (second.token.issued_at, second.token.expires_at) == (clock(), first.token.expires_at)
    assert second.token.methods == ("token", "password")
    third = await identity.login(by_token(second.text, "unscoped"))
    assert (third.token.methods, third.token.expires_at) == (("token", "password"), first.token.expires_at)
    assert len({issued.token.audit_id for issued in (first, second, third)}) == 3


async def test_an_unscoped_token_is_exchanged_for_a_scoped_one(identity: EmbeddedIdentity) -> None:
    unscoped = await login(identity, scope="unscoped")
    assert (await identity.login(by_token(unscoped.text, project("lab")))).token.project_name == "lab"
    assert (await identity.login(by_token(unscoped.text))).token.project_name == "lab"


async def test_a_revoked_or_expired_token_is_exchanged_for_nothing(identity: EmbeddedIdentity, clock: Clock) -> None:
    revoked, expired = await login(identity), await login(identity)
    await identity.revoke(revoked.token.principal, revoked.text)
    with pytest.raises(Unauthenticated):
        await identity.login(by_token(revoked.text))
    clock.advance(24 * 3600)
    with pytest.raises(Unauthenticated):
        await identity.login(by_token(expired.text))


async def test_a_token_ends_at_its_time_and_not_before(identity: EmbeddedIdentity, clock: Clock) -> None:
    issued = await login(identity)
    clock.time = issued.token.expires_at - timedelta(microseconds=1)
    await identity.principal_of(issued.text)
    clock.time = issued.token.expires_at
    with pytest.raises(Unauthenticated):
        await identity.principal_of(issued.text)


async def test_revoking_a_token_spares_the_others(identity: EmbeddedIdentity) -> None:
    first, second = await login(identity), await login(identity)
    child = await identity.login(by_token(first.text))
    await identity.revoke(first.token.principal, first.text)
    with pytest.raises(Unauthenticated):
        await identity.principal_of(first.text)
    await identity.principal_of(second.text)
    await identity.principal_of(child.text)


async def test_changing_a_password_ends_all_of_the_users_tokens(identity: EmbeddedIdentity, accounts: Accounts) -> None:
    mine = [await login(identity), await login(identity, scope="unscoped"), await login(identity)]
    credential_id, secret = await credential(identity, mine[0].token)
    mine.append(await identity.login(by_credential(id=credential_id, secret=secret)))
    others = await login(identity, "root")
    await accounts.set_password("erin", "new")
    for issued in mine:
        with pytest.raises(Unauthenticated):
            await identity.token_of(issued.text)
    await identity.token_of(others.text)
    with pytest.raises(Unauthenticated):
        await login(identity)
    await identity.login(by_password(password="new"))
    await identity.login(by_credential(id=credential_id, secret=secret))


async def test_a_disabled_user_is_out_at_once_and_his_tokens_do_not_come_back(
    identity: EmbeddedIdentity, accounts: Accounts
) -> None:
    credential_id, secret = await credential(identity, (await login(identity)).token)
    issued = await login(identity)
    await accounts.set_user_enabled("erin", enabled=False)
    for attempt in (
        identity.principal_of(issued.text),
        login(identity),
        identity.login(by_token(issued.text)),
        identity.login(by_credential(id=credential_id, secret=secret)),
    ):
        with pytest.raises(Unauthenticated):
            await attempt
    await accounts.set_user_enabled("erin", enabled=True)
    with pytest.raises(Unauthenticated):
        await identity.principal_of(issued.text)
    await login(identity)


async def test_a_disabled_project_is_closed_at_once_and_others_are_not(
    identity: EmbeddedIdentity, accounts: Accounts
) -> None:
    lab, archive = await login(identity), await login(identity, scope=project("archive"))
    await accounts.set_project_enabled("lab", enabled=False)
    with pytest.raises(Unauthenticated):
        await identity.principal_of(lab.text)
    with pytest.raises(Unauthenticated):
        await login(identity, scope=project("lab"))
    await identity.principal_of(archive.text)
    await accounts.set_project_enabled("lab", enabled=True)
    with pytest.raises(Unauthenticated):
        await identity.principal_of(lab.text)


async def test_removing_a_role_ends_the_tokens_for_that_project(identity: EmbeddedIdentity, accounts: Accounts) -> None:
    await accounts.grant("lab", "erin", "admin")
    lab, archive = await login(identity), await login(identity, scope=project("archive"))
    await accounts.revoke("lab", "erin", "admin")
    with pytest.raises(Unauthenticated):
        await identity.principal_of(lab.text)
    await identity.principal_of(archive.text)
    assert (await login(identity)).token.roles == MEMBER


async def test_a_new_role_shows_in_tokens_that_are_there(identity: EmbeddedIdentity, accounts: Accounts) -> None:
    issued = await login(identity)
    await accounts.grant("lab", "erin", "Admin")
    assert "admin" in (await identity.principal_of(issued.text)).roles


async def test_a_login_that_races_a_change_of_password_leaves_no_token_behind(
    identity: EmbeddedIdentity, accounts: Accounts
) -> None:
    results = await asyncio.gather(
        *(login(identity) for _ in range(4)),
        accounts.set_password("erin", "new"),
        *(login(identity) for _ in range(4)),
        return_exceptions=True,
    )
    for result in results:
        if isinstance(result, Issued):
            with pytest.raises(Unauthenticated):
                await identity.token_of(result.text)


async def test_a_password_that_changes_while_it_is_checked_gets_no_token(
    identity: EmbeddedIdentity, accounts: Accounts, passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = passwords.verify

    async def slow(hashed: str | None, password: str) -> bool:
        matches = await verify(hashed, password)
        await accounts.set_password("erin", "new")
        return matches

    monkeypatch.setattr(passwords, "verify", slow)
    with pytest.raises(Unauthenticated):
        await login(identity)


async def test_everybody_may_look_at_his_own_tokens_and_an_admin_at_all(identity: EmbeddedIdentity) -> None:
    erin, root, paul = [await login(identity, name) for name in ("erin", "root", "paul")]
    assert await identity.validate(erin.token.principal, erin.text) == erin.token
    assert await identity.validate(root.token.principal, erin.text) == erin.token
    for look in (identity.validate, identity.revoke):
        with pytest.raises(Forbidden):
            await look(paul.token.principal, erin.text)
        with pytest.raises(NotFound):
            await look(paul.token.principal, new_token())
        with pytest.raises(NotFound):
            await look(paul.token.principal, "")
    await identity.revoke(root.token.principal, erin.text)
    with pytest.raises(NotFound):
        await identity.validate(root.token.principal, erin.text)


async def test_a_service_may_look_at_all_tokens_and_end_none(identity: EmbeddedIdentity, accounts: Accounts) -> None:
    await accounts.grant("lab", "paul", "service")
    service, erin = await login(identity, "paul", scope=project("lab")), await login(identity)
    assert await identity.validate(service.token.principal, erin.text) == erin.token
    with pytest.raises(Forbidden):
        await identity.revoke(service.token.principal, erin.text)


async def test_knowing_the_principal_costs_one_select(identity: EmbeddedIdentity, database: Database) -> None:
    issued = await login(identity, "root")
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    await identity.principal_of(issued.text)
    selects = [statement for statement in statements if not statement.startswith(("BEGIN", "PRAGMA"))]
    assert len(selects) == 1
    assert selects[0].startswith("SELECT")


@pytest.mark.parametrize("given", ["", "x", "gst1", "\udcff", "gst1\0", "gst1" + "x" * 9000])
async def test_what_cannot_be_a_token_costs_no_select(
    identity: EmbeddedIdentity, database: Database, given: str
) -> None:
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    with pytest.raises(Unauthenticated):
        await identity.principal_of(given)
    assert statements == []


async def test_the_database_has_no_token_password_or_secret_in_clear(
    identity: EmbeddedIdentity, database: Database
) -> None:
    issued = await login(identity)
    _, secret = await credential(identity, issued.token)
    with pytest.raises(Unauthenticated):
        await identity.login(by_password("hunter2", "hunter3"))
    everything = await database.read(_dump)
    for text_ in (issued.text, issued.text[4:], secret, "erins", "hunter2", "hunter3"):
        assert text_ not in everything
    assert "erin" in everything, "the dump is one"


def _dump(connection: Connection) -> str:
    names = inspect(connection).get_table_names()
    return repr([connection.execute(text(f'SELECT * FROM "{name}"')).all() for name in names])


def test_no_token_shows_in_what_may_be_logged() -> None:
    assert "gst1" not in repr(Issued("gst1", None))  # type: ignore[arg-type]
