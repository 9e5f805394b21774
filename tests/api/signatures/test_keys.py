"""Access keys over the API: permanent and temporary.

Source: Huawei Cloud, IAM API Reference, "Access Key Management".
"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from server import Answer
from signing_people import Key, Office, Signing, send
from stillage.accounts.key_request import MAX_DURATION_S
from stillage.errors import SecretUnreadable
from stillage.identity.vault import Vault

KEYS = "/v3.0/OS-CREDENTIAL/credentials"
TEMPORARY = "/v3.0/OS-CREDENTIAL/securitytokens"


async def ask(office: Office, method: str, path: str, token: str, document: Any = None) -> Answer:
    headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
    return await send(office.url, method, path, headers, b"" if document is None else json.dumps(document).encode())


def time_of(text: str) -> datetime:
    """As the vendor's SDK reads it: the fraction has to be there."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def by_token(token: str | None = None, **more: Any) -> dict[str, Any]:
    part = more if token is None else {"id": token, **more}
    return {"auth": {"identity": {"methods": ["token"], "token": part}}}


async def test_a_key_is_made_shown_changed_and_deleted(office: Office) -> None:
    token = await office.token()
    made = (await ask(office, "POST", KEYS, token, {"credential": {"description": "ci"}})).json["credential"]
    assert made.keys() == {"access", "secret", "status", "user_id", "create_time", "description"}
    assert time_of(made["create_time"]) == office.clock()
    path = f"/identity{KEYS}/{made['access']}"
    shown = (await ask(office, "GET", path, token)).json["credential"]
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    signing = Signing(office.url, Key(made["access"], made["secret"]), office.clock)
    assert (await signing("GET", "/v2/images")).status == 200
    changed = await ask(office, "PUT", path, token, {"credential": {"status": "inactive", "description": "old"}})
    assert (changed.json["credential"]["status"], changed.json["credential"]["description"]) == ("inactive", "old")
    assert (await signing("GET", "/v2/images")).status == 401
    assert (await ask(office, "GET", KEYS, token)).json["credentials"] == [changed.json["credential"]]
    assert (await ask(office, "DELETE", path, token)).status == 204
    assert (await ask(office, "GET", path, token)).status == 404


async def test_a_third_key_is_refused(office: Office) -> None:
    token = await office.token()
    statuses = [await ask(office, "POST", KEYS, token, {"credential": {}}) for _ in range(3)]
    assert [answer.status for answer in statuses] == [201, 201, 400]
    assert "akSkNumExceed" in statuses[2].message


async def test_a_signature_manages_keys_as_well(office: Office, erin: Signing) -> None:
    made = await erin("POST", KEYS, {"credential": {"description": "second"}})
    assert made.status == 201, made.body
    assert len((await erin("GET", KEYS)).json["credentials"]) == 2


async def test_others_keys_are_not_there_but_for_an_administrator(office: Office, erin: Signing) -> None:
    ada, paul = await office.token("ada"), await office.token("paul", None)
    path = f"{KEYS}/{erin.key.access}"
    assert (await ask(office, "GET", path, paul)).status == 404
    assert (await ask(office, "DELETE", path, paul)).status == 404
    owner = (await office.accounts.get_user("erin")).id
    assert (await ask(office, "GET", f"{KEYS}?user_id={owner}", paul)).status == 403
    assert (await ask(office, "POST", KEYS, paul, {"credential": {"user_id": owner}})).status == 403
    assert len((await ask(office, "GET", f"{KEYS}?user_id={owner}", ada)).json["credentials"]) == 1
    assert (await ask(office, "POST", KEYS, ada, {"credential": {"user_id": owner}})).status == 201
    assert (await ask(office, "POST", KEYS, ada, {"credential": {"user_id": "0" * 32}})).status == 404
    assert (await ask(office, "DELETE", path, ada)).status == 204


async def test_a_temporary_pair_comes_of_a_token_in_the_body_or_in_the_head(office: Office) -> None:
    token = await office.token()
    for answer in (
        await ask(office, "POST", TEMPORARY, "", by_token(token, duration_seconds=3600)),
        await ask(office, "POST", TEMPORARY, token, by_token(duration_seconds=3600)),
    ):
        assert answer.status == 201, answer.body
        made = answer.json["credential"]
        ends = time_of(made["expires_at"])
        assert (ends - office.clock()).total_seconds() == 3600
        key = Key(made["access"], made["secret"], made["securitytoken"])
        assert (await Signing(office.url, key, office.clock)("GET", "/v2/images")).status == 200


