"""Logging in to the embedded identity, on every engine: who gets a token, and what it is worth."""

import asyncio
from datetime import timedelta

import pytest

from fakes import Clock, CountingHasher
from logins import (
    DEFAULT,
    MEMBER,
    OTHER_DOMAIN,
    READER,
    by_credential,
    by_password,
    by_token,
    credential,
    login,
    project,
)
from stillage.accounts.login_request import LoginRequest, login_request_of
from stillage.accounts.secrets import new_token
from stillage.errors import Unauthenticated
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity

pytestmark = pytest.mark.usefixtures("people")


async def test_a_password_gets_a_token_for_the_default_project(identity: EmbeddedIdentity, clock: Clock) -> None:
    issued = await login(identity)
    token = issued.token
    assert (token.user_name, token.project_name, token.roles) == ("erin", "lab", MEMBER)
    assert (token.methods, token.credential) == (("password",), None)
    assert (token.issued_at, token.expires_at) == (clock(), clock() + timedelta(hours=24))
    assert await identity.token_of(issued.text) == token


@pytest.mark.parametrize(("name", "roles"), [("lab", MEMBER), ("archive", READER)])
async def test_a_token_has_the_roles_in_its_own_project(
    identity: EmbeddedIdentity, name: str, roles: frozenset[str]
) -> None:
    principal = await identity.principal_of((await login(identity, scope=project(name))).text)
    assert (principal.user_name, principal.project_name, principal.roles) == ("erin", name, roles)


async def test_roles_imply_others(identity: EmbeddedIdentity) -> None:
    principal = await identity.principal_of((await login(identity, "root")).text)
    assert principal.roles == {"admin", "member", "reader"}
    assert "admin" in principal.roles


async def test_user_and_project_may_be_named_by_id(identity: EmbeddedIdentity, accounts: Accounts) -> None:
    user, archive = await accounts.get_user("erin"), await accounts.get_project("archive")
    methods = {"methods": ["password"], "password": {"user": {"id": user.id, "password": "erins"}}}
    request = login_request_of({"auth": {"identity": methods, "scope": {"project": {"id": archive.id}}}})
    assert (await identity.login(request)).token.project_name == "archive"


@pytest.mark.parametrize("user", ["erin", "paul"])
async def test_an_unscoped_token_is_good_for_no_image_call(identity: EmbeddedIdentity, user: str) -> None:
    # Paul has no default project, so without a scope his is unscoped.
    issued = await login(identity, user, scope="unscoped" if user == "erin" else None)
    assert (issued.token.project_id, issued.token.roles) == (None, frozenset())
    assert await identity.token_of(issued.text) == issued.token
    with pytest.raises(Unauthenticated):
        await identity.principal_of(issued.text)


async def test_a_default_project_without_a_role_or_disabled_gives_an_unscoped_token(
    identity: EmbeddedIdentity, accounts: Accounts
) -> None:
    await accounts.set_project_enabled("lab", enabled=False)
    assert (await login(identity)).token.project_id is None
    await accounts.set_project_enabled("lab", enabled=True)
    await accounts.revoke("lab", "erin", "member")
    assert (await login(identity)).token.project_id is None


@pytest.mark.parametrize(
    "request_",
    [
        by_password(password="wrong"),
        by_password("nobody"),
        by_password("Erin", "erins"),
        by_password(scope=project("secret")),
        by_password(scope=project("nowhere")),
        by_password(scope=project("Lab")),
        by_password(scope=OTHER_DOMAIN),
        by_password(scope={"domain": {"id": "default"}}),
        by_password(scope={"system": {"all": True}}),
        by_password("root", scope={"system": {"all": True}}),
        by_password("paul", scope=project("lab")),
        by_token("gst1"),
        by_token(new_token()),
        by_credential(id="unknown", secret="s"),
        by_credential(name="ci", user={"name": "erin", "domain": DEFAULT}, secret="s"),
        by_credential(name="ci", user={"name": "nobody", "domain": DEFAULT}, secret="s"),
    ],
)
async def test_whatever_is_wrong_the_answer_is_the_same(identity: EmbeddedIdentity, request_: LoginRequest) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await identity.login(request_)
    assert str(refused.value) == "The request you have made requires authentication."


async def test_a_user_of_another_domain_is_unknown(identity: EmbeddedIdentity) -> None:
    user = {"name": "erin", "domain": {"id": "other"}, "password": "erins"}
    request = login_request_of({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}})
    with pytest.raises(Unauthenticated):
        await identity.login(request)


async def test_every_login_by_secret_costs_one_verification(
    identity: EmbeddedIdentity, accounts: Accounts, hasher: CountingHasher
) -> None:
    token = (await login(identity)).token
    credential_id, secret = await credential(identity, token)
    await accounts.set_user_enabled("paul", enabled=False)
    requests = [
        by_password(),
        by_password(password="wrong"),
        by_password("nobody"),
        by_password("paul"),
        by_password(scope=project("secret")),
        by_credential(id=credential_id, secret=secret),
        by_credential(id=credential_id, secret="wrong"),
        by_credential(id="unknown", secret="wrong"),
        by_credential(name="ci", user={"id": token.user_id}, secret=secret),
        by_credential(name="none", user={"id": token.user_id}, secret=secret),
        by_credential(name="ci", user={"id": "nobody"}, secret=secret),
    ]
    for request in requests:
        before = hasher.verified
        await asyncio.gather(identity.login(request), return_exceptions=True)
        assert hasher.verified - before == 1, request
