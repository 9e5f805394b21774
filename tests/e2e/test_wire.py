"""Rude, slow and broken clients on a real socket, with and without TLS."""

import hashlib
import itertools
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from aftermath import (
    OCTETS,
    begin,
    holds,
    leaves_it_queued,
    logs_no_error,
    received_bytes,
    upload_head,
)
from rude import CHUNKED, LAST_CHUNK, WITH_LENGTH, Body, Rude, chunk, request
from server import MIB, Hindered, MakeServer, Server, eventually

# What a server process may hold at any time, whatever its clients do.
MEMORY = 150 * MIB
# After a refusal at most 1 MiB is read on purpose; the reader's buffer, full twice, and the database's come on top.
READ_AFTER_REFUSAL = 6 * MIB
LOST = "the body ended before its declared end"
HARMLESS = ("content-disposition", "content-security-policy")
MALFORMED = "the chunks of the body are malformed"
IDLE_S = 1.0  # of `strict_server`
UNKNOWN = "00000000-0000-4000-8000-000000000000"
TOO_LARGE = str(2 << 40)

Refused = Callable[[Server], tuple[str, dict[str, str]]]
Leave = Callable[[Rude], None]


def pieces_without_end(body: Body) -> Iterator[bytes]:
    return itertools.repeat(body.framed(bytes(65536)))


# Refusals: each is a function that makes what will be refused.


def no_token(server: Server) -> tuple[str, dict[str, str]]:
    return server.create(), {"x_auth_token": "nonsense"}


def unknown_image(_server: Server) -> tuple[str, dict[str, str]]:
    return UNKNOWN, {}


def active_image(server: Server) -> tuple[str, dict[str, str]]:
    return server.stored(b"here already"), {}


def too_large(server: Server) -> tuple[str, dict[str, str]]:
    return server.create(), {"content_length": TOO_LARGE}


def too_large_by_its_own_word(server: Server) -> tuple[str, dict[str, str]]:
    return server.create(), {"x_openstack_image_size": TOO_LARGE}


def wrong_type(server: Server) -> tuple[str, dict[str, str]]:
    return server.create(), {"content_type": "text/plain"}


REFUSALS = [
    pytest.param(no_token, 401, WITH_LENGTH, id="401"),
    pytest.param(no_token, 401, CHUNKED, id="401-chunked"),
    pytest.param(unknown_image, 404, WITH_LENGTH, id="404"),
    pytest.param(unknown_image, 404, CHUNKED, id="404-chunked"),
    pytest.param(active_image, 409, WITH_LENGTH, id="409"),
    pytest.param(active_image, 409, CHUNKED, id="409-chunked"),
    pytest.param(too_large, 413, WITH_LENGTH, id="413"),
    pytest.param(too_large_by_its_own_word, 413, CHUNKED, id="413-chunked"),
    pytest.param(wrong_type, 415, WITH_LENGTH, id="415"),
    pytest.param(wrong_type, 415, CHUNKED, id="415-chunked"),
]


# Row 1


@pytest.mark.parametrize(("refused", "status", "form"), REFUSALS)
def test_a_client_that_asks_before_it_sends_is_refused_before_it_sends(
    server: Server, refused: Refused, status: int, form: Body
) -> None:
    image_id, headers = refused(server)
    with Rude(server) as client:
        client.send(upload_head(server, image_id, **form.headers(1 << 30) | {"expect": "100-continue"} | headers))
        answer = client.answer()
        assert answer.status == status
        assert answer.message
        assert answer.headers["connection"] == "close"


def test_after_a_refusal_that_said_so_the_connection_closes(server: Server) -> None:
    with Rude(server) as client:
        client.send(upload_head(server, UNKNOWN, expect="100-continue", content_length="1000"))
        assert client.answer().status == 404
        assert client.is_closed_by_server()


def test_a_path_of_no_api_is_refused_unread_whoever_asks(server: Server, body: Body) -> None:
    for path in ("/v1/images", "/imagery"):
        with Rude(server) as client:
            client.send(request("PUT", path, expect="100-continue", **body.headers(1 << 40)))
            assert client.answer().status == 404
            assert client.is_closed_by_server()


