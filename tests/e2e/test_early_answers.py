"""Uploads that are refused or let in before their body: ``Expect: 100-continue``, and what is read after a refusal."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from aftermath import begin, holds, logs_no_error, upload_head
from rude import CHUNKED, WITH_LENGTH, Body, Rude, request
from server import MIB, Server, eventually

# After a refusal at most 1 MiB is read on purpose; the reader's buffer, full twice, and the database's come on top.
READ_AFTER_REFUSAL = 6 * MIB
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


@pytest.mark.parametrize(("refused", "status", "form"), REFUSALS)
def test_a_client_that_is_refused_and_goes_on_sending_is_cut_off_soon(
    server: Server, refused: Refused, status: int, form: Body
) -> None:
    image_id, headers = refused(server)
    with Rude(server) as client:
        before = server.bytes_read()
        client.send(upload_head(server, image_id, **form.headers(1 << 30) | headers))
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
