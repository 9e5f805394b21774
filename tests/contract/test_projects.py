"""Lists of projects, on every engine: who sees which."""

from dataclasses import replace

import pytest

from logins import login, project
from stillage.db.people import Page
from stillage.errors import Forbidden, NotFound
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity

ALL = Page(limit=100)

pytestmark = pytest.mark.usefixtures("people")


async def test_a_user_sees_his_own_projects_and_an_admin_all(identity: EmbeddedIdentity, accounts: Accounts) -> None:
    erin, root, paul = [(await login(identity, name)).token for name in ("erin", "root", "paul")]
    look = identity.directory
    assert [p.name for p in await look.own(erin.principal)] == ["archive", "lab"]
    assert [p.name for p in await look.search(erin.principal, ALL)] == ["archive", "lab"]
    assert [p.name for p in await look.search(erin.principal, replace(ALL, name="lab"))] == ["lab"]
    assert [p.name for p in await look.search(root.principal, ALL)] == ["archive", "lab", "secret"]
    assert [p.name for p in await look.of_user(root.principal, erin.user_id)] == ["archive", "lab"]
    assert await look.own(paul.principal) == []
    assert await look.search(root.principal, replace(ALL, name="none")) == []
    assert (await look.show(root.principal, (await accounts.get_project("lab")).id)).name == "lab"
    with pytest.raises(NotFound):
        await look.show(root.principal, "none")


@pytest.mark.parametrize("name", ["secret", "none", "\0"])
async def test_others_projects_look_like_none(identity: EmbeddedIdentity, accounts: Accounts, name: str) -> None:
    erin = (await login(identity)).token
    project_id = (await accounts.get_project(name)).id if name == "secret" else name
    refusals = []
    search = identity.directory.search(erin.principal, replace(ALL, name=name))
    for look in (search, identity.directory.show(erin.principal, project_id)):
        with pytest.raises(Forbidden) as refused:
            await look
        refusals.append(str(refused.value))
    assert name not in "".join(refusals)
    with pytest.raises(Forbidden):
        await identity.directory.of_user(erin.principal, "somebody")


async def test_a_disabled_project_is_in_nobodys_list(identity: EmbeddedIdentity, accounts: Accounts) -> None:
    erin = (await login(identity, scope=project("archive"))).token
    await accounts.set_project_enabled("lab", enabled=False)
    assert [p.name for p in await identity.directory.own(erin.principal)] == ["archive"]
