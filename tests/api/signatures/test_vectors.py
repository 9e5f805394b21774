"""The recorded requests of real SDKs, octet by octet, to a server that knows their keys.

Source: `tests/data/aksk/README.md`.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from signing_people import Office, new_image, send_raw
from stillage.accounts.key_request import MIN_DURATION_S
from stillage.accounts.people import Project
from stillage.accounts.secrets import digest_of
from stillage.db import access_keys, identity
from stillage.identity.signing.signature import DATE_FORMAT
from stillage.ids import ProjectId

FILE = Path(__file__).parents[2] / "data" / "aksk" / "aksk.json"
VECTORS: Sequence[dict[str, Any]] = json.loads(FILE.read_text())["vectors"]
UNSUPPORTED = {"SDK-HMAC-SM3", "SDK-ECDSA-P256-SHA256", "SDK-SM2-SM3"}
PROJECT = ProjectId("0f0e0d0c0b0a09080706050403020100")
IMAGE = "1e0b0f5c-7d0b-4a52-9d52-3f1e5f4f2a10"


async def learn(office: Office, known: dict[str, str]) -> None:
    """Let the server know this key, and no other one of Erin's."""
    identity_, erin = office.identity, await office.accounts.get_user("erin")
    for key in await identity_.access_keys.all_of(erin.id):
        await identity_.access_keys.remove(key.access)
    await office.services.database.write(access_keys.remove, known["ak"])
    made = (await identity_.access_keys.make(erin.id, PROJECT, "")).key
    await identity_.access_keys.remove(made.access)
    sealed = identity_.signatures.vault.seal(known["ak"], known["sk"])
    key = replace(made, access=known["ak"], sealed=sealed)
    if "security_token" not in known:
        await office.services.database.write(access_keys.add_permanent, key)
        return
    token = await identity_.token_of((await identity_.login.without_password(erin, PROJECT)).text)
    temporary = await identity_.access_keys.create_temporary(token, MIN_DURATION_S)
    await identity_.access_keys.remove(temporary.key.access)
    key = replace(temporary.key, access=key.access, sealed=sealed)
    key = replace(key, security_token_hash=digest_of(known["security_token"]))
    await office.services.database.write(access_keys.add_temporary, key)


def body_of(asked: dict[str, Any]) -> bytes:
    if (fill := asked.get("body_fill")) is not None:
        return bytes([fill["byte"]]) * int(fill["count"])
    return base64.b64decode(asked["body_b64"])


def is_refused(vector: dict[str, Any]) -> bool:
    return vector["expect"]["outcome"] != "accept" or vector["algorithm"] in UNSUPPORTED


# Of a type that no image has, so that nobody looks at the body.
NO_IMAGE = {"put-binary-signed-digest": 415, "reject-digest-header-lies": 415}


async def test_the_server_says_of_every_vector_what_it_has_to(office: Office) -> None:
    await office.services.database.write(identity.add_project, Project(PROJECT, "vectors"), office.clock())
    await office.accounts.grant("vectors", "erin", "member")
    wrong = {}
    for vector in VECTORS:
        asked = vector["request"]
        office.clock.time = datetime.strptime(vector["server_time"], DATE_FORMAT).replace(tzinfo=UTC)
        await learn(office, vector["credentials"])
        target = asked["path"] + ("" if asked["query"] is None else f"?{asked['query']}")
        body = body_of(asked)
        # A mutation that dropped the body kept its length; nobody would answer before the rest had come.
        headers = [(name, str(len(body)) if name == "Content-Length" else value) for name, value in asked["headers"]]
        answer = await send_raw(office.url, asked["method"], target, headers, body)
        wanted = NO_IMAGE.get(vector["name"], vector["expect"].get("status", 401) if is_refused(vector) else None)
        if answer.status != wanted if wanted else answer.status in (401, 413):
            wrong[vector["name"]] = (wanted, answer.status, answer.body)
        elif wanted in (401, 413):
            assert answer.json.keys() == {"error_msg", "error_code", "request_id", "stillage_code"}
    assert wrong == {}


async def test_an_upload_of_just_as_much_as_may_be_is_stored(office: Office) -> None:
    vector = next(vector for vector in VECTORS if vector["name"] == "accept-unsigned-12MiB")
    asked = vector["request"]
    await office.services.database.write(identity.add_project, Project(PROJECT, "vectors"), office.clock())
    await office.accounts.grant("vectors", "erin", "member")
    await new_image(await office.signing(project="vectors"), id=IMAGE)
    office.clock.time = datetime.strptime(vector["server_time"], DATE_FORMAT).replace(tzinfo=UTC)
    await learn(office, vector["credentials"])
    answer = await send_raw(office.url, asked["method"], asked["path"], asked["headers"], body_of(asked))
    assert answer.status == 204, answer.body
