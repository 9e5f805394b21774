"""Users, projects and roles by their ids, on every engine: what changes, what ends, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert

import builders
from fakes import Clock
from logins import credential, login, project
from stillage.accounts.names import role_id
from stillage.accounts.people_request import PasswordRequest, ProjectRequest, UserRequest
from stillage.accounts.principal import Principal
from stillage.db import images
from stillage.db.people import Page
from stillage.db.session import Database
from stillage.db.tables import usage
from stillage.errors import (
    AlreadyExists,
    LastAdministrator,
    NotFound,
    ProjectInUse,
    TooManyFailures,
    Unauthenticated,
)
from stillage.ids import ProjectId
from stillage.images.image import Image
from stillage.images.quota import scope_of_project
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity

pytestmark = pytest.mark.usefixtures("people")


@pytest.fixture
async def root(identity: EmbeddedIdentity) -> Principal:
    return (await login(identity, "root")).token.principal


async def ended(identity: EmbeddedIdentity, text: str) -> bool:
    try:
        await identity.token_of(text)
    except Unauthenticated:
        return True
    return False


async def test_users_are_listed_in_pages(identity: EmbeddedIdentity, root: Principal) -> None:
    people = identity.people
    paul = next(user for user in await people.page(root, Page(10)) if user.name == "paul")
    assert [user.name for user in await people.page(root, Page(1))] == ["erin", "paul"]  # one more than asked for
    assert [user.name for user in await people.page(root, Page(9, marker=paul.id))] == ["root"]
    assert [user.name for user in await people.page(root, Page(9, contains="R"))] == ["erin", "root"]
    assert await people.page(root, Page(9, contains="%")) == []
    assert await people.page(root, Page(9, enabled=False)) == []


async def test_what_changes_of_a_user_ends_tokens_only_if_it_takes_rights(
    identity: EmbeddedIdentity, root: Principal
) -> None:
    issued = await login(identity)
    erin = issued.token.user_id
    same = UserRequest(name="erin2", enabled=True, extra={"email": "e@x", "description": "d"})
    changed = await identity.people.change(root, erin, same)
    assert (changed.name, changed.extra) == ("erin2", {"email": "e@x", "description": "d"})
    changed = await identity.people.change(root, erin, UserRequest(name="erin", extra={"email": None}))
    assert changed.extra == {"description": "d"}
    assert not await ended(identity, issued.text)
    for change in (UserRequest(enabled=False), UserRequest(enabled=True), UserRequest(password="new")):
        text = (await login(identity)).text if change.enabled is not True else issued.text
        await identity.people.change(root, erin, change)
        assert await ended(identity, text)
    await identity.people.change(root, erin, UserRequest(drops_password=True))
    with pytest.raises(Unauthenticated):
        await login(identity)


async def test_a_user_is_deleted_with_everything_that_is_his(
    identity: EmbeddedIdentity, accounts: Accounts, root: Principal
) -> None:
    issued = await login(identity)
    await credential(identity, issued.token, name="ci")
    await identity.access_keys.make(issued.token.user_id, issued.token.project_id, "")
    await identity.access_keys.create_temporary(issued.token, 900)
    await identity.people.delete(root, issued.token.user_id)
    assert await ended(identity, issued.text)
    assert [member.user for member in await accounts.members()] == ["root"]
    with pytest.raises(NotFound):
        await identity.people.delete(root, issued.token.user_id)


async def test_the_last_administrator_stays_one(
    identity: EmbeddedIdentity, accounts: Accounts, root: Principal
) -> None:
    admin, secret = role_id("admin"), root.project_id
    for attempt in (
        identity.people.delete(root, root.user_id),
        identity.people.change(root, root.user_id, UserRequest(enabled=False)),
        identity.roles.revoke(root, secret, root.user_id, admin),
        identity.projects.change(root, secret, ProjectRequest(enabled=False)),
        identity.projects.delete(root, secret),
    ):
        with pytest.raises(LastAdministrator):
            await attempt
    erin = await accounts.get_user("erin")
    await identity.roles.grant(root, (await accounts.get_project("lab")).id, erin.id, admin)
    await identity.people.delete(root, root.user_id)


async def test_a_project_with_images_or_jobs_stays(
    identity: EmbeddedIdentity, accounts: Accounts, root: Principal, database: Database
) -> None:
    lab = await accounts.get_project("lab")
    image: Image = replace(builders.image(), owner=lab.id)
    await database.write(images.add, image)
    with pytest.raises(ProjectInUse, match="1 images and 0 jobs"):
        await identity.projects.delete(root, lab.id)
    assert (await accounts.get_user("erin")).default_project_id == lab.id


async def test_a_project_is_deleted_with_the_rights_to_it(
    identity: EmbeddedIdentity, accounts: Accounts, root: Principal, database: Database
) -> None:
    issued, archived = await login(identity), await login(identity, scope=project("archive"))
    lab = issued.token.project_id
    assert lab is not None
    await credential(identity, issued.token, name="ci")
    await identity.access_keys.make(issued.token.user_id, lab, "")
    row: dict[str, Any] = {"scope": scope_of_project(lab), "bytes": 0, "images": 0, "uploads": 0}
    await database.write(lambda connection: connection.execute(insert(usage).values(row)))
    await identity.projects.delete(root, lab)
    assert await ended(identity, issued.text)
    assert not await ended(identity, archived.text)
    assert (await accounts.get_user("erin")).default_project_id is None
    assert [key.project_id for key in await identity.access_keys.all_of(issued.token.user_id)] == [None]
    assert [member.project for member in await accounts.members()] == ["archive", "secret"]


async def test_roles_are_given_and_taken(identity: EmbeddedIdentity, accounts: Accounts, root: Principal) -> None:
    paul, lab = await accounts.get_user("paul"), await accounts.get_project("lab")
    reader = role_id("reader")
    for _ in range(2):
        await identity.roles.grant(root, lab.id, paul.id, reader)
    await identity.roles.require(root, lab.id, paul.id, reader)
    issued = await login(identity, "paul", scope=project("lab"))
    await identity.roles.revoke(root, lab.id, paul.id, reader)
    assert await ended(identity, issued.text)
    for attempt in (
        identity.roles.revoke(root, lab.id, paul.id, reader),
        identity.roles.require(root, lab.id, paul.id, reader),
        identity.roles.grant(root, lab.id, paul.id, "0" * 32),
        identity.roles.grant(root, lab.id, "0" * 32, reader),
        identity.roles.grant(root, "0" * 32, paul.id, reader),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert list(await identity.roles.names(root)) == ["admin", "member", "reader", "service"]
    effective = await identity.roles.assignments(root, user_id=root.user_id, project_id=None, effective=True)
    assert [assignment.role for assignment in effective] == ["admin", "member", "reader"]


async def test_names_and_default_projects_are_checked(
    identity: EmbeddedIdentity, accounts: Accounts, root: Principal
) -> None:
    erin = await accounts.get_user("erin")
    with pytest.raises(AlreadyExists):
        await identity.people.change(root, erin.id, UserRequest(name="paul"))
    with pytest.raises(AlreadyExists):
        await identity.people.create(root, UserRequest(name="paul"))
    with pytest.raises(AlreadyExists):
        await identity.projects.change(root, root.project_id, ProjectRequest(name="lab"))
    with pytest.raises(NotFound):
        await identity.people.create(root, UserRequest(name="new", default_project_id=ProjectId("0" * 32)))


async def test_a_password_is_changed_with_the_old_one_and_not_guessed(identity: EmbeddedIdentity, clock: Clock) -> None:
    issued = await login(identity)
    erin = issued.token.principal
    await identity.people.change_password(erin, erin.user_id, PasswordRequest("erins", "newer"), "192.0.2.1")
    assert await ended(identity, issued.text)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await identity.people.change_password(erin, erin.user_id, PasswordRequest("erins", "x"), "192.0.2.1")
    with pytest.raises(TooManyFailures):
        await identity.people.change_password(erin, erin.user_id, PasswordRequest("newer", "x"), "192.0.2.1")
