"""Sessions of the console, on every engine: how they begin, and all the ways in which they end."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from fakes import Clock
from stillage.accounts.session import IDLE, LIFETIME, LINK_LIFETIME, ByForm, ByLink, Opened
from stillage.db.session import Database
from stillage.db.tables import tokens
from stillage.errors import InvalidInput, NotFound, TooManyFailures, Unauthenticated
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity
from stillage.operations.identity.sessions import EmbeddedSessions, new_link

pytestmark = pytest.mark.usefixtures("people")


@pytest.fixture
def sessions(identity: EmbeddedIdentity) -> EmbeddedSessions:
    return identity.sessions


def form(password: str = "erins", project: str | None = "lab", user: str = "erin", domain: str = "Default") -> ByForm:
    return ByForm(user, password, project, domain)


async def ended(sessions: EmbeddedSessions, opened: Opened) -> bool:
    try:
        await sessions.find(opened.text)
    except Unauthenticated:
        return True
    return False


async def test_a_session_is_for_the_project_that_was_named_or_the_default_one(sessions: EmbeddedSessions) -> None:
    named, default = [await sessions.sign_in(form(project=name), None) for name in ("archive", None)]
    assert (named.session.principal.project_name, named.session.principal.roles) == ("archive", frozenset({"reader"}))
    assert default.session.principal.project_name == "lab"
    assert (await sessions.find(named.text)).principal == named.session.principal
    with pytest.raises(InvalidInput, match="project"):
        await sessions.sign_in(form("pauls", None, "paul"), None)


async def test_whatever_is_wrong_is_refused_alike_and_failures_count_as_those_of_tokens(
    sessions: EmbeddedSessions,
) -> None:
    for wrong in (form("wrong"), form(domain="other"), form(project="secret"), form(user="nobody"), ByLink("gsl1")):
        with pytest.raises(Unauthenticated) as refused:
            await sessions.sign_in(wrong, "192.0.2.1")
        assert str(refused.value) == str(Unauthenticated())
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await sessions.sign_in(form("wrong"), "192.0.2.1")
    with pytest.raises(TooManyFailures):
        await sessions.sign_in(form(), "192.0.2.1")


async def test_a_session_ends_when_it_is_not_used_and_at_last_when_it_is(
    sessions: EmbeddedSessions, clock: Clock
) -> None:
    unused, used = await sessions.sign_in(form(), None), await sessions.sign_in(form(), None)
    begun = clock()
    while clock() + IDLE / 2 < begun + LIFETIME:
        clock.time += IDLE / 2
        await sessions.find(used.text)
    assert await ended(sessions, unused)
    clock.time = begun + LIFETIME - timedelta(microseconds=1)
    assert not await ended(sessions, used)
    clock.time = begun + LIFETIME
    assert await ended(sessions, used)


async def test_a_session_ends_with_its_rights(sessions: EmbeddedSessions, accounts: Accounts) -> None:
    opened = [await sessions.sign_in(form(project=name), None) for name in ("lab", "archive", "lab")]
    await sessions.end(opened[0].text)
    assert [await ended(sessions, each) for each in opened] == [True, False, False]
    await accounts.revoke("archive", "erin", "reader")
    assert [await ended(sessions, each) for each in opened] == [True, True, False]
    await accounts.set_password("erin", "new")
    assert await ended(sessions, opened[2])
    again = await sessions.sign_in(form("new"), None)
    await accounts.set_user_enabled("erin", enabled=False)
    assert await ended(sessions, again)


async def test_a_token_is_no_session_and_a_session_is_no_token(
    sessions: EmbeddedSessions, identity: EmbeddedIdentity, database: Database, clock: Clock
) -> None:
    opened, link = await sessions.sign_in(form(), None), await new_link(database, "root", clock=clock)
    assert link is not None
    for text in (opened.text, link):
        with pytest.raises(Unauthenticated):
            await identity.token_of(text)
    with pytest.raises(Unauthenticated):
        await sessions.find(link)
    with pytest.raises(Unauthenticated):
        await sessions.sign_in(ByLink(opened.text), None)


async def test_of_all_who_follow_a_link_at_once_one_is_let_in(
    sessions: EmbeddedSessions, database: Database, clock: Clock
) -> None:
    link = await new_link(database, "root", clock=clock)
    assert link is not None
    tried = await asyncio.gather(*(sessions.sign_in(ByLink(link), None) for _ in range(4)), return_exceptions=True)
    [opened] = [each for each in tried if isinstance(each, Opened)]
    assert [type(each) for each in tried if each is not opened] == [Unauthenticated] * 3
    assert opened.session.principal.is_admin
    assert await sessions.find(opened.text)


async def test_a_link_is_soon_over_and_there_is_none_for_somebody_without_rights(
    sessions: EmbeddedSessions, database: Database, accounts: Accounts, clock: Clock
) -> None:
    link = await new_link(database, "root", clock=clock)
    assert link is not None
    clock.time += LINK_LIFETIME
    with pytest.raises(Unauthenticated):
        await sessions.sign_in(ByLink(link), None)
    await accounts.set_user_enabled("root", enabled=False)
    assert [await new_link(database, user, clock=clock) for user in ("root", "paul", "nobody")] == [None] * 3


async def test_programs_that_log_in_again_and_again_end_no_session(
    identity: EmbeddedIdentity, sessions: EmbeddedSessions, accounts: Accounts, clock: Clock
) -> None:
    opened = await sessions.sign_in(form(), None)
    erin, lab = await accounts.get_user("erin"), await accounts.get_project("lab")
    issued = []
    for _ in range(3):
        clock.advance(1)
        issued.append(await identity.login.without_password(erin, lab.id))
    identity.login._most = 3
    await identity.login.without_password(erin, lab.id)
    assert not await ended(sessions, opened)
    with pytest.raises(Unauthenticated):
        await identity.token_of(issued[0].text)


async def test_the_places_of_a_user_are_those_that_have_not_ended(
    sessions: EmbeddedSessions, database: Database, clock: Clock
) -> None:
    opened = [await sessions.sign_in(form(), "192.0.2.7"), await sessions.sign_in(form(project="archive"), None)]
    who = opened[0].session.principal
    for user in ("erin", "root"):
        assert await new_link(database, user, clock=clock)
    listed = await sessions.list_of(who, opened[0].text)
    assert sorted((each.kind, each.project_name, each.address, each.is_current) for each in listed) == [
        ("link", "lab", None, False), ("session", "archive", None, False), ("session", "lab", "192.0.2.7", True),
    ]  # fmt: skip
    other = next(each for each in listed if each.project_name == "archive")
    await sessions.end_of(who, other.id)
    assert [await ended(sessions, each) for each in opened] == [False, True]
    with pytest.raises(NotFound, match="sessions"):
        await sessions.end_of(who, other.id)
    clock.time += IDLE
    assert await sessions.list_of(who, None) == []


async def test_a_copy_of_the_database_signs_nobody_in(
    sessions: EmbeddedSessions, database: Database, clock: Clock
) -> None:
    opened, link = await sessions.sign_in(form(), "192.0.2.7"), await new_link(database, "erin", clock=clock)
    assert link is not None
    rows = await database.read(lambda connection: connection.execute(select(tokens)).all())
    assert len(rows) == 2
    assert not any(secret in str(rows) for secret in (opened.text, opened.text[4:], link, link[4:]))
