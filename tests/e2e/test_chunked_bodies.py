"""Bodies in chunks that are malformed."""

import pytest

from aftermath import begin, leaves_it_queued, upload_head
from rude import CHUNKED, LAST_CHUNK, Rude, chunk
from server import Server

MALFORMED = "the chunks of the body are malformed"


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
