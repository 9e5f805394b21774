"""Requests as real SDKs signed them, and mutations of them, through every pure check in the order of the server.

Source: `tests/data/aksk/README.md`.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from stillage.errors import SignatureRefused
from stillage.identity.signing.authorization import SECURITY_TOKEN, authorization_of
from stillage.identity.signing.canonical import Head, canonical_requests
from stillage.identity.signing.signature import (
    DATE_FORMAT,
    MAX_BODY,
    payloads_of,
    require_digest,
    require_recent,
    require_signature,
)

FILE = Path(__file__).parents[2] / "data" / "aksk" / "aksk.json"
VECTORS: Sequence[dict[str, Any]] = json.loads(FILE.read_text())["vectors"]
# Not verified here, and refused as such: SM3 and the two that sign with a key pair.
UNSUPPORTED = {"SDK-HMAC-SM3", "SDK-ECDSA-P256-SHA256", "SDK-SM2-SM3"}


@dataclass(frozen=True)
class Vector:
    """One request, and what the server knows."""

    document: dict[str, Any]

    @property
    def head(self) -> Head:
        asked = self.document["request"]
        target = asked["path"] if asked["query"] is None else f"{asked['path']}?{asked['query']}"
        headers = [(name.encode(), value.encode()) for name, value in asked["headers"]]
        return Head.of(asked["method"], target.encode(), headers)

    @property
    def body(self) -> bytes:
        asked = self.document["request"]
        if (fill := asked.get("body_fill")) is not None:
            return bytes([fill["byte"]]) * int(fill["count"])
        return base64.b64decode(asked["body_b64"])

    def check(self) -> None:
        known = self.document["credentials"]
        head, body = self.head, self.body
        authorization = authorization_of(head)
        require_recent(authorization, datetime.strptime(self.document["server_time"], DATE_FORMAT).replace(tzinfo=UTC))
        if authorization.access_key != known["ak"]:
            raise SignatureRefused("unknown-access-key")
        if len(body) > MAX_BODY:
            raise SignatureRefused("body-too-large")
        digest = sha256(body).hexdigest()
        require_signature(authorization, head, known["sk"], payloads_of(authorization, digest))
        if known.get("security_token", "").encode() not in head.fields.get(SECURITY_TOKEN, [b""]):
            raise SignatureRefused("security-token-mismatch")
        require_digest(authorization, digest)

    def fault(self) -> str | None:
        try:
            self.check()
        except SignatureRefused as refused:
            return refused.fault
        return None


def vectors(outcome: str, *, supported: bool = True) -> list[Any]:
    return [
        pytest.param(Vector(document), id=document["name"])
        for document in VECTORS
        if document["expect"]["outcome"] == outcome and (document["algorithm"] not in UNSUPPORTED) == supported
    ]


@pytest.mark.parametrize("vector", vectors("accept"))
def test_what_an_sdk_signed_is_accepted(vector: Vector) -> None:
    assert vector.fault() is None


@pytest.mark.parametrize("vector", vectors("accept"))
def test_the_canonical_request_is_the_one_that_the_sdk_made(vector: Vector) -> None:
    authorization = authorization_of(vector.head)
    payloads = payloads_of(authorization, sha256(vector.body).hexdigest())
    wanted = vector.document["expect"].get("canonical_request")  # of mutations only the outcome is recorded
    texts = [
        text.decode() for text in canonical_requests(vector.head, authorization.form, authorization.signed, payloads)
    ]
    assert wanted is None or wanted in texts
    assert len(texts) <= 16


@pytest.mark.parametrize("vector", vectors("accept", supported=False))
def test_a_genuine_signature_of_an_algorithm_that_we_do_not_verify_is_refused_as_that(vector: Vector) -> None:
    assert vector.fault() == "algorithm-unsupported"


@pytest.mark.parametrize("vector", vectors("policy"))
def test_a_signature_that_leaves_a_part_of_the_query_open_is_refused(vector: Vector) -> None:
    assert vector.fault() == "signature-mismatch"


@pytest.mark.parametrize("vector", vectors("reject"))
def test_a_mutation_is_refused_for_what_it_is(vector: Vector) -> None:
    assert vector.fault() == vector.document["expect"]["error"]


def test_every_vector_is_in_one_of_these_tests() -> None:
    tested = [vectors("accept"), vectors("accept", supported=False), vectors("policy"), vectors("reject")]
    assert sum(map(len, tested)) == len(VECTORS)
