"""Application credentials, on every engine: their projects, roles, owners and ends."""

from datetime import timedelta
from typing import Any

import pytest

from fakes import Clock
from logins import DEFAULT, MEMBER, READER, by_credential, by_token, credential, login, project
from stillage.accounts.credential_request import credential_request_of
from stillage.accounts.names import role_id
from stillage.errors import AlreadyExists, Forbidden, InvalidInput, NotFound, Unauthenticated
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity

pytestmark = pytest.mark.usefixtures("people")


async def test_an_application_credential_gets_a_token_for_its_project(identity: EmbeddedIdentity) -> None:
    token = (await login(identity)).token
    credential_id, secret = await credential(identity, token)
    for request in (
        by_credential(id=credential_id, secret=secret),
        by_credential(name="ci", user={"id": token.user_id}, secret=secret),
        by_credential(name="ci", user={"name": "erin", "domain": DEFAULT}, secret=secret),
    ):
        token = (await identity.login(request)).token
        assert (token.user_name, token.project_name, token.roles) == ("erin", "lab", MEMBER)
        assert token.methods == ("application_credential",)
        assert token.credential is not None
        assert (token.credential.id, token.credential.name, token.credential.restricted) == (credential_id, "ci", True)


@pytest.mark.parametrize("role", [{"name": "reader"}, {"name": "Reader"}, {"id": role_id("reader")}])
async def test_an_application_credential_may_have_fewer_roles(identity: EmbeddedIdentity, role: dict[str, str]) -> None:
    credential_id, secret = await credential(identity, (await login(identity)).token, roles=[role])
    assert (await identity.login(by_credential(id=credential_id, secret=secret))).token.roles == READER


@pytest.mark.parametrize("role", ["admin", "unheard-of", "\0"])
async def test_an_application_credential_never_has_more_roles_than_its_maker(
    identity: EmbeddedIdentity, role: str
) -> None:
    with pytest.raises(InvalidInput, match="this token does not have the role"):
        await credential(identity, (await login(identity)).token, roles=[{"name": "member"}, {"name": role}])


async def test_an_application_credential_loses_what_its_owner_loses(
    identity: EmbeddedIdentity, accounts: Accounts
) -> None:
    credential_id, secret = await credential(identity, (await login(identity, "root")).token)
    await accounts.grant("secret", "root", "reader")
    await accounts.revoke("secret", "root", "admin")
    request = by_credential(id=credential_id, secret=secret)
    assert (await identity.login(request)).token.roles == READER
    await accounts.revoke("secret", "root", "reader")
    with pytest.raises(Unauthenticated):
        await identity.login(request)


async def test_an_application_credential_leads_to_no_other_project(identity: EmbeddedIdentity) -> None:
    credential_id, secret = await credential(identity, (await login(identity)).token)
    issued = await identity.login(by_credential(id=credential_id, secret=secret))
    scopes: list[Any] = [None, project("lab")]
    for scope in scopes:
        again = await identity.login(by_token(issued.text, scope))
        assert (again.token.project_name, again.token.roles) == ("lab", MEMBER)
        assert again.token.credential == issued.token.credential
    for scope in [project("archive"), "unscoped"]:
        with pytest.raises(Unauthenticated):
            await identity.login(by_token(issued.text, scope))


async def test_a_restricted_one_manages_no_others_however_its_token_came_about(identity: EmbeddedIdentity) -> None:
    owner = (await login(identity)).token
    credential_id, secret = await credential(identity, owner)
    issued = await identity.login(by_credential(id=credential_id, secret=secret))
    for token in (issued.token, (await identity.login(by_token(issued.text))).token):
        with pytest.raises(Forbidden, match="restricted"):
            await credential(identity, token, name="second")
        with pytest.raises(Forbidden, match="restricted"):
            await identity.credentials.delete(token.principal, owner.user_id, credential_id)


