"""Several requests on one connection, sent without waiting: what comes behind an upload is the next request."""

import os

from aftermath import begin, holds, upload_head
from rude import Body, Rude, request
from server import MIB, Server


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