def test_a_client_that_asks_before_it_sends_is_let_in_when_everything_is_right(server: Server, body: Body) -> None:
    image_id = server.create()
    with begin(server, image_id, body, 5, expect="100-continue") as client:
        assert client.line() == "HTTP/1.1 100 Continue"
        assert client.line() == ""
        client.send(body.framed(b"image"), body.end)
        assert client.answer().status == 204
    holds(server, image_id, b"image")


def test_a_client_that_does_not_wait_for_its_100_gets_on_as_well(server: Server, body: Body) -> None:
    image_id = server.create()
    with Rude(server) as client:
        head = upload_head(server, image_id, expect="100-continue", **body.headers(5))
        client.send(head + body.framed(b"image") + body.end)
        status = client.answer().status
        if status == 100:  # allowed, and too late to matter
            status = client.answer().status
        assert status == 204
    holds(server, image_id, b"image")


def test_an_expectation_that_nobody_knows_is_refused(server: Server, body: Body) -> None:
    image_id = server.create()
    with begin(server, image_id, body, 5, expect="200-ok") as client:
        answer = client.answer()
        assert answer.status == 400
        assert "100-continue" in answer.message
    assert server.show(image_id)["status"] == "queued"


# Row 2


@pytest.mark.parametrize(("refused", "status", "form"), REFUSALS)
def test_a_client_that_is_refused_and_goes_on_sending_is_cut_off_soon(
    server: Server, refused: Refused, status: int, form: Body
) -> None:
    image_id, headers = refused(server)
    with Rude(server) as client:
        before = server.bytes_read()
        client.send(upload_head(server, image_id, **form.headers(1 << 36) | headers))
        answer, _ = client.send_until_refused(pieces_without_end(form))
        assert answer.status == status
        assert answer.message
        assert answer.headers["connection"] == "close"
        assert server.bytes_read() - before <= READ_AFTER_REFUSAL


def test_a_small_body_that_is_refused_leaves_the_connection_usable(server: Server) -> None:
    with Rude(server) as client:
        client.send(upload_head(server, UNKNOWN, content_length="1000"), bytes(1000))
        assert client.answer().status == 404
        client.send(request("GET", "/healthz"))
        assert client.answer().status == 200


@pytest.mark.parametrize("leave", [Rude.close, Rude.reset, Rude.half_close], ids=["fin", "rst", "half-closed"])
def test_a_client_that_is_refused_and_leaves_in_a_small_body_is_no_error(server: Server, leave: Leave) -> None:
    known = len(server.events)
    with logs_no_error(server), Rude(server) as client:
        client.send(upload_head(server, UNKNOWN, content_length="1000"), bytes(10))
        assert client.answer().status == 404
        leave(client)
        eventually(lambda: any(e.get("status") == 404 for e in server.events[known:]), "the request is over")


# Rows 3 to 6


@pytest.mark.parametrize("leave", [Rude.close, Rude.reset], ids=["fin", "rst"])
@pytest.mark.parametrize("sent", [0, 1, 3 * MIB], ids=["nothing", "one-byte", "3-MiB"])
def test_a_client_that_leaves_in_the_middle_leaves_the_image_queued(
    server: Server, body: Body, sent: int, leave: Leave
) -> None:
    image_id = server.create()
    with leaves_it_queued(server, image_id, LOST):
        client = begin(server, image_id, body, 4 * MIB)
        before = received_bytes(server)
        if sent:
            client.send(body.framed(os.urandom(sent)))
            eventually(lambda: received_bytes(server) - before == sent, "everything has arrived")
        server.await_status(image_id, "saving")
        leave(client)


def test_a_client_that_leaves_in_the_middle_of_a_chunk_leaves_the_image_queued(server: Server) -> None:
    image_id = server.create()
    with leaves_it_queued(server, image_id, LOST):
        client = begin(server, image_id, CHUNKED, 0)
        client.send(chunk(b"whole"), b"64\r\nnot a hundred bytes")
        server.await_status(image_id, "saving")
        client.close()


