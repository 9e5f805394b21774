"""Signed uploads on a real socket: what is decided before the body, and what after it."""

import json
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from rude import Rude, request
from server import MakeServer, Server
from stillage.identity.signing.authorization import UNSIGNED_PAYLOAD
from stillage.identity.signing.signature import MAX_BODY, sign_request

OCTETS = "application/octet-stream"
DATA = b"x" * 4096
HOST = "http://images.example.test"


@pytest.fixture
def server(shared_server: MakeServer) -> Server:
    return shared_server()


@pytest.fixture
def key(server: Server) -> dict[str, str]:
    """A key of user demo; those of the test before go."""
    for known in json.loads(server.cli("accesskey", "list", "--user", "demo", "--json")):
        server.cli("accesskey", "delete", known["access"])
    made: dict[str, str] = json.loads(server.cli("accesskey", "create", "demo", "--json"))[0]
    return made


def head(key: dict[str, str], image_id: str, payload: str, length: int, secret: str | None = None) -> bytes:
    path, given = f"/v2/images/{image_id}/file", {"Content-Type": OCTETS}
    signed = sign_request(
        "PUT",
        f"{HOST}{path}",
        given,
        access_key=key["access"],
        secret=secret or key["secret"],
        payload=payload,
        now=datetime.now(UTC),
    )
    lines = [f"{name}: {value}" for name, value in (given | signed).items()]
    return request("PUT", path, *lines, content_length=str(length), expect="100-continue")


def test_a_good_signature_gets_its_100_and_a_bad_one_a_401_in_its_place(server: Server, key: dict[str, str]) -> None:
    image_id, digest = server.create(), sha256(DATA).hexdigest()
    with Rude(server) as client:
        client.send(head(key, image_id, digest, len(DATA), secret="another"))
        refused = client.answer()
    assert (refused.status, refused.json["error_code"]) == (401, "APIGW.0301")
    with Rude(server) as client:
        client.send(head(key, image_id, digest, len(DATA)))
        assert client.answer().status == 100
        client.send(DATA)
        assert client.answer().status == 204


@pytest.mark.parametrize("payload", [UNSIGNED_PAYLOAD, sha256(b"").hexdigest()])
def test_a_body_that_is_too_large_is_refused_before_it_is_sent(
    server: Server, key: dict[str, str], payload: str
) -> None:
    image_id = server.create()
    with Rude(server) as client:
        client.send(head(key, image_id, payload, MAX_BODY + 1))
        refused = client.answer()
    assert (refused.status, refused.json["error_code"]) == (413, "APIGW.0201")
    assert server.show(image_id)["status"] == "queued"


def test_a_body_that_is_another_than_the_signed_one_leaves_the_image_queued(
    server: Server, key: dict[str, str]
) -> None:
    image_id = server.create()
    with Rude(server) as client:
        client.send(head(key, image_id, sha256(DATA).hexdigest(), len(DATA)))
        assert client.answer().status == 100
        client.send(b"y" * len(DATA))
        assert client.answer().status == 401
    assert server.show(image_id)["status"] == "queued"
    assert key["secret"] not in server.output + server.log
