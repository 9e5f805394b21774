"""Clients that leave or close their side in the middle of an upload or a download."""

import os
from collections.abc import Callable

import pytest

from aftermath import begin, holds, leaves_it_queued, logs_no_error, received_bytes
from rude import CHUNKED, Body, Rude, chunk, request
from server import MIB, MakeServer, Server, eventually

LOST = "the body ended before its declared end"

Leave = Callable[[Rude], None]


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


def test_a_client_that_leaves_a_download_is_forgotten(server: Server) -> None:
    image_id = server.stored(os.urandom(MIB) * 32)
    with logs_no_error(server):
        with Rude(server, small_buffers=True) as client:
            client.send(request("GET", f"/v2/images/{image_id}/file", x_auth_token=server.token()))
            assert client.read(15) == b"HTTP/1.1 200 OK"
            client.reset()
        eventually(lambda: not server.open_blobs(), "the server has closed the file")
    server.api("DELETE", f"/v2/images/{image_id}")
