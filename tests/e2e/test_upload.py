"""Every way an upload can end, as a client sees it, under both profiles."""

import base64
import hashlib
import os
import re
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from aftermath import a_second_upload_succeeds, begin, holds, leaves_it_queued, received_bytes, upload_head
from rude import CHUNKED, LAST_CHUNK, WITH_LENGTH, Body, Rude, chunk
from server import COMMAND, MIB, Answer, MakeServer, Server, eventually
from stillage.images.patch import V2_1

LIMIT = MIB
UNKNOWN = "00000000-0000-4000-8000-000000000000"
# Version 2, no cluster anywhere, and for the second a name of another file: the first thing a hostile image tries.
QCOW2 = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, MIB, 0, 1, 3 << 16, 1 << 16, 1, 0, 0).ljust(
    4 << 16, b"\0"
)
BACKED = (
    struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 72, 11, 16, MIB, 0, 1, 3 << 16, 1 << 16, 1, 0, 0) + b"/etc/passwd"
)


@pytest.fixture(params=["openstack", "ims"])
def server(request: pytest.FixtureRequest, shared_server: MakeServer) -> Server:
    """One for each profile, with little room."""
    return shared_server(profile=request.param, max_image_bytes=LIMIT)


@pytest.fixture
def openstack(shared_server: MakeServer) -> Server:
    return shared_server(profile="openstack", max_image_bytes=LIMIT)


@pytest.fixture
def ims(shared_server: MakeServer) -> Server:
    return shared_server(profile="ims", max_image_bytes=LIMIT)


@dataclass(frozen=True)
class Expected:
    """How a refusal reads. *message* is a regular expression; *code* is the one that ims adds."""

    openstack: int
    ims: int
    code: str
    message: str

    def check(self, server: Server, answer: Answer) -> None:
        in_ims = server.settings.get("profile") == "ims"
        assert answer.status == (self.ims if in_ims else self.openstack), answer.body
        assert re.search(self.message, answer.message), answer.message
        error = answer.json["error"]
        if in_ims:
            assert error == {"message": answer.message, "code": self.code, "stillage_code": error["stillage_code"]}
        else:
            assert error["code"] == answer.status
            assert error["request_id"] == answer.headers["x-openstack-request-id"]


# What is refused unread


def refused_unread(server: Server, headers: Mapping[str, str], expected: Expected, body: Body = WITH_LENGTH) -> None:
    """Check that an upload of five bytes with *headers* is refused, and the image was never touched."""
    image_id = server.create()
    with leaves_it_queued(server, image_id, None), begin(server, image_id, body, 5, **headers) as client:
        client.send(body.framed(b"image"), body.end)
        expected.check(server, client.answer())


@pytest.mark.parametrize("token", ["nonsense", "", "gst1" + "x" * 8000])
def test_a_token_that_is_none_is_refused(server: Server, body: Body, token: str) -> None:
    image_id = server.create()
    with leaves_it_queued(server, image_id, None), begin(server, image_id, body, 5, x_auth_token=token) as client:
        client.send(body.framed(b"image"), body.end)
        answer = client.answer()
    Expected(401, 401, "IMG.0026", "requires authentication").check(server, answer)
    assert answer.headers["www-authenticate"].startswith('Keystone uri="')


@pytest.mark.parametrize("image_id", [UNKNOWN, "not-a-uuid", "a%20name", "x" * 300, "%F0%9F%92%BE"])
def test_an_image_that_is_not_there_takes_no_bytes(server: Server, image_id: str) -> None:
    Expected(404, 404, "IMG.0144", "no image .* is visible").check(server, server.upload(image_id, b"image"))


def test_a_deleted_image_takes_no_bytes(server: Server) -> None:
    image_id = server.create()
    assert server.api("DELETE", f"/v2/images/{image_id}").status == 204
    Expected(404, 404, "IMG.0144", "no image .* is visible").check(server, server.upload(image_id, b"image"))