@pytest.mark.parametrize("last", [b"", b"0", b"0\r\n", b"0\r\nTrailer: half"], ids=repr)
def test_a_chunked_body_without_its_last_chunk_is_never_an_image(server: Server, last: bytes) -> None:
    image_id = server.create()
    with leaves_it_queued(server, image_id, LOST):
        client = begin(server, image_id, CHUNKED, 0)
        client.send(chunk(b"looks like "), chunk(b"all of it"), last)
        server.await_status(image_id, "saving")
        client.close()


def test_a_client_that_ends_its_side_early_and_waits_is_told(shared_server: MakeServer, body: Body) -> None:
    server = shared_server(tls=False)  # TLS has no half-closed connections
    image_id = server.create()
    with (
        leaves_it_queued(server, image_id, LOST),
        logs_no_error(server),
        begin(server, image_id, body, 1000) as client,
    ):
        client.send(body.framed(b"less"))
        client.half_close()
        answer = client.answer()
        assert answer.status == 400
        assert LOST in answer.message
        assert client.is_closed_by_server()


def test_a_client_that_says_good_bye_early_leaves_the_image_queued(shared_server: MakeServer, body: Body) -> None:
    server = shared_server(tls=True)
    image_id = server.create()
    with leaves_it_queued(server, image_id, LOST), begin(server, image_id, body, 1000) as client:
        client.send(body.framed(b"less"))
        server.await_status(image_id, "saving")
        client.say_good_bye()


def test_a_client_that_ends_its_side_after_a_whole_body_is_answered(shared_server: MakeServer, body: Body) -> None:
    server = shared_server(tls=False)
    image_id = server.create()
    with begin(server, image_id, body, 5) as client:
        client.send(body.framed(b"image"), body.end)
        client.half_close()
        assert client.answer().status == 204
        assert client.is_closed_by_server()
    holds(server, image_id, b"image")


# Row 7


def test_bytes_beyond_the_declared_length_are_the_next_request(server: Server, body: Body) -> None:
    image_id = server.create()
    with Rude(server) as client:
        upload = upload_head(server, image_id, **body.headers(5)) + body.framed(b"image") + body.end
        client.send(upload + request("GET", "/healthz"))
        assert client.answer().status == 204
        assert client.answer().json == {"status": "ok"}
    holds(server, image_id, b"image")


def test_bytes_beyond_the_declared_length_that_are_no_request_do_no_harm(server: Server, body: Body) -> None:
    image_id = server.create()
    with begin(server, image_id, body, 5) as client:
        server.await_status(image_id, "saving")
        client.send(body.framed(b"image") + body.end + b"and more of the disk\r\n\r\n")
        assert client.answer().status == 204
        answer = client.answer()
        assert answer.status == 400
        assert "not a well-formed HTTP request" in answer.message
        assert answer.json["error"]["stillage_code"] == "malformed_request"
        assert client.is_closed_by_server()
    holds(server, image_id, b"image")


# Row 8


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: -5"],
        ["Content-Length: +5"],
        ["Content-Length: 0x5"],
        ["Content-Length: 5 5"],
        ["Content-Length: five"],
        ["Content-Length:"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5, 6"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Transfer-Encoding: gzip"],
        ["Transfer-Encoding: chunked, gzip"],
        ["Transfer-Encoding: chunked, chunked"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding : chunked"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: \vchunked"],
    ],
    ids=" + ".join,
)
def test_a_head_that_leaves_the_length_in_doubt_is_refused(server: Server, lines: list[str]) -> None:
    image_id = server.create()
    with leaves_it_queued(server, image_id, None), Rude(server) as client:
        client.send(upload_head(server, image_id, *lines) + b"5\r\nimage\r\n0\r\n\r\n")
        answer = client.answer()
        assert answer.status == 400
        assert answer.message
        assert client.is_closed_by_server()


