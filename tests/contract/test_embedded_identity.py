"""The embedded identity, on every engine: who gets a token, what it is worth, and when it ends."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, inspect, text

from fakes import Clock, CountingHasher
from stillage.accounts.credential_request import credential_request_of
from stillage.accounts.login_request import LoginRequest, login_request_of
from stillage.accounts.names import role_id
from stillage.accounts.secrets import new_token
from stillage.accounts.token import Token
from stillage.db.session import Database
from stillage.errors import AlreadyExists, Forbidden, InvalidInput, NotFound, TooManyFailures, Unauthenticated
from stillage.identity.passwords import Passwords
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity
from stillage.operations.identity.login import Issued

pytestmark = pytest.mark.usefixtures("people")

DEFAULT = {"name": "Default"}
MEMBER = frozenset({"member", "reader"})
READER = frozenset({"reader"})


@pytest.fixture
async def people(accounts: Accounts) -> None:
    """Erin is a member of lab, her default, and a reader of archive; root is an admin; paul belongs nowhere."""
    for project in ("lab", "archive", "secret"):
        await accounts.create_project(project)
    await accounts.create_user("erin", "erins", project="lab")
    await accounts.grant("archive", "erin", "reader")
    await accounts.create_user("root", "roots", project="secret", role="admin")
    await accounts.create_user("paul", "pauls")


def by_password(user: str = "erin", password: str | None = None, scope: Any = None) -> LoginRequest:
    identity = {"user": {"name": user, "domain": DEFAULT, "password": password or f"{user}s"}}
    return login_request_of({"auth": {"identity": {"methods": ["password"], "password": identity}, "scope": scope}})


def by_token(token: str, scope: Any = None) -> LoginRequest:
    return login_request_of({"auth": {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": scope}})


def by_credential(**values: str | dict[str, Any]) -> LoginRequest:
    identity = {"methods": ["application_credential"], "application_credential": values}
    return login_request_of({"auth": {"identity": identity}})


def project(name: str) -> dict[str, Any]:
    return {"project": {"name": name, "domain": DEFAULT}}


async def login(identity: EmbeddedIdentity, user: str = "erin", scope: Any = None) -> Issued:
    return await identity.login(by_password(user, scope=scope))


async def credential(identity: EmbeddedIdentity, token: Token, **values: Any) -> tuple[str, str]:
    """Return id and secret of a new application credential."""
    wanted = credential_request_of({"application_credential": {"name": "ci", **values}})
    made, secret = await identity.credentials.create(token.principal, token.user_id, wanted)
    return made.id, secret


# Logging in


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


OTHER_DOMAIN = {"project": {"name": "lab", "domain": {"name": "other"}}}


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


# Tokens from tokens


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


# Application credentials


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


# The end of tokens


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


# Looking at tokens


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
    selects = [statement for statement in statements if not statement.startswith("BEGIN")]
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


# The limit on failures


async def fail(identity: EmbeddedIdentity, user: str = "erin", times: int = 3) -> None:
    for _ in range(times):
        with pytest.raises(Unauthenticated):
            await identity.login(by_password(user, "wrong"))


@pytest.mark.parametrize("user", ["erin", "nobody"])
async def test_after_too_many_failures_even_the_right_password_is_refused(
    identity: EmbeddedIdentity, hasher: CountingHasher, user: str
) -> None:
    await fail(identity, user)
    before = hasher.verified
    with pytest.raises(TooManyFailures) as refused:
        await login(identity, user)
    assert refused.value.retry_after_s == 60
    assert hasher.verified == before
    await login(identity, "root")


async def test_waiting_helps(identity: EmbeddedIdentity, clock: Clock) -> None:
    await fail(identity, times=1)
    clock.advance(20.5)
    await fail(identity, times=2)
    with pytest.raises(TooManyFailures) as refused:
        await login(identity)
    assert refused.value.retry_after_s == 40
    clock.advance(40)
    await login(identity)


async def test_being_refused_does_not_prolong_the_wait(identity: EmbeddedIdentity, clock: Clock) -> None:
    await fail(identity)
    clock.advance(59)
    with pytest.raises(TooManyFailures):
        await login(identity)
    clock.advance(1)
    await login(identity)


async def test_a_success_wipes_the_slate_clean(identity: EmbeddedIdentity) -> None:
    for _ in range(3):
        await fail(identity, times=2)
        await login(identity)


async def test_the_user_is_the_same_by_id_and_by_name(identity: EmbeddedIdentity, accounts: Accounts) -> None:
    user = await accounts.get_user("erin")
    methods = {"methods": ["password"], "password": {"user": {"id": user.id, "password": "wrong"}}}
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await identity.login(login_request_of({"auth": {"identity": methods}}))
    with pytest.raises(TooManyFailures):
        await login(identity)


async def test_guesses_that_come_all_at_once_are_counted(identity: EmbeddedIdentity, hasher: CountingHasher) -> None:
    guesses = [identity.login(by_password(password=f"guess {n}")) for n in range(30)]
    results = await asyncio.gather(*guesses, return_exceptions=True)
    kinds = [type(result) for result in results]
    assert (kinds.count(Unauthenticated), kinds.count(TooManyFailures)) == (3, 27)
    assert hasher.verified == 3


async def test_many_logins_at_once_with_the_right_password_all_succeed(identity: EmbeddedIdentity) -> None:
    assert len(await asyncio.gather(*(login(identity) for _ in range(20)))) == 20


async def test_a_wrong_project_is_no_wrong_password(identity: EmbeddedIdentity) -> None:
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await login(identity, scope=project("secret"))
    await login(identity)


async def test_an_application_credential_that_fails_does_not_lock_its_owner_out(identity: EmbeddedIdentity) -> None:
    token = (await login(identity)).token
    credential_id, secret = await credential(identity, token)
    by_id = by_credential(id=credential_id, secret="wrong")
    by_name = by_credential(name="ci", user={"id": token.user_id}, secret="wrong")
    for request in (by_id, by_name, by_id):
        with pytest.raises(Unauthenticated):
            await identity.login(request)
    with pytest.raises(TooManyFailures):
        await identity.login(by_credential(id=credential_id, secret=secret))
    await login(identity)


async def test_what_is_over_is_forgotten(identity: EmbeddedIdentity, clock: Clock) -> None:
    await fail(identity, "nobody", times=2)
    await login(identity)
    assert await identity.forget_old() == 0
    clock.advance(24 * 3600)
    # The token, and each failure: of the name, of the network, and of the name from there.
    assert await identity.forget_old() == 1 + 2 * 3


# Projects


async def test_a_user_sees_his_own_projects_and_an_admin_all(identity: EmbeddedIdentity, accounts: Accounts) -> None:
    erin, root, paul = [(await login(identity, name)).token for name in ("erin", "root", "paul")]
    look = identity.directory
    assert [p.name for p in await look.own(erin.principal)] == ["archive", "lab"]
    assert [p.name for p in await look.search(erin.principal, None)] == ["archive", "lab"]
    assert [p.name for p in await look.search(erin.principal, "lab")] == ["lab"]
    assert [p.name for p in await look.search(root.principal, None)] == ["archive", "lab", "secret"]
    assert [p.name for p in await look.of_user(root.principal, erin.user_id)] == ["archive", "lab"]
    assert await look.own(paul.principal) == []
    assert await look.search(root.principal, "none") == []
    assert (await look.show(root.principal, (await accounts.get_project("lab")).id)).name == "lab"
    with pytest.raises(NotFound):
        await look.show(root.principal, "none")


@pytest.mark.parametrize("name", ["secret", "none", "\0"])
async def test_others_projects_look_like_none(identity: EmbeddedIdentity, accounts: Accounts, name: str) -> None:
    erin = (await login(identity)).token
    project_id = (await accounts.get_project(name)).id if name == "secret" else name
    refusals = []
    for look in (identity.directory.search(erin.principal, name), identity.directory.show(erin.principal, project_id)):
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


# Accounts


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