async def test_an_unrestricted_one_manages_others_within_its_own_roles(identity: EmbeddedIdentity) -> None:
    owner = (await login(identity)).token
    credential_id, secret = await credential(identity, owner, unrestricted=True, roles=[{"name": "reader"}])
    token = (await identity.login(by_credential(id=credential_id, secret=secret))).token
    with pytest.raises(InvalidInput, match="this token does not have the role"):
        await credential(identity, token, name="second", roles=[{"name": "member"}])
    second_id, second_secret = await credential(identity, token, name="second")
    assert (await identity.login(by_credential(id=second_id, secret=second_secret))).token.roles == READER
    await identity.credentials.delete(token.principal, owner.user_id, second_id)


async def test_tokens_end_with_the_application_credential(identity: EmbeddedIdentity, clock: Clock) -> None:
    owner = (await login(identity)).token
    end = clock() + timedelta(hours=1)
    credential_id, secret = await credential(identity, owner, expires_at=end.isoformat())
    issued = await identity.login(by_credential(id=credential_id, secret=secret))
    assert issued.token.expires_at == end
    clock.advance(3600)
    with pytest.raises(Unauthenticated):
        await identity.token_of(issued.text)
    with pytest.raises(Unauthenticated):
        await identity.login(by_credential(id=credential_id, secret=secret))


async def test_deleting_an_application_credential_ends_its_tokens(identity: EmbeddedIdentity) -> None:
    owner = await login(identity)
    credential_id, secret = await credential(identity, owner.token)
    issued = await identity.login(by_credential(id=credential_id, secret=secret))
    await identity.credentials.delete(owner.token.principal, owner.token.user_id, credential_id)
    with pytest.raises(Unauthenticated):
        await identity.principal_of(issued.text)
    with pytest.raises(Unauthenticated):
        await identity.login(by_credential(id=credential_id, secret=secret))
    await identity.principal_of(owner.text)


async def test_names_of_application_credentials_are_unique_for_each_user(identity: EmbeddedIdentity) -> None:
    erin, root = (await login(identity)).token, (await login(identity, "root")).token
    await credential(identity, erin)
    await credential(identity, root)
    with pytest.raises(AlreadyExists, match="ci"):
        await credential(identity, erin)


async def test_an_application_credential_needs_a_project_and_a_future(identity: EmbeddedIdentity, clock: Clock) -> None:
    with pytest.raises(InvalidInput, match="project"):
        await credential(identity, (await login(identity, scope="unscoped")).token)
    with pytest.raises(InvalidInput, match="past"):
        await credential(identity, (await login(identity)).token, expires_at=clock().isoformat())


async def test_application_credentials_are_their_owners_own(identity: EmbeddedIdentity) -> None:
    erin, root, paul = [(await login(identity, name)).token for name in ("erin", "root", "paul")]
    credential_id, _ = await credential(identity, erin)
    keeper = identity.credentials
    assert [found.id for found in await keeper.list_of(root.principal, erin.user_id, None)] == [credential_id]
    assert (await keeper.show(root.principal, erin.user_id, credential_id)).name == "ci"
    assert await keeper.list_of(erin.principal, erin.user_id, "other") == []
    wanted = credential_request_of({"application_credential": {"name": "mine"}})
    for forbidden in (
        keeper.create(root.principal, erin.user_id, wanted),
        keeper.list_of(paul.principal, erin.user_id, None),
        keeper.show(paul.principal, erin.user_id, credential_id),
        keeper.delete(paul.principal, erin.user_id, credential_id),
    ):
        with pytest.raises(Forbidden):
            await forbidden
    for missing in (
        keeper.show(erin.principal, erin.user_id, "none"),
        keeper.show(erin.principal, erin.user_id, "\0"),
        keeper.show(paul.principal, paul.user_id, credential_id),
        keeper.delete(paul.principal, paul.user_id, credential_id),
    ):
        with pytest.raises(NotFound):
            await missing