@pytest.mark.parametrize(
    "broken",
    [
        b"zz\r\nimage\r\n",
        b"-5\r\nimage\r\n",
        b"+5\r\nimage\r\n",
        b"0x5\r\nimage\r\n",
        b" \r\nimage\r\n",
        b"\r\nimage\r\n",
        b"5_0\r\nimage\r\n",
        b"f" * 17 + b"\r\nimage\r\n",
        b"5\r\nimages\r\n",
        b"5\nimage\n0\n\n",
        b"5" * 100_000,
    ],
    ids=lambda broken: repr(broken[:20]),
)
def test_a_malformed_chunk_is_refused(server: Server, broken: bytes) -> None:
    image_id = server.create()
    with leaves_it_queued(server, image_id, MALFORMED), begin(server, image_id, CHUNKED, 0) as client:
        client.send(chunk(b"good"))
        server.await_status(image_id, "saving")
        client.send(broken)
        answer = client.answer()
        assert answer.status == 400
        assert MALFORMED in answer.message
        assert client.is_closed_by_server()


def test_a_malformed_chunk_right_behind_the_head_is_refused(server: Server) -> None:
    image_id = server.create()
    with Rude(server) as client:
        client.send(upload_head(server, image_id, transfer_encoding="chunked") + b"zz\r\nimage\r\n" + LAST_CHUNK)
        assert client.answer().status == 400
        assert client.is_closed_by_server()
    assert server.await_status(image_id, "queued")["size"] is None


# Row 9


def test_one_chunk_of_64_mib_takes_little_memory(server: Server) -> None:
    server.token()
    server.forget_peak_memory()
    piece = os.urandom(MIB)
    image_id = server.create()
    with begin(server, image_id, CHUNKED, 0) as client:
        client.send(b"%x\r\n" % (64 * MIB), *[piece] * 64, b"\r\n", LAST_CHUNK)
        assert client.answer().status == 204
    image = server.show(image_id)
    digest = hashlib.md5()
    for _ in range(64):
        digest.update(piece)
    assert (image["size"], image["checksum"]) == (64 * MIB, digest.hexdigest())
    assert server.peak_memory() < MEMORY
    server.api("DELETE", f"/v2/images/{image_id}")


@pytest.mark.parametrize("length", [1, 2])
def test_a_hundred_thousand_tiny_chunks_take_little_memory_and_bounded_time(server: Server, length: int) -> None:
    server.token()
    server.forget_peak_memory()
    data = os.urandom(100_000 * length)
    image_id = server.create()
    before = server.cpu_s()
    with begin(server, image_id, CHUNKED, 0) as client:
        client.send(b"".join(chunk(data[at : at + length]) for at in range(0, len(data), length)), LAST_CHUNK)
        assert client.answer().status == 204
    # It takes a fraction of a second; anything that grows with the square of the count takes minutes.
    assert server.cpu_s() - before < 10
    assert server.peak_memory() < MEMORY
    holds(server, image_id, data)


# Row 10


def test_a_client_that_stops_sending_is_cut_off_after_the_idle_limit(strict_server: Server, body: Body) -> None:
    image_id = strict_server.create()
    with (
        leaves_it_queued(strict_server, image_id, "no byte arrived for 1 seconds"),
        begin(strict_server, image_id, body, 1000) as client,
    ):
        client.send(body.framed(b"and then nothing"))
        answer = client.answer()
        assert answer.status == 408
        assert "no byte arrived for 1 seconds" in answer.message
        assert client.is_closed_by_server()


def test_a_client_that_never_begins_is_cut_off_after_the_idle_limit(strict_server: Server, body: Body) -> None:
    image_id = strict_server.create()
    with (
        leaves_it_queued(strict_server, image_id, "no byte arrived"),
        begin(strict_server, image_id, body, 1000, expect="100-continue") as client,
    ):
        assert client.answer().status == 100
        assert client.answer().status == 408


def test_a_client_that_is_slow_but_steady_is_not_cut_off(strict_server: Server, body: Body) -> None:
    # The rate is what is tested. When this machine could not keep it, the attempt says nothing: try again.
    for _ in range(20):
        image_id = strict_server.create()
        longest = 0.0
        with begin(strict_server, image_id, body, 8) as client:
            for _ in range(8):
                begun = time.monotonic()
                client.send(body.framed(b"."))
                time.sleep(IDLE_S / 5)
                longest = max(longest, time.monotonic() - begun)
            client.send(body.end)
            status = client.answer().status
        if status == 204 or longest < IDLE_S / 2:
            break
    assert status == 204
    holds(strict_server, image_id, b"........")


