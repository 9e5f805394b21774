"""Uploads with a content encoding, a transfer encoding or a content range: parts and compressed bodies are refused."""

import pytest

from aftermath import begin, holds, leaves_it_queued, upload_head
from rude import LAST_CHUNK, Body, Rude, chunk
from server import Server


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
