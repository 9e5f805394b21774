"""Access keys and signed requests on every database."""

import asyncio
from hashlib import sha256

import pytest

from fakes import Clock
from stillage.accounts.principal import Kind, Principal
from stillage.errors import NotFound, SignatureRefused, TooManyAccessKeys
from stillage.identity.signing.canonical import Head
from stillage.identity.signing.signature import sign_request
from stillage.operations.identity.access_keys import MadeKey
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity

EMPTY = sha256(b"").hexdigest()


@pytest.fixture
async def people(accounts: Accounts) -> None:
    """Erin is a member of lab, her default, and a reader of works."""
    await accounts.create_project("lab")
    await accounts.create_project("works")
    await accounts.create_user("erin", "erins", project="lab")
    await accounts.grant("works", "erin", "reader")


async def made_by(identity: EmbeddedIdentity, accounts: Accounts, project: str | None = None) -> MadeKey:
    project_id = None if project is None else (await accounts.get_project(project)).id
    return await identity.access_keys.make((await accounts.get_user("erin")).id, project_id, "")


async def ask(
    identity: EmbeddedIdentity,
    made: MadeKey,
    clock: Clock,
    project: str | None = None,
    secret: str | None = None,
    address: str = "192.0.2.1",
) -> Principal:
    named = {"X-Security-Token": made.security_token, "X-Project-Id": project}
    chosen = {name: value for name, value in named.items() if value}
    added = sign_request(
        "GET",
        "http://h/v2/images",
        chosen,
        access_key=made.key.access,
        secret=secret or made.secret,
        payload=EMPTY,
        now=clock(),
    )
    sent = {"Host": "h", **chosen, **added}
    head = Head.of("GET", b"/v2/images", [(name.encode(), value.encode()) for name, value in sent.items()])
    found = await identity.signatures.recognise(head, address=address, project=project)
    return await identity.signatures.verify(found, EMPTY)


async def test_a_key_stands_for_its_user_in_the_project_that_is_asked_for(
    identity: EmbeddedIdentity, accounts: Accounts, people: None, clock: Clock
) -> None:
    of_user, of_works = await made_by(identity, accounts), await made_by(identity, accounts, "works")
    works = (await accounts.get_project("works")).id
    assert (await ask(identity, of_user, clock)).project_name == "lab"
    assert (await ask(identity, of_works, clock)).project_name == "works"
    signer = await ask(identity, of_user, clock, project=works)
    assert (signer.project_name, sorted(signer.roles)) == ("works", ["reader"])
    assert signer.kind is Kind.SIGNATURE


async def test_of_many_requests_for_a_key_at_once_two_get_one(
    identity: EmbeddedIdentity, accounts: Accounts, people: None
) -> None:
    results = await asyncio.gather(*(made_by(identity, accounts) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(result, MadeKey) for result in results) == 2
    assert sum(isinstance(result, TooManyAccessKeys) for result in results) == 4


async def test_a_temporary_key_goes_with_its_token(
    identity: EmbeddedIdentity, accounts: Accounts, people: None, clock: Clock
) -> None:
    erin, lab = await accounts.get_user("erin"), await accounts.get_project("lab")
    issued = await identity.login.without_password(erin, lab.id)
    made = await identity.access_keys.create_temporary(issued.token, 900)
    assert (await ask(identity, made, clock)).is_restricted
    assert await identity.access_keys.all_of(erin.id) == []
    await accounts.revoke("lab", "erin", "member")
    await accounts.grant("lab", "erin", "member")
    with pytest.raises(SignatureRefused, match="ak not exist"):
        await ask(identity, made, clock)


async def test_failures_are_counted_together_by_every_process(
    identity: EmbeddedIdentity, accounts: Accounts, people: None, clock: Clock
) -> None:
    made = await made_by(identity, accounts)
    for _ in range(5):
        with pytest.raises(SignatureRefused, match="canonicalRequest"):
            await ask(identity, made, clock, secret="another")
    with pytest.raises(SignatureRefused, match="reach the limit"):
        await ask(identity, made, clock)
    await ask(identity, made, clock, address="192.0.2.2")
    clock.advance(300)
    await ask(identity, made, clock)


async def test_a_lock_is_for_the_network_that_failed(
    identity: EmbeddedIdentity, accounts: Accounts, people: None, clock: Clock
) -> None:
    made = await made_by(identity, accounts)
    for number in range(5):
        with pytest.raises(SignatureRefused, match="canonicalRequest"):
            await ask(identity, made, clock, secret="another", address=f"2001:db8::{number}")
    with pytest.raises(SignatureRefused, match="reach the limit"):
        await ask(identity, made, clock, address="2001:db8::ffff")
    await ask(identity, made, clock, address="2001:db8:0:1::1")
    clock.advance(3600)
    assert await identity.forget_old() == 5


async def test_expired_temporary_keys_are_forgotten(
    identity: EmbeddedIdentity, accounts: Accounts, people: None, clock: Clock
) -> None:
    issued = await identity.login.without_password(await accounts.get_user("erin"), None)
    made = await identity.access_keys.create_temporary(issued.token, 900)
    clock.advance(900)
    with pytest.raises(SignatureRefused, match="expired"):
        await ask(identity, made, clock)
    assert await identity.forget_old() == 1


@pytest.mark.parametrize("access", ["GSNOTHERE00000000000", "a\0b", ""])
async def test_a_key_that_is_not_there_is_said_so(identity: EmbeddedIdentity, access: str) -> None:
    with pytest.raises(NotFound):
        await identity.access_keys.remove(access)
    with pytest.raises(NotFound):
        await identity.access_keys.set_enabled(access, enabled=True)