# Rows 11 and 12


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_store_that_stops_writing_stops_the_client_and_costs_no_memory(
    shared_server: MakeServer, body: Body, tls: bool
) -> None:
    server = shared_server(tls=tls, hindered=True)
    assert isinstance(server, Hindered)
    data = os.urandom(MIB) * 96
    image_id = server.create()
    server.forget_peak_memory()
    server.stop_at("before the first block is written")
    with begin(server, image_id, body, len(data)) as client:
        left = client.send_until_full(body.framed(data))
        assert server.has_stopped()
        # Sockets, the reader's buffer and the lanes hold some of it; the rest is still here.
        assert len(left) > len(data) // 2
        assert server.peak_memory() < MEMORY
        server.go_on()
        client.send(left, body.end)
        assert client.answer().status == 204
    assert server.peak_memory() < MEMORY
    assert server.show(image_id)["checksum"] == hashlib.md5(data).hexdigest()
    server.api("DELETE", f"/v2/images/{image_id}")


def test_a_client_that_stops_reading_a_download_costs_no_memory_and_is_cut_off(strict_server: Server) -> None:
    strict_server.token()
    strict_server.forget_peak_memory()
    data = os.urandom(MIB) * 64
    image_id = strict_server.stored(data)
    opened = strict_server.open_blobs()
    with ExitStack() as stack:
        get = request("GET", f"/v2/images/{image_id}/file", x_auth_token=strict_server.token())
        clients = [stack.enter_context(Rude(strict_server, small_buffers=True)) for _ in range(4)]
        for client in clients:
            client.send(get)
            assert client.read(15) == b"HTTP/1.1 200 OK"
        eventually(lambda: not strict_server.open_blobs() - opened, "the server has given up")
        assert strict_server.peak_memory() < MEMORY
        for client in clients:
            assert len(client.rest()) < len(data)
    strict_server.api("DELETE", f"/v2/images/{image_id}")


def test_a_client_that_reads_slowly_but_steadily_is_not_cut_off(strict_server: Server) -> None:
    image_id = strict_server.stored(bytes(16 * MIB))
    get = request("GET", f"/v2/images/{image_id}/file", x_auth_token=strict_server.token())
    # As above: when this machine could not keep the rate, the attempt says nothing.
    for _ in range(20):
        known, longest = len(strict_server.events), 0.0
        with Rude(strict_server, small_buffers=True) as client:
            client.send(get)
            for _ in range(30):  # the kernel holds more than is read in that time
                begun = time.monotonic()
                assert client.socket.recv(64 << 10)
                time.sleep(IDLE_S / 10)
                longest = max(longest, time.monotonic() - begun)
            cut_off = [event for event in strict_server.events[known:] if event["event"] == "answer cut off"]
            client.reset()
        if not cut_off or longest < IDLE_S / 2:
            break
    assert not cut_off
    strict_server.api("DELETE", f"/v2/images/{image_id}")


def test_a_client_that_reads_now_fast_and_now_slowly_gets_the_same_bytes(server: Server) -> None:
    data = os.urandom(16 * MIB + 7)
    image_id = server.stored(data)
    with Rude(server, small_buffers=True) as client:
        get = request("GET", f"/v2/images/{image_id}/file", "Connection: close", x_auth_token=server.token())
        client.send(get)
        client.line()
        got, pause_at = b"", 0
        while len(got) < len(data) // 2:
            piece = client.read(MIB)
            assert piece, f"the server closed after {len(got)} bytes"
            got += piece
            if len(got) > pause_at:
                pause_at += MIB
                time.sleep(0.03)  # for the server to find the socket full
        got += client.rest()
        assert got.partition(b"\r\n\r\n")[2] == data
    server.api("DELETE", f"/v2/images/{image_id}")


def test_a_client_that_leaves_a_download_is_forgotten(server: Server) -> None:
    image_id = server.stored(os.urandom(MIB) * 32)
    with logs_no_error(server):
        with Rude(server, small_buffers=True) as client:
            client.send(request("GET", f"/v2/images/{image_id}/file", x_auth_token=server.token()))
            assert client.read(15) == b"HTTP/1.1 200 OK"
            client.reset()
        eventually(lambda: not server.open_blobs(), "the server has closed the file")
    server.api("DELETE", f"/v2/images/{image_id}")


