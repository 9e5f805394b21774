"""What must be true after an upload failed: the image waits for the next attempt, and nothing of this one is left."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from rude import Body, Rude, request
from server import Server, eventually

OCTETS = "application/octet-stream"
SECOND = b"the second attempt"


@contextmanager
def leaves_it_queued(server: Server, image_id: str, because: str | None) -> Iterator[None]:
    """Check, after the block, that an upload began and failed in it, and left nothing but a readable reason.

    *because*: a regular expression that the reason must hold; None when no upload may even have begun.
    """
    stored, opened = server.blobs(), server.open_blobs()
    yield
    nothing_is_left_of_it(server, image_id, because, stored, opened)


def nothing_is_left_of_it(
    server: Server,
    image_id: str,
    because: str | None,
    stored: set[str] = frozenset(),  # type: ignore[assignment]
    opened: set[str] = frozenset(),  # type: ignore[assignment]
) -> None:
    """Check what `leaves_it_queued` promises, with the files that were *stored* and *opened* before."""
    if because is not None:
        eventually(lambda: "os_stillage_reason" in server.show(image_id), "the image has a reason")
    image = server.show(image_id)
    assert image["status"] == "queued"
    if because is None:
        assert "os_stillage_reason" not in image
    else:
        assert re.search(because, image["os_stillage_reason"]), image["os_stillage_reason"]
    known = ("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value")
    assert [image[name] for name in known] == [None] * len(known)
    assert server.download(image_id).status == 204
    eventually(lambda: server.blobs() <= stored, f"nothing new is stored: {server.blobs() - stored}")
    eventually(lambda: server.open_blobs() <= opened, "the nameless file is gone")
    a_second_upload_succeeds(server, image_id)


@contextmanager
def logs_no_error(server: Server) -> Iterator[None]:
    """Check that what clients did in the block, which was done when it ended, is no error in the log."""
    known = len(server.events)
    yield
    server.call("GET", "/healthz")
    eventually(lambda: any(event.get("path") == "/healthz" for event in server.events[known:]), "the log is here")
    assert [event for event in server.events[known:] if event["level"] == "error"] == []


def a_second_upload_succeeds(server: Server, image_id: str) -> None:
    """Check that the image takes other bytes, with the right digests, and remove it."""
    data = SECOND if server.show(image_id)["disk_format"] in ("raw", None) else b""
    if data:
        answer = server.upload(image_id, data)
        assert answer.status == 204, answer.body
        holds(server, image_id, data)
    assert server.api("DELETE", f"/v2/images/{image_id}").status == 204


def holds(server: Server, image_id: str, data: bytes) -> None:
    """Check that the image is active with exactly *data*."""
    image = server.show(image_id)
    assert (image["status"], image["size"]) == ("active", len(data))
    assert image["checksum"] == hashlib.md5(data).hexdigest()
    assert (image["os_hash_algo"], image["os_hash_value"]) == ("sha512", hashlib.sha512(data).hexdigest())
    assert "os_stillage_reason" not in image
    assert server.download(image_id).body == data


def upload_head(server: Server, image_id: str, *lines: str, **headers: str) -> bytes:
    """The head of an upload by the demo user. *lines* as they are, *headers* as ``content_length="5"``."""
    named = {"x_auth_token": server.token(), "content_type": OCTETS} | headers
    return request("PUT", f"/v2/images/{image_id}/file", *lines, **named)


def begin(server: Server, image_id: str, body: Body, length: int, *lines: str, **headers: str) -> Rude:
    """Begin an upload that declares *length* bytes; returns the connection, with the head sent."""
    client = Rude(server)
    client.send(upload_head(server, image_id, *lines, **body.headers(length), **headers))
    return client


def received_bytes(server: Server) -> int:
    """How many bytes of uploads the server has taken out of its sockets' buffers, since it started."""
    return sum(_received_by(node) for node in server.alive)


def _received_by(node: Server) -> int:
    answer = node.call("GET", "/metrics", headers={"X-Auth-Token": node.token("admin")})
    assert answer.status == 200, answer.body
    found = re.search(r"^stillage_received_bytes_total ([0-9.e+]+)$", answer.body.decode(), re.MULTILINE)
    assert found, answer.body
    return int(float(found[1]))
