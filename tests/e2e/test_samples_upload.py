"""Every sample, sent to a running server: stored or refused, as the manifest says."""

import hashlib
from typing import Any

import pytest

from rude import Rude, request
from samples import entries, load
from server import MakeServer, Server

# Zero bytes are a raw disk to OpenStack: Nova activates the images of volumes so.
ACCEPTED_ALL_THE_SAME = {"empty-file.raw"}
# What no image can be declared as is declared raw, as its sender would.
UNDECLARABLE = "raw"


@pytest.fixture
def server(shared_server: MakeServer) -> Server:
    return shared_server()


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: str(entry["file"]))
def test_the_answer_is_the_verdict_of_the_manifest(server: Server, entry: dict[str, Any]) -> None:
    data = load(entry["file"])
    image_id = server.create(disk_format=entry["disk_format"] or UNDECLARABLE)
    with Rude(server) as client:
        client.send(
            request(
                "PUT",
                f"/v2/images/{image_id}/file",
                x_auth_token=server.token(),
                content_type="application/octet-stream",
                content_length=str(len(data)),
            )
        )
        client.send_as_far_as_taken(data)  # most of what is refused is refused before its end
        answer = client.answer()
    image = server.show(image_id)
    if entry["verdict"] == "accept" or entry["file"] in ACCEPTED_ALL_THE_SAME:
        assert answer.status == 204, answer.body
        assert image["status"] == "active"
        assert image["size"] == len(data)
        assert image["checksum"] == hashlib.md5(data).hexdigest()
        assert image["virtual_size"] == (entry["virtual_size"] or 0)
    else:
        assert answer.status == 415, answer.body
        assert image["status"] == "queued"
        assert answer.json["error"]["rule"] in image["os_stillage_reason"]
        assert image["size"] is None
        assert image["checksum"] is None