# Row 13

DATA = bytes(range(256)) * 40
SIZE = len(DATA)


@pytest.fixture
def image(server: Server, images: dict[str, str]) -> str:
    """The id of an image with `DATA`."""
    if server.url not in images:
        images[server.url] = server.stored(DATA)
    return images[server.url]


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    return {}


@pytest.fixture
def etag(server: Server, image: str) -> str:
    return server.api("HEAD", f"/v2/images/{image}/file").headers["etag"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=100-", 100, SIZE - 1),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        ("bytes=-1", SIZE - 1, SIZE - 1),
        ("bytes=-100", SIZE - 100, SIZE - 1),
        ("bytes=-999999999", 0, SIZE - 1),
        ("bytes=0-999999999", 0, SIZE - 1),
        (f"bytes=0-{SIZE - 1}", 0, SIZE - 1),
        ("BYTES=100-199", 100, 199),
        (f"bytes=5-{'9' * 30}", 5, SIZE - 1),
    ],
)
def test_one_range_is_answered_with_that_part(server: Server, image: str, asked: str, first: int, last: int) -> None:
    answer = server.download(image, range=asked)
    assert answer.status == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.body == DATA[first : last + 1]


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=999999999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_answered_with_the_size(server: Server, image: str, asked: str) -> None:
    answer = server.download(image, range=asked)
    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert f"{SIZE} bytes" in answer.message


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "bytes=", "bytes=a-b", "bytes 0-5", "0-5", "bytes=--5"])
def test_what_is_no_range_is_refused_as_glance_does(server: Server, image: str, asked: str) -> None:
    answer = server.download(image, range=asked)
    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize("asked", ["items=0-5", "seconds=1-2"])
def test_a_range_in_units_that_nobody_knows_is_ignored(server: Server, image: str, asked: str) -> None:
    answer = server.download(image, range=asked)
    assert (answer.status, answer.body) == (200, DATA)


@pytest.mark.parametrize("asked", ["bytes=0-0,5-9", "bytes=0-0, -1", "bytes=999999999-, 0-5"])
def test_several_ranges_are_answered_with_everything(server: Server, image: str, asked: str) -> None:
    answer = server.download(image, range=asked)
    assert (answer.status, answer.body) == (200, DATA)
    assert "content-range" not in answer.headers


def test_a_download_names_its_bytes(server: Server, image: str) -> None:
    answer = server.download(image)
    assert answer.status == 200
    assert answer.body == DATA
    assert answer.headers["etag"] == f'"{hashlib.sha512(DATA).hexdigest()}"'
    assert answer.headers["content-md5"] == hashlib.md5(DATA).hexdigest()
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == OCTETS
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_part_names_the_whole(server: Server, image: str) -> None:
    whole, part = server.download(image).headers, server.download(image, range="bytes=5-9").headers
    for name in ("etag", "content-md5", "accept-ranges", "content-type", *HARMLESS, "x-content-type-options"):
        assert part[name] == whole[name]


@pytest.mark.parametrize("asked", [None, "bytes=5-9", "bytes=999999999-"])
def test_head_describes_the_whole_and_ranges_do_not_apply_to_it(server: Server, image: str, asked: str | None) -> None:
    with Rude(server) as client:
        path, token = f"/v2/images/{image}/file", server.token()
        ranged = {"range": asked} if asked else {}
        client.send(request("HEAD", path, x_auth_token=token, **ranged), request("GET", path, x_auth_token=token))
        head, get = client.answer(to="HEAD"), client.answer()
    assert head.status == 200
    kept = ("etag", "content-md5", "accept-ranges", "content-type", "content-length", *HARMLESS)
    assert {name: head.headers[name] for name in kept} == {name: get.headers[name] for name in kept}
    assert get.body == DATA


def test_if_none_match_saves_the_transfer(server: Server, image: str, etag: str) -> None:
    for listed in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = server.download(image, if_none_match=listed)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == etag
    assert server.download(image, if_none_match='"other"').body == DATA


def test_if_none_match_comes_before_the_range(server: Server, image: str, etag: str) -> None:
    assert server.download(image, if_none_match=etag, range="bytes=5-9").status == 304
    assert server.download(image, if_none_match='"other"', range="bytes=5-9").body == DATA[5:10]


