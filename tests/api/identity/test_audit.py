"""What the audit is told of the identity API."""

from typing import Any

from aiohttp import ClientSession
from structlog.testing import capture_logs

from asking import TOKENS, headers_of, log_in, password
from stillage.operations.identity.accounts import Accounts


async def told(api: ClientSession, method: str, path: str, **given: Any) -> tuple[Any, Any]:
    with capture_logs() as lines:
        async with api.request(method, path, **given) as response:
            document = await response.json() if response.content_length else None
    (event,) = [line for line in lines if line["event"] == "audit"]
    assert event["reason"]["reasonCode"] == str(response.status)
    return document, event


async def test_a_login_is_told_of(api: ClientSession, accounts: Accounts) -> None:
    document, event = await told(api, "POST", TOKENS, json=password())
    erin = document["token"]["user"]["id"]
    assert (event["action"], event["outcome"], event["target"]["id"]) == ("authenticate", "success", erin)
    initiator = event["initiator"]
    assert (initiator["id"], initiator["name"]) == (erin, "erin")
    assert initiator["project_id"] == document["token"]["project"]["id"]
    assert initiator["credential"] == {"type": "password"}


async def test_a_failed_login_names_the_user_if_there_is_one_and_never_what_was_typed(
    api: ClientSession, accounts: Accounts
) -> None:
    _, event = await told(api, "POST", TOKENS, json=password(secret="not hers"))
    assert (event["action"], event["outcome"]) == ("authenticate", "failure")
    assert event["target"]["id"] == (await accounts.get_user("erin")).id
    assert event["initiator"]["id"] == "unknown"
    assert "not hers" not in str(event)
    _, event = await told(api, "POST", TOKENS, json=password("hunter2"))
    assert event["target"]["id"] == "unknown"
    assert "hunter2" not in str(event)


async def test_tokens_and_credentials_are_told_of(api: ClientSession) -> None:
    text, token = await log_in(api)
    headers, user_id = {"X-Auth-Token": text}, token["user"]["id"]
    path = f"/v3/users/{user_id}/application_credentials"
    wanted = {"application_credential": {"name": "ci", "secret": "very secret"}}
    document, event = await told(api, "POST", path, json=wanted, headers=headers)
    made = document["application_credential"]["id"]
    assert (event["action"], event["target"]["id"]) == ("create", made)
    assert event["target"]["typeURI"] == "data/security/credential/application"
    assert event["initiator"]["id"] == user_id
    assert "very secret" not in str(event)
    _, event = await told(api, "DELETE", f"{path}/{made}", headers=headers)
    assert (event["action"], event["target"]["id"]) == ("delete", made)
    other = await headers_of(api)
    _, event = await told(api, "DELETE", "/v3/auth/tokens", headers=other | {"X-Subject-Token": text})
    assert (event["action"], event["outcome"], event["initiator"]["id"]) == ("revoke", "success", user_id)
    assert text not in str(event)