@pytest.fixture
def others(server: Server) -> Callable[[str], str]:
    """``others("reader")``: a token of a reader in demo; ``others("stranger")``: of a member of another project."""

    def token(name: str) -> str:
        project = {"reader": "demo", "stranger": "elsewhere"}[name]
        if name not in made:
            if project != "demo":
                server.cli("project", "create", project)
            role = "reader" if name == "reader" else "member"
            arguments = ("--project", project, "--role", role, "--password-stdin")
            server.cli("user", "create", name, *arguments, stdin="a passphrase of some length\n")
            made.add(name)
        return server.token(name, project)

    made: set[str] = PEOPLE.setdefault(server.url, set())
    return token


PEOPLE: dict[str, set[str]] = {}


def upload_as(server: Server, token: str, image_id: str) -> Answer:
    headers = {"X-Auth-Token": token, "Content-Type": "application/octet-stream"}
    return server.call("PUT", f"/v2/images/{image_id}/file", b"image", headers=headers)


def test_an_image_of_somebody_else_is_not_there(server: Server, others: Callable[[str], str]) -> None:
    image_id = server.create(visibility="private")
    with leaves_it_queued(server, image_id, None):
        answer = upload_as(server, others("stranger"), image_id)
        Expected(404, 404, "IMG.0144", "no image .* is visible").check(server, answer)


def test_an_image_of_somebody_else_that_everybody_may_read_takes_his_bytes_only(
    server: Server, others: Callable[[str], str]
) -> None:
    image_id = server.create()
    change = [{"op": "replace", "path": "/visibility", "value": "community"}]
    assert server.api("PATCH", f"/v2/images/{image_id}", change, Content_Type=V2_1).status == 200
    with leaves_it_queued(server, image_id, None):
        answer = upload_as(server, others("stranger"), image_id)
        Expected(403, 403, answer.json["error"]["code"], "belongs to another project").check(server, answer)


def test_a_reader_stores_nothing(server: Server, others: Callable[[str], str]) -> None:
    image_id = server.create()
    with leaves_it_queued(server, image_id, None):
        answer = upload_as(server, others("reader"), image_id)
        Expected(403, 403, "IMG.0026", "token has reader").check(server, answer)


@pytest.mark.parametrize("given", ["text/plain", "application/json", "application/octet-streams", ""])
def test_what_is_not_octets_is_refused(server: Server, body: Body, given: str) -> None:
    message = "use application/octet-stream"
    refused_unread(server, {"content_type": given}, Expected(415, 400, "IMG.0001", message), body)


def test_a_missing_content_type_is_refused(server: Server) -> None:
    image_id = server.create()
    with leaves_it_queued(server, image_id, None):
        answer = server.call("PUT", f"/v2/images/{image_id}/file", b"image", headers={"X-Auth-Token": server.token()})
        Expected(415, 400, "IMG.0001", "Content-Type is missing; use application/octet-stream").check(server, answer)


@pytest.mark.parametrize("given", ["Application/Octet-Stream", "application/octet-stream; charset=binary"])
def test_the_content_type_is_compared_as_it_should_be(server: Server, given: str) -> None:
    image_id = server.create()
    assert server.upload(image_id, b"image", content_type=given).status == 204
    holds(server, image_id, b"image")


REFUSED_UNREAD = {
    "content-encoding": ({"content_encoding": "gzip"}, Expected(415, 400, "IMG.0001", "Content-Encoding 'gzip'")),
    "content-range": ({"content_range": "bytes 0-4/4"}, Expected(400, 400, "IMG.0001", "Content-Range")),
    "size-not-a-number": ({"x_openstack_image_size": "five"}, Expected(400, 400, "IMG.0001", "number of bytes")),
    "size-negative": ({"x_openstack_image_size": "-5"}, Expected(400, 400, "IMG.0001", "number of bytes")),
    "size-signed": ({"x_openstack_image_size": "+5"}, Expected(400, 400, "IMG.0001", "number of bytes")),
    "size-fraction": ({"x_openstack_image_size": "5.0"}, Expected(400, 400, "IMG.0001", "number of bytes")),
    "size-empty": ({"x_openstack_image_size": ""}, Expected(400, 400, "IMG.0001", "number of bytes")),
    "size-absurd": ({"x_openstack_image_size": "9" * 30}, Expected(400, 400, "IMG.0001", "number of bytes")),
    "md5-nonsense": ({"content_md5": "x"}, Expected(400, 400, "IMG.0001", "Content-MD5")),
}