def test_if_match_compares_strongly(server: Server, image: str, etag: str) -> None:
    for listed in (etag, f'"other", {etag}', "*"):
        assert server.download(image, if_match=listed).body == DATA
    for listed in ('"other"', f"W/{etag}"):
        assert server.download(image, if_match=listed).status == 412


def test_if_match_comes_before_everything_else(server: Server, image: str, etag: str) -> None:
    answer = server.download(image, if_match='"other"', if_none_match=etag, range="bytes=5-9")
    assert answer.status == 412


def test_if_range_takes_the_part_only_of_the_same_bytes(server: Server, image: str, etag: str) -> None:
    assert server.download(image, if_range=etag, range="bytes=5-9").status == 206
    for other in ('"other"', f"W/{etag}", "Sat, 29 Oct 2044 19:43:31 GMT"):
        answer = server.download(image, if_range=other, range="bytes=5-9")
        assert (answer.status, answer.body) == (200, DATA)
    assert server.download(image, if_range='"other"', range="bytes=999999999-").status == 200
    assert server.download(image, if_range=etag).status == 200


def test_dates_do_not_matter_where_there_is_none(server: Server, image: str) -> None:
    past, future = "Sat, 29 Oct 1994 19:43:31 GMT", "Sat, 29 Oct 2044 19:43:31 GMT"
    assert server.download(image, if_modified_since=future).status == 200
    assert server.download(image, if_unmodified_since=past).status == 200


def test_the_same_conditions_hold_for_head(server: Server, image: str, etag: str) -> None:
    path = f"/v2/images/{image}/file"
    assert server.api("HEAD", path, if_none_match=etag).status == 304
    assert server.api("HEAD", path, if_match='"other"').status == 412


def test_an_empty_image_has_no_part(server: Server) -> None:
    image_id = server.stored(b"")
    assert server.download(image_id).status == 200
    answer = server.download(image_id, range="bytes=0-")
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */0")


# Row 14


@pytest.mark.parametrize(
    ("header", "status", "named"),
    [
        ({"content_range": "bytes 0-4/4"}, 400, "Content-Range"),
        ({"content_encoding": "gzip"}, 415, "gzip"),
        ({"content_encoding": "br, gzip"}, 415, "br, gzip"),
    ],
)
def test_a_part_or_a_compressed_form_of_an_image_is_not_an_image(
    server: Server, body: Body, header: dict[str, str], status: int, named: str
) -> None:
    image_id = server.create()
    with leaves_it_queued(server, image_id, None), begin(server, image_id, body, 5, **header) as client:
        client.send(body.framed(b"image"), body.end)
        answer = client.answer()
        assert answer.status == status
        assert named in answer.message


def test_a_compressed_transfer_is_not_an_image(server: Server) -> None:
    image_id = server.create()
    with leaves_it_queued(server, image_id, None), Rude(server) as client:
        client.send(upload_head(server, image_id, transfer_encoding="gzip, chunked"), chunk(b"image"), LAST_CHUNK)
        answer = client.answer()
        assert answer.status == 400
        assert "gzip, chunked" in answer.message


def test_the_identity_encoding_is_none(server: Server, body: Body) -> None:
    image_id = server.create()
    with begin(server, image_id, body, 5, content_encoding="identity") as client:
        client.send(body.framed(b"image"), body.end)
        assert client.answer().status == 204
    holds(server, image_id, b"image")


# Row 15


def test_requests_behind_an_upload_are_answered_in_order(server: Server, body: Body) -> None:
    image_id = server.create()
    show = request("GET", f"/v2/images/{image_id}", x_auth_token=server.token())
    upload = upload_head(server, image_id, **body.headers(5)) + body.framed(b"image") + body.end
    with Rude(server) as client:
        client.send(show + upload + show + request("GET", "/healthz"))
        assert client.answer().json["status"] == "queued"
        assert client.answer().status == 204
        assert client.answer().json["status"] == "active"
        assert client.answer().json == {"status": "ok"}


