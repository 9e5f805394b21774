"""``POST /v2/images/inspect``: the verdict, and nothing is kept."""

import json

import pytest

from aftermath import received_bytes
from rude import CHUNKED, WITH_LENGTH, Body, Rude, request
from samples import entries, load
from server import MIB, Answer, MakeServer, Server

NAMES = [entry["file"] for entry in entries() if entry["size"] <= MIB and entry["file"] != "empty-file.raw"]
VERDICTS = {entry["file"]: entry["verdict"] for entry in entries()}


@pytest.fixture
def server(shared_server: MakeServer) -> Server:
    return shared_server()


def asked(server: Server, data: bytes, path: str = "/v2/images/inspect", **headers: str) -> Answer:
    headers.setdefault("content_type", "application/octet-stream")
    return server.api("POST", path, data, **headers)


@pytest.mark.parametrize("name", NAMES)
def test_the_verdict_is_that_of_an_upload_and_nothing_is_kept(server: Server, name: str) -> None:
    before = server.blobs()
    answer = asked(server, load(name))
    assert answer.status == 200, answer.body
    found = answer.json
    if VERDICTS[name] == "accept":
        # None: what had gone by could not be read again, and nothing else speaks against the image.
        assert found["accepted"] in (True, None)
        assert found["accepted"] is (True if found["complete"] else None)
        assert found["hazards"] == []
    elif found["complete"]:
        assert found["accepted"] is False
    else:
        assert found["accepted"] in (False, None)
    assert found["accepted"] is not False or found["hazards"][0]["rule"]
    assert server.blobs() == before


def test_a_hazard_carries_rule_offset_sentence_and_command(server: Server) -> None:
    answer = asked(server, load("qcow2-v3-datafile.qcow2"), x_image_meta_disk_format="qcow2")
    found = answer.json
    assert found["accepted"] is False
    assert found["declared"] == found["format"] == "qcow2"
    assert found["hazards"][0] == {
        "rule": "qcow2.data-file",
        "offset": 72,
        "message": "incompatible feature bit 2 is set: the guest's data is in another file",
        "fix": "qemu-img convert -O qcow2 IN OUT",
    }


@pytest.mark.parametrize("where", ["header", "query"])
def test_the_declared_format_is_compared(server: Server, where: str) -> None:
    data = load("vdi-dynamic.vdi")
    if where == "header":
        answer = asked(server, data, x_image_meta_disk_format="qcow2")
    else:
        answer = asked(server, data, "/v2/images/inspect?disk_format=qcow2")
    assert [hazard["rule"] for hazard in answer.json["hazards"]] == ["format.mismatch"]


def test_a_part_of_an_image_is_not_inspected_by_its_end(server: Server) -> None:
    data = load("zvhd-mixed.zvhd")
    part = data[: len(data) // 2]
    assert asked(server, part).json["accepted"] is False
    found = asked(server, part, x_image_meta_partial="true").json
    assert (found["accepted"], found["complete"], found["format"]) == (None, False, "zvhd")
    assert found["virtual_size"] > 0
    whole = asked(server, part, x_image_meta_partial="true", x_openstack_image_size=str(len(data))).json
    assert whole["accepted"] is None


@pytest.mark.parametrize("body", [WITH_LENGTH, CHUNKED], ids=repr)
def test_the_answer_comes_with_the_first_hazard(server: Server, body: Body) -> None:
    before = received_bytes(server)
    head = request(
        "POST",
        "/v2/images/inspect",
        x_auth_token=server.token(),
        content_type="application/octet-stream",
        **body.headers(64 * MIB),
    )
    first = load("qcow2-v3-backing.qcow2")[:MIB].ljust(MIB, b"\0")
    with Rude(server) as client:
        client.send(head)
        pieces = (body.framed(piece) for piece in [first, *[bytes(MIB)] * 63])
        answer, _ = client.send_until_refused(pieces)
    assert json.loads(answer.body)["hazards"][0]["rule"] == "qcow2.backing-file"
    assert received_bytes(server) - before <= 2 * MIB


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (400, {"x_image_meta_disk_format": "nix"}),
        (400, {"x_image_meta_partial": "perhaps"}),
        (400, {"x_openstack_image_size": "7"}),
        (415, {"content_type": "text/plain"}),
    ],
)
def test_what_cannot_be_is_refused(server: Server, status: int, headers: dict[str, str]) -> None:
    assert asked(server, b"data", **headers).status == status


def test_who_has_no_token_learns_nothing(server: Server) -> None:
    answer = server.call("POST", "/v2/images/inspect", b"data", headers={"Content-Type": "application/octet-stream"})
    assert answer.status == 401


def test_the_limit_of_uploads_holds(shared_server: MakeServer) -> None:
    assert asked(shared_server(max_image_bytes=MIB), bytes(MIB + 1)).status == 413