@pytest.mark.parametrize("case", REFUSED_UNREAD)
def test_a_declaration_that_cannot_be_is_refused_unread(server: Server, body: Body, case: str) -> None:
    headers, expected = REFUSED_UNREAD[case]
    refused_unread(server, headers, expected, body)


def test_two_declared_sizes_must_be_the_same(server: Server) -> None:
    expected = Expected(400, 400, "IMG.0001", "expected 3000 bytes, got 5 bytes")
    refused_unread(server, {"x_openstack_image_size": "3000"}, expected)


def test_a_store_that_is_not_there_is_refused_where_there_are_several(openstack: Server) -> None:
    refused_unread(openstack, {"x_image_meta_store": "fast"}, Expected(400, 0, "", "unknown store 'fast'"))


def test_a_store_that_is_not_there_does_not_matter_under_ims(ims: Server) -> None:
    image_id = ims.create()
    assert ims.upload(image_id, b"image", x_image_meta_store="fast").status == 204


def test_the_store_that_is_there_can_be_named(openstack: Server) -> None:
    assert openstack.upload(openstack.create(), b"image", x_image_meta_store="files").status == 204


# What is in the way


def test_data_is_stored_once(server: Server) -> None:
    image_id = server.stored(b"the first")
    Expected(409, 409, "IMG.0046", "is active, not queued").check(server, server.upload(image_id, b"the second"))
    holds(server, image_id, b"the first")


def test_of_two_uploads_the_second_is_refused_at_once_and_the_first_goes_on(server: Server, body: Body) -> None:
    image_id = server.create()
    data = os.urandom(LIMIT)
    with begin(server, image_id, body, len(data)) as winner:
        server.await_status(image_id, "saving")
        expected = Expected(409, 409, "IMG.0046", "is saving, not queued: another upload is running")
        expected.check(server, server.upload(image_id, b"the loser's"))
        winner.send(body.framed(data), body.end)
        assert winner.answer().status == 204
    holds(server, image_id, data)


