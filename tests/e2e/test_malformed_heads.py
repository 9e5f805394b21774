"""Request heads that are malformed, too large, or unclear about the length of the body."""

import pytest

from aftermath import leaves_it_queued, upload_head
from rude import Rude, request
from server import MIB, Server


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
