"""A hostile image ends its upload at once, and everybody who needs to know is told why."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from aftermath import received_bytes
from rude import CHUNKED, WITH_LENGTH, Body, Rude, request
from samples import entries, load
from server import MIB, MakeServer, Server, eventually
from stillage.formats.registry import FORMATS
from stillage.formats.safety import Declaration, Policy, refusal
from stillage.formats.stream import Examination

LONG = 64 * MIB
PIECE = bytes(64 << 10)
# What the server has taken when it answers: the block that shows the hazard, and what was read together with it.
TAKEN_AT_MOST = 2 * MIB


def beginning(entry: dict[str, Any]) -> bytes:
    return load(entry["file"])[:MIB].ljust(MIB, b"\0")


def is_early(entry: dict[str, Any], size: int | None) -> bool:
    """True if the first MiB of a much longer file is enough."""
    examination = Examination(FORMATS, size=size)
    examination.feed(beginning(entry))
    return refusal(examination.findings, Declaration(entry["disk_format"]), Policy()) is not None


def early_bodies(entry: dict[str, Any]) -> Sequence[Body]:
    if is_early(entry, None):
        return WITH_LENGTH, CHUNKED
    return [WITH_LENGTH] if is_early(entry, LONG) else []  # what lies beyond the end needs a size to show


DECLARABLE = [entry for entry in entries(verdict="reject") if entry["disk_format"] is not None]
EARLY = [(entry, body) for entry in DECLARABLE for body in early_bodies(entry)]


@pytest.fixture
def server(shared_server: MakeServer) -> Server:
    return shared_server()


def head(server: Server, image_id: str, **headers: str) -> bytes:
    named = {"x_auth_token": server.token(), "content_type": "application/octet-stream"} | headers
    return request("PUT", f"/v2/images/{image_id}/file", **named)


def framed(body: Body, first: bytes) -> Iterator[bytes]:
    yield body.framed(first)
    for _ in range((LONG - len(first)) // len(PIECE)):
        yield body.framed(PIECE)


def test_most_hostile_samples_show_themselves_in_the_first_mib() -> None:
    assert len(EARLY) > 200


@pytest.mark.parametrize(
    ("entry", "body"), EARLY, ids=lambda part: part["file"] if isinstance(part, dict) else repr(part)
)
def test_a_hazard_in_the_first_mib_ends_the_upload_within_two(
    server: Server, entry: dict[str, Any], body: Body
) -> None:
    image_id = server.create(disk_format=entry["disk_format"])
    before = received_bytes(server)
    with Rude(server) as client:
        client.send(head(server, image_id, **body.headers(LONG)))
        answer, sent = client.send_until_refused(framed(body, beginning(entry)))
    taken = received_bytes(server) - before
    assert answer.status == 415, answer.body
    assert taken <= TAKEN_AT_MOST
    assert sent < LONG // 2

    told = answer.json["error"]
    image = server.await_status(image_id, "queued")
    reason = image["os_stillage_reason"]
    assert told["rule"] in reason
    assert told["message"] in reason
    assert told.get("fix", "") in reason
    logged = eventually(lambda: _failure_of(server, image_id), "the failure is in the log")
    assert logged["rule"] == told["rule"]
    assert logged["reason"] == reason
    if "offset" in told:
        assert re.search(rf"byte {told['offset']}\b", reason)


def _failure_of(server: Server, image_id: str) -> dict[str, Any] | None:
    return next((e for e in server.events if e.get("image_id") == image_id and e["event"] == "upload failed"), None)


def test_an_image_that_is_declared_too_large_is_refused_before_its_body(shared_server: MakeServer) -> None:
    server = shared_server(max_image_bytes=MIB)
    image_id = server.create()
    before = received_bytes(server)
    with Rude(server) as client:
        client.send(head(server, image_id, content_length=str(MIB + 1), expect="100-continue"))
        assert client.answer().status == 413
    assert received_bytes(server) == before
    assert server.show(image_id)["status"] == "queued"


@pytest.mark.parametrize("disk_format", ["qcow2", "vmdk", "zvhd2"])
def test_an_empty_body_is_no_image_of_a_format_that_has_a_header(server: Server, disk_format: str) -> None:
    image_id = server.create(disk_format=disk_format)
    with Rude(server) as client:
        client.send(head(server, image_id, content_length="0", expect="100-continue"))
        answer = client.answer()
    assert answer.status == 400
    assert "empty" in answer.message
    assert server.show(image_id)["status"] == "queued"
