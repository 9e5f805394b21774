"""Users, projects and roles, on every engine: making, granting and revoking them."""

import asyncio

import pytest

from fakes import Clock
from stillage.db.session import Database
from stillage.errors import AlreadyExists, InvalidInput, NotFound
from stillage.identity.passwords import Passwords
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity

pytestmark = pytest.mark.usefixtures("people")


async def test_of_several_who_make_the_same_user_one_succeeds(
    accounts: Accounts, database_url: str, passwords: Passwords, clock: Clock
) -> None:
    other = Database(database_url)
    try:
        both = [accounts, Accounts(other, passwords, clock=clock)]
        makes = [keeper.create_user("new", "pw", project="lab") for keeper in both for _ in range(4)]
        results = await asyncio.gather(*makes, return_exceptions=True)
    finally:
        other.close()
    assert [type(result) for result in results].count(AlreadyExists) == 7
    assert [member.roles for member in await accounts.members() if member.user == "new"] == [("member",)]


async def test_of_several_who_grant_the_same_role_all_succeed(accounts: Accounts) -> None:
    granted = await asyncio.gather(*(accounts.grant("lab", "paul", "reader") for _ in range(8)))
    assert granted.count(True) == 1
    assert [member.roles for member in await accounts.members() if member.user == "paul"] == [("reader",)]


async def test_the_same_name_in_another_case_is_another_name(accounts: Accounts) -> None:
    await accounts.create_user("Erin", "pw")
    await accounts.create_project("Lab")
    assert [user.name for user in await accounts.users() if user.name.lower() == "erin"]
    assert {"lab", "Lab"} <= {found.name for found in await accounts.projects()}


async def test_a_user_whose_project_is_unknown_is_not_made(accounts: Accounts) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        await accounts.create_user("new", "pw", project="nowhere")
    with pytest.raises(InvalidInput, match="role"):
        await accounts.create_user("new", "pw", project="lab", role="two words")
    with pytest.raises(NotFound):
        await accounts.get_user("new")


@pytest.mark.parametrize("name", ["", "a\nb", "\0", "x" * 256])
async def test_names_that_cannot_be_are_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(InvalidInput):
        await accounts.create_user(name, "pw")
    with pytest.raises(InvalidInput):
        await accounts.create_project(name)
    with pytest.raises(NotFound):
        await accounts.get_user(name)
    with pytest.raises(NotFound):
        await accounts.get_project(name)


async def test_a_role_that_is_not_there_cannot_be_taken(accounts: Accounts) -> None:
    with pytest.raises(NotFound, match="archive"):
        await accounts.revoke("archive", "erin", "admin")


async def test_a_token_without_a_password_is_for_the_obvious_project(
    accounts: Accounts, identity: EmbeddedIdentity
) -> None:
    erin, paul = await accounts.get_user("erin"), await accounts.get_user("paul")
    lab, archive = await accounts.get_project("lab"), await accounts.get_project("archive")
    assert await accounts.scope_of(erin, None) == lab.id
    assert await accounts.scope_of(erin, "archive") == archive.id
    rosa = await accounts.create_user("rosa", "rosas")
    await accounts.grant("lab", "rosa", "member")
    await accounts.grant("archive", "rosa", "member")
    with pytest.raises(InvalidInput, match="archive, lab"):
        await accounts.scope_of(rosa, None)
    with pytest.raises(InvalidInput, match="none"):
        await accounts.scope_of(paul, None)
    await accounts.grant("archive", "paul", "reader")
    issued = await identity.login.without_password(paul, await accounts.scope_of(paul, None))
    assert (await identity.principal_of(issued.text)).project_name == "archive"