@pytest.mark.parametrize("duration", [899, MAX_DURATION_S + 1, "900", True, 900.0])
async def test_a_duration_that_cannot_be_is_refused(office: Office, duration: Any) -> None:
    token = await office.token()
    assert (await ask(office, "POST", TEMPORARY, token, by_token(duration_seconds=duration))).status == 400


async def test_what_ends_the_token_ends_the_pair(office: Office) -> None:
    token = await office.token()
    made = (await ask(office, "POST", TEMPORARY, token, by_token(duration_seconds=MAX_DURATION_S))).json["credential"]
    signing = Signing(office.url, Key(made["access"], made["secret"], made["securitytoken"]), office.clock)
    assert (await signing("GET", "/v2/images")).status == 200
    await office.identity.revoke((await office.identity.token_of(token)).principal, token)
    assert (await signing("GET", "/v2/images")).status == 401
    other = await office.temporary()
    await office.accounts.set_password("erin", "other")
    assert (await other("GET", "/v2/images")).status == 401


async def test_a_pair_ends_with_its_token_and_is_forgotten(office: Office) -> None:
    token = await office.token()
    office.clock.advance(24 * 3600 - 600)
    made = (await ask(office, "POST", TEMPORARY, token, by_token())).json["credential"]
    ends = time_of(made["expires_at"])
    assert (ends - office.clock()).total_seconds() == 600
    office.clock.advance(600)
    assert await office.identity.forget_old() == 1  # the token, and the pair with it


async def test_a_temporary_pair_makes_no_keys(office: Office) -> None:
    temporary = await office.temporary()
    assert (await temporary("POST", KEYS, {"credential": {}})).status == 403
    owner = (await office.accounts.get_user("erin")).id
    wanted = {"application_credential": {"name": "ci"}}
    assert (await temporary("POST", f"/v3/users/{owner}/application_credentials", wanted)).status == 403


async def test_an_application_credential_makes_no_keys(office: Office) -> None:
    token, owner = await office.token(), (await office.accounts.get_user("erin")).id
    wanted = {"application_credential": {"name": "ci", "unrestricted": True}}
    made = (await ask(office, "POST", f"/v3/users/{owner}/application_credentials", token, wanted)).json
    made = made["application_credential"]
    auth = {
        "methods": ["application_credential"],
        "application_credential": {"id": made["id"], "secret": made["secret"]},
    }
    issued = await ask(office, "POST", "/v3/auth/tokens", "", {"auth": {"identity": auth}})
    token = issued.headers["x-subject-token"]
    assert (await ask(office, "POST", KEYS, token, {"credential": {}})).status == 403
    assert (await ask(office, "POST", TEMPORARY, token, by_token())).status == 403


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (KEYS, {}),
        (KEYS, []),
        (KEYS, {"credential": {"user_id": 7}}),
        (KEYS, {"credential": {"description": "x" * 256}}),
        (TEMPORARY, {"auth": {"identity": {"methods": ["assume_role"]}}}),
        (TEMPORARY, {"auth": {"identity": {"methods": ["token"], "policy": {"Version": "1.1"}}}}),
    ],
)
async def test_what_cannot_be_made_is_refused(office: Office, path: str, document: Any) -> None:
    assert (await ask(office, "POST", path, await office.token(), document)).status == 400


async def test_secrets_are_encrypted_at_rest_under_their_own_name(office: Office, erin: Signing) -> None:
    owner = (await office.accounts.get_user("erin")).id
    (key,) = await office.identity.access_keys.all_of(owner)
    assert erin.key.secret not in repr(key)
    assert erin.key.secret not in key.sealed
    vault = Vault(bytes(32))
    assert vault.open(key.access, key.sealed) == erin.key.secret
    with pytest.raises(SecretUnreadable):
        vault.open("another", key.sealed)
    with pytest.raises(SecretUnreadable):
        Vault(bytes(31) + b"x").open(key.access, key.sealed)


async def test_the_audit_names_who_made_which_key(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    token = await office.token()
    made = (await ask(office, "POST", TEMPORARY, token, by_token())).json["credential"]
    written = capsys.readouterr().out
    assert made["access"] in written
    assert (await office.accounts.get_user("erin")).id in written
    assert made["secret"] not in written
    assert made["securitytoken"] not in written