def test_of_many_uploads_at_once_exactly_one_wins(server: Server) -> None:
    image_id = server.create()
    stored, together = server.blobs(), threading.Barrier(8)
    answers: dict[bytes, int] = {}

    def race(data: bytes) -> None:
        with Rude(server) as client:
            together.wait()
            client.send(upload_head(server, image_id, content_length=str(len(data))) + data)
            answers[data] = client.answer().status

    racers = [threading.Thread(target=race, args=(bytes([number]) * 1000,)) for number in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(answers.values()) == [204] + [409] * 7
    winner = next(data for data, status in answers.items() if status == 204)
    holds(server, image_id, winner)
    eventually(lambda: len(server.blobs() - stored) == 1, "one blob is stored")


@pytest.mark.parametrize("sent", [0, 1000])
def test_an_image_deleted_during_its_upload_leaves_nothing(server: Server, body: Body, sent: int) -> None:
    stored, opened = server.blobs(), server.open_blobs()
    image_id = server.create()
    with begin(server, image_id, body, sent + 10) as client:
        server.await_status(image_id, "saving")
        if sent:
            client.send(body.framed(bytes(sent)))
        assert server.api("DELETE", f"/v2/images/{image_id}").status == 204
        client.send(body.framed(b"0123456789"), body.end)
        Expected(410, 404, "IMG.0144", "was deleted while").check(server, client.answer())
    assert server.api("GET", f"/v2/images/{image_id}").status == 404
    eventually(lambda: server.blobs() == stored, "nothing is stored")
    eventually(lambda: server.open_blobs() <= opened, "the nameless file is gone")


@pytest.mark.parametrize("attributes", [{"protected": True}, {"os_hidden": True}], ids=repr)
def test_a_protected_or_hidden_record_takes_its_bytes(server: Server, attributes: dict[str, bool]) -> None:
    holds(server, server.stored(b"image", **attributes), b"image")


# Nothing at all


def empty_by_length(server: Server, image_id: str) -> bytes:
    return upload_head(server, image_id, content_length="0")


def empty_by_chunks(server: Server, image_id: str) -> bytes:
    return upload_head(server, image_id, transfer_encoding="chunked") + LAST_CHUNK


def empty_by_its_own_word(server: Server, image_id: str) -> bytes:
    return upload_head(server, image_id, transfer_encoding="chunked", x_openstack_image_size="0") + LAST_CHUNK


def empty_by_silence(server: Server, image_id: str) -> bytes:
    return upload_head(server, image_id)


EMPTY = [empty_by_length, empty_by_chunks, empty_by_its_own_word, empty_by_silence]


@pytest.mark.parametrize("empty", EMPTY)
def test_an_empty_raw_image_becomes_active(openstack: Server, empty: Callable[[Server, str], bytes]) -> None:
    image_id = openstack.create()
    with Rude(openstack) as client:
        client.send(empty(openstack, image_id))
        assert client.answer().status == 204
    holds(openstack, image_id, b"")


@pytest.mark.parametrize("empty", EMPTY)
@pytest.mark.parametrize("disk_format", ["raw", "qcow2"])
def test_no_other_image_may_be_empty(server: Server, disk_format: str, empty: Callable[[Server, str], bytes]) -> None:
    if disk_format == "raw" and server.settings["profile"] == "openstack":
        return  # the test above
    image_id = server.create(disk_format=disk_format)
    with leaves_it_queued(server, image_id, "the body is empty"), Rude(server) as client:
        client.send(empty(server, image_id))
        Expected(400, 400, "IMG.0057", "the body is empty").check(server, client.answer())


def test_a_body_that_turns_out_empty_is_refused(server: Server) -> None:
    image_id = server.create(disk_format="qcow2")
    with leaves_it_queued(server, image_id, "the body is empty"), begin(server, image_id, CHUNKED, 0) as client:
        server.await_status(image_id, "saving")
        client.send(LAST_CHUNK)
        Expected(400, 400, "IMG.0057", "the body is empty").check(server, client.answer())


def test_a_client_that_sends_its_consumed_file_again_after_a_401_is_told(server: Server) -> None:
    image_id = server.create()
    declared = {"x_openstack_image_size": "3000"}
    with Rude(server) as client:
        head = upload_head(server, image_id, transfer_encoding="chunked", x_auth_token="expired", **declared)
        client.send(head, chunk(b"x" * 3000), LAST_CHUNK)
        assert client.answer().status == 401
    with (
        leaves_it_queued(server, image_id, "expected 3000 bytes, got 0"),
        begin(server, image_id, CHUNKED, 0, **declared) as client,
    ):
        server.await_status(image_id, "saving")
        client.send(LAST_CHUNK)
        Expected(400, 400, "IMG.0001", "expected 3000 bytes, got 0").check(server, client.answer())


# More or less than declared


@pytest.mark.parametrize("size", [1, 4999, 5001, LIMIT], ids=str)
def test_chunks_must_be_as_many_bytes_as_declared(server: Server, size: int) -> None:
    image_id = server.create()
    message = f"expected {size} bytes, got 5000"
    with (
        leaves_it_queued(server, image_id, message),
        begin(server, image_id, CHUNKED, 0, x_openstack_image_size=str(size)) as client,
    ):
        client.send(chunk(bytes(5000)), LAST_CHUNK)
        Expected(400, 400, "IMG.0001", message).check(server, client.answer())


def test_as_many_bytes_as_declared_are_taken(server: Server, body: Body) -> None:
    image_id = server.create()
    with begin(server, image_id, body, 5, x_openstack_image_size="5") as client:
        client.send(body.framed(b"image"), body.end)
        assert client.answer().status == 204
    holds(server, image_id, b"image")


TOO_LARGE = f"image too large: the limit is {LIMIT} bytes"


def test_an_image_of_the_largest_size_is_taken(server: Server, body: Body) -> None:
    data = os.urandom(LIMIT)
    image_id = server.create()
    with begin(server, image_id, body, len(data)) as client:
        client.send(body.framed(data), body.end)
        assert client.answer().status == 204
    holds(server, image_id, data)


def test_an_image_declared_as_too_large_is_refused_unread(server: Server) -> None:
    for headers in (
        {"content_length": str(LIMIT + 1)},
        {"transfer_encoding": "chunked", "x_openstack_image_size": "2000000"},
    ):
        image_id = server.create()
        with leaves_it_queued(server, image_id, None), Rude(server) as client:
            client.send(upload_head(server, image_id, **headers))
            Expected(413, 400, "IMG.0059", TOO_LARGE).check(server, client.answer())


def test_an_image_that_turns_out_too_large_is_stopped_there(server: Server) -> None:
    image_id = server.create()
    with leaves_it_queued(server, image_id, TOO_LARGE), begin(server, image_id, CHUNKED, 0) as client:
        before = received_bytes(server)
        answer, _ = client.send_until_refused(chunk(bytes(65536)) for _ in range(1 << 20))
        Expected(413, 400, "IMG.0059", TOO_LARGE).check(server, answer)
        # Blocks of 1 MiB are what is looked at.
        assert received_bytes(server) - before <= LIMIT + 4 * MIB


def test_a_client_that_stalls_is_told_under_ims_as_well(shared_server: MakeServer, body: Body) -> None:
    server = shared_server(profile="ims", idle_timeout_s=1.0)  # of its own: other tests may take longer for a step
    image_id = server.create()
    message = "no byte arrived for 1 seconds"
    with leaves_it_queued(server, image_id, message), begin(server, image_id, body, 10) as client:
        client.send(body.framed(b"half"))
        Expected(408, 408, "IMG.0001", message).check(server, client.answer())


# Digests

DATA = b"an image with digests"


def b64(name: str, data: bytes) -> str:
    return base64.b64encode(hashlib.new(name, data).digest()).decode()


def digest_headers(data: bytes) -> dict[str, dict[str, str]]:
    return {
        "md5-base64": {"content_md5": b64("md5", data)},
        "md5-hex": {"content_md5": hashlib.md5(data).hexdigest().upper()},
        "content-sha-256": {"content_digest": f"sha-256=:{b64('sha256', data)}:"},
        "content-sha-512": {"content_digest": f"sha-512=:{b64('sha512', data)}:"},
        "repr-sha-256": {"repr_digest": f"sha-256=:{b64('sha256', data)}:"},
        "both": {"content_digest": f"sha-256=:{b64('sha256', data)}:, sha-512=:{b64('sha512', data)}:"},
        "unknown-too": {"content_digest": f"crc32c=:AAAAAA==:, sha-512=:{b64('sha512', data)}:"},
    }


@pytest.mark.parametrize("kind", digest_headers(b""))
def test_a_digest_that_is_right_is_taken(server: Server, body: Body, kind: str) -> None:
    image_id = server.create()
    with begin(server, image_id, body, len(DATA), **digest_headers(DATA)[kind]) as client:
        client.send(body.framed(DATA), body.end)
        assert client.answer().status == 204
    holds(server, image_id, DATA)


@pytest.mark.parametrize("kind", digest_headers(b""))
def test_a_digest_that_is_wrong_is_refused(server: Server, body: Body, kind: str) -> None:
    image_id = server.create()
    message = r"(md5|sha256|sha512) mismatch: the request declared \w+, the bytes received have \w+"
    with (
        leaves_it_queued(server, image_id, message),
        begin(server, image_id, body, len(DATA), **digest_headers(b"another image")[kind]) as client,
    ):
        client.send(body.framed(DATA), body.end)
        Expected(400, 400, "IMG.0001", message).check(server, client.answer())


# Content


@pytest.mark.parametrize(
    ("declared", "data"),
    [("qcow2", b"\xff\x00\xfe" * 10_000), ("raw", QCOW2)],
    ids=["raw-as-qcow2", "qcow2-as-raw"],
)
def test_bytes_of_another_format_than_declared_are_refused(
    openstack: Server, body: Body, declared: str, data: bytes
) -> None:
    image_id = openstack.create(disk_format=declared)
    with leaves_it_queued(openstack, image_id, "qcow2"), begin(openstack, image_id, body, len(data)) as client:
        client.send(body.framed(data), body.end)
        answer = client.answer()
        Expected(415, 0, "", "qcow2").check(openstack, answer)
        error = answer.json["error"]
        assert (error["rule"], error["declared"]) == ("format.mismatch", declared)


@pytest.mark.parametrize(("declared", "data", "found"), [("qcow2", b"raw" * 1000, "raw"), ("raw", QCOW2, "qcow2")])
def test_under_ims_the_record_takes_the_format_that_was_found(
    ims: Server, declared: str, data: bytes, found: str
) -> None:
    image_id = ims.create(disk_format=declared)
    assert ims.upload(image_id, data).status == 204
    assert ims.show(image_id)["disk_format"] == found


def test_an_image_that_names_another_file_is_refused(server: Server, body: Body) -> None:
    image_id = server.create(disk_format="qcow2")
    with leaves_it_queued(server, image_id, "backing"), begin(server, image_id, body, len(BACKED)) as client:
        client.send(body.framed(BACKED), body.end)
        Expected(415, 400, "IMG.0057", "backing").check(server, client.answer())


def test_an_image_without_a_format_takes_the_one_that_is_found(openstack: Server) -> None:
    image_id = str(openstack.api("POST", "/v2/images", {"name": "bare"}).json["id"])
    assert openstack.upload(image_id, QCOW2).status == 204
    image = openstack.show(image_id)
    assert (image["disk_format"], image["container_format"], image["virtual_size"]) == ("qcow2", "bare", MIB)


# The store


@pytest.mark.one_server
@pytest.mark.parametrize(("profile", "body"), [("openstack", WITH_LENGTH), ("ims", CHUNKED)], ids=repr)
def test_a_full_store_says_so_and_keeps_nothing(own_server: MakeServer, profile: str, body: Body) -> None:
    # A file that may not grow fails as a disk does that has no room.
    command = ("prlimit", f"--fsize={4 * MIB}", str(COMMAND))
    server = own_server(profile=profile, command=command).start()
    image_id = server.create()
    data = os.urandom(8 * MIB)
    with leaves_it_queued(server, image_id, "the store is full"), begin(server, image_id, body, len(data)) as client:
        client.send_as_far_as_taken(body.framed(data) + body.end)
        Expected(413, 500, "IMG.0061", "the store is full").check(server, client.answer())
    assert any(event["event"] == "upload failed" and event["level"] == "error" for event in server.events)


@pytest.mark.one_server
@pytest.mark.parametrize("begins", [False, True], ids=["refused unread", "in the middle"])
def test_a_store_that_fails_says_so_and_the_next_upload_succeeds(own_server: MakeServer, begins: bool) -> None:
    server = own_server().start()
    image_id = server.create()
    store, gone = server.data_folder / "blobs", server.data_folder / "gone"
    store.rename(gone)
    if begins:
        store.touch()  # can still tell how much room it has
    answer = server.upload(image_id, b"image")
    assert answer.status == 500
    assert "ask the operator" in answer.message
    assert server.call("GET", "/readyz").status == 503
    store.unlink(missing_ok=True)
    gone.rename(store)
    image = server.await_status(image_id, "queued")
    assert ("the store" in image.get("os_stillage_reason", "")) is begins
    assert server.call("GET", "/readyz").status == 200
    a_second_upload_succeeds(server, image_id)


def test_many_uploads_at_once_keep_apart(openstack: Server) -> None:
    with ExitStack() as stack:
        images = {openstack.create(): os.urandom(LIMIT // 2) for _ in range(10)}
        clients = {image_id: stack.enter_context(begin(openstack, image_id, CHUNKED, 0)) for image_id in images}
        for at in range(0, LIMIT // 2, 65536):
            for image_id, client in clients.items():
                client.send(chunk(images[image_id][at : at + 65536]))
        for client in clients.values():
            client.send(LAST_CHUNK)
        assert {client.answer().status for client in clients.values()} == {204}
    for image_id, data in images.items():
        holds(openstack, image_id, data)