def test_requests_behind_a_large_upload_wait_for_it(server: Server, body: Body) -> None:
    data = os.urandom(8 * MIB)
    image_id = server.create()
    with Rude(server) as client:
        upload = upload_head(server, image_id, **body.headers(len(data))) + body.framed(data) + body.end
        client.send(upload + request("GET", f"/v2/images/{image_id}/file", x_auth_token=server.token()))
        assert client.answer().status == 204
        assert client.answer().body == data


@pytest.mark.skipif(sys.platform != "linux", reason="no other kernel has a time limit for this")
def test_clients_that_read_no_answer_are_cut_off_after_the_idle_limit(strict_server: Server) -> None:
    server = strict_server
    size = len(server.call("GET", "/openapi.json").body)
    before = server.connections()
    with ExitStack() as stack:
        for unread in range(2 * MIB, 8 * MIB, MIB // 2):  # what the kernel takes by itself is somewhere between
            client = stack.enter_context(Rude(server, small_buffers=True))
            client.send_as_far_as_taken(request("GET", "/openapi.json") * (unread // size))
        eventually(lambda: server.connections() > before, "they are there")
        eventually(lambda: server.connections() <= before, "they are cut off")


# Row 16


def test_a_thousand_idle_connections_harm_nobody_and_end(strict_server: Server) -> None:
    with ExitStack() as stack:
        # The clients of a TLS server do not even begin their handshake.
        idle = [stack.enter_context(socket.create_connection(strict_server.address)) for _ in range(1000)]
        assert strict_server.call("GET", "/healthz").status == 200
        image_id = strict_server.stored(b"in the midst of them")
        holds(strict_server, image_id, b"in the midst of them")
        for connection in idle:
            connection.settimeout(30)
            assert connection.recv(1000) == b""


def test_a_connection_that_is_idle_after_a_request_ends(strict_server: Server) -> None:
    with Rude(strict_server) as client:
        client.send(request("GET", "/healthz"))
        assert client.answer().status == 200
        assert client.is_closed_by_server()


@pytest.mark.parametrize("answered_before", [False, True], ids=["first-request", "second-request"])
def test_a_head_that_comes_byte_by_byte_is_not_waited_for(strict_server: Server, answered_before: bool) -> None:
    with Rude(strict_server) as client:
        if answered_before:
            client.send(request("GET", "/healthz"))
            assert client.answer().status == 200
        begun = time.monotonic()
        head = request("GET", "/healthz", x_padding="x" * 10_000)
        client.trickle(head, pause_s=0.05)
        assert time.monotonic() - begun < 20
        assert strict_server.call("GET", "/healthz").status == 200


# Row 17


@pytest.mark.parametrize(
    "head",
    [
        request("GET", "/healthz", x_padding="x" * 102_400),
        request("GET", "/healthz", *[f"X-Padding-{number}: {'x' * 1000}" for number in range(102)]),
        request("GET", "/healthz", *[f"X-{number}: x" for number in range(10_000)]),
        request("GET", f"/healthz?{'x' * MIB}"),
        request("x" * MIB, "/healthz"),
        request("GET", "/healthz", "X-Bare: a\rb"),
        request("GET", "/healthz", "X-Bare: a\rX-Other: b"),
        request("GET", "/healthz", "X-Bare: a\nb"),
        request("GET", "/healthz", "X-Bare: a\n folded"),
        request("GET", "/healthz", "X-Bare: a\r\n folded"),
        request("GET", "/healthz", "X-Bare: a\0b"),
        request("GET", "/healthz", "X-Bare\0: a"),
        request("GET", "/healthz", "X Bare: a"),
        request("GET", "/healthz", ": a"),
        request("GET", "/healthz", "no colon"),
        request("GET", "/health\0z"),
        request("GET", "/health z"),
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ],
    ids=lambda head: f"{head[:14]!r}-{len(head)}-{head[-20:-4]!r}",
)
def test_a_head_that_is_too_large_or_malformed_is_refused(server: Server, head: bytes) -> None:
    with Rude(server) as client:
        client.send_as_far_as_taken(head)
        answer = client.answer()
        assert 400 <= answer.status < 500
        assert answer.message
        assert client.is_closed_by_server()
    assert server.call("GET", "/healthz").status == 200
