"""Uploads that go on, on real connections: interim responses, early refusals, and every way to break."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from aftermath import OCTETS, holds
from postgres import PostgresServer
from resuming import DATA, document, finish, opened, piece_head, send_piece
from rude import CHUNKED, WITH_LENGTH, Body, Rude, request
from server import MIB, Answer, MakeServer, Server, eventually

HALF = len(DATA) // 2
TUS = {"tus_resumable": "1.0.0", "content_type": "application/offset+octet-stream"}
IETF = {"content_type": "application/partial-upload"}


def heads(client: Rude, *, to: str = "PUT") -> list[Answer]:
    """Interim responses, and after them the answer."""
    found = [client.answer(to=to)]
    while found[-1].status < 200:
        found.append(client.answer(to=to))
    return found


# Interim responses


def ietf_head(server: Server, image_id: str, length: int, *lines: str, **headers: str) -> bytes:
    named = {"x_auth_token": server.token(), "content_type": OCTETS, "content_length": str(length)} | headers
    return request("PUT", f"/v2/images/{image_id}/file", *lines, **named)


@pytest.mark.parametrize("version", ["6", "7", "8"])
def test_the_address_comes_before_the_first_byte_is_sent(server: Server, version: str) -> None:
    image_id = server.create()
    with Rude(server) as client:
        said = {"upload_complete": "?1", "upload_draft_interop_version": version}
        client.send(ietf_head(server, image_id, len(DATA), **said))
        interim = client.answer()
        assert interim.status == 104
        assert interim.headers["upload-draft-interop-version"] == version
        assert interim.headers["upload-limit"].startswith("max-size=")
        path = urlsplit(interim.headers["location"]).path
        assert document(server, path)["size"] == len(DATA)
        client.send(DATA)
        answer = heads(client)[-1]
        assert (answer.status, answer.headers["upload-complete"]) == (204, "?1")
    holds(server, image_id, DATA)


def test_the_100_comes_as_well(server: Server) -> None:
    image_id = server.create()
    with Rude(server) as client:
        said = {"upload_complete": "?1", "upload_draft_interop_version": "8", "expect": "100-continue"}
        client.send(ietf_head(server, image_id, 5, **said))
        assert client.answer().status == 104
        assert client.answer().status == 100
        client.send(b"image")
        assert client.answer().status == 204
    holds(server, image_id, b"image")


@pytest.mark.parametrize("version", [None, "5", "9", "x"])
def test_whoever_does_not_speak_the_protocol_hears_no_104(server: Server, version: str | None) -> None:
    image_id = server.create()
    with Rude(server) as client:
        said = {} if version is None else {"upload_draft_interop_version": version}
        client.send(ietf_head(server, image_id, 5, upload_complete="?1", **said), b"image")
        assert client.answer().status == 204
    holds(server, image_id, b"image")


def test_a_client_of_http_1_0_hears_no_104(server: Server) -> None:
    image_id = server.create()
    said = {"upload_complete": "?1", "upload_draft_interop_version": "8"}
    with Rude(server) as client:
        client.send(ietf_head(server, image_id, 5, **said).replace(b"HTTP/1.1", b"HTTP/1.0"), b"image")
        assert client.answer().status == 204
    holds(server, image_id, b"image")


# Refused before the first byte


@contextmanager
def refused_unread(server: Server, path: str) -> Iterator[Rude]:
    """Check, after the block has sent a head, that the refusal comes instead of the 100, and nothing counts."""
    with Rude(server) as client:
        yield client
        answer = client.answer()
        assert 400 <= answer.status < 500, answer.body
    assert document(server, path)["received"] == 0


def waiting(path: str, method: str, length: int = len(DATA), /, **headers: str) -> bytes:
    return request(method, path, content_length=str(length), expect="100-continue", **headers)


def test_what_can_be_refused_is_refused_instead_of_the_100(server: Server) -> None:
    _, path = opened(server)
    upload_range = {"content_type": OCTETS, "content_range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}
    for method, headers in (
        ("PUT", {**upload_range, "content_range": f"bytes 1-{len(DATA)}/{len(DATA)}"}),
        ("PUT", {**upload_range, "content_range": f"bytes 0-{len(DATA) - 1}/{len(DATA) + 1}"}),
        ("PUT", {**upload_range, "content_type": "text/plain"}),
        ("PUT", {"content_type": OCTETS}),
        ("PATCH", TUS | {"upload_offset": "5"}),
        ("PATCH", TUS | {"upload_offset": "0", "tus_resumable": "0.2.2"}),
        ("PATCH", TUS | {"upload_offset": "0", "upload_checksum": "crc32 AAAA"}),
        ("PATCH", IETF | {"upload_offset": "5", "upload_complete": "?1"}),
        ("PATCH", IETF | {"upload_offset": "0"}),
        ("PATCH", {"content_type": OCTETS, "upload_offset": "0"}),
    ):
        with refused_unread(server, path) as client:
            client.send(waiting(path, method, **headers))
    for method, headers in (
        ("PUT", upload_range),
        ("PATCH", TUS | {"upload_offset": "0"}),
        ("PATCH", IETF | {"upload_offset": "0", "upload_complete": "?1"}),
    ):
        with refused_unread(server, path) as client:
            client.send(waiting(f"{path[:-1]}!", method, **headers))
        with refused_unread(server, path) as client:  # more than the upload was told to have
            too_long = len(DATA) + 1
            longer = {"content_range": f"bytes 0-{too_long - 1}/*"} if method == "PUT" else {}
            client.send(waiting(path, method, too_long, **{**headers, **longer}))


# Connections that break


@pytest.mark.parametrize("end", [Rude.close, Rude.reset], ids=["fin", "rst"])
@pytest.mark.parametrize("body", [WITH_LENGTH, CHUNKED], ids=repr)
def test_what_came_of_a_piece_stays_when_the_connection_breaks(server: Server, end: Any, body: Body) -> None:
    image_id, path = opened(server)
    sent = 3 * MIB + 7
    with Rude(server) as client:
        client.send(piece_head(path, 0, len(DATA), **body.headers(len(DATA))))
        client.send(body.framed(DATA[:sent]))
        eventually(lambda: taken(server, path) >= 2 * MIB, "most of it counts")
        end(client)
    eventually(lambda: taken(server, path) >= 3 * MIB, "what came counts")
    assert server.show(image_id)["status"] == "saving"
    missing = finish(server, path)
    assert missing <= len(DATA) - 3 * MIB
    holds(server, image_id, DATA)


def taken(server: Server, path: str) -> int:
    return int(document(server, path)["received"])


def test_a_plain_upload_that_breaks_keeps_nothing(server: Server) -> None:
    image_id = server.create()
    with Rude(server) as client:
        client.send(ietf_head(server, image_id, len(DATA)), DATA[:HALF])
        server.await_status(image_id, "saving")
    server.await_status(image_id, "queued")
    assert server.api("GET", f"/v2/images/{image_id}/uploads").json == {"uploads": []}


def test_an_upload_that_asked_for_it_stays_when_the_connection_breaks(server: Server) -> None:
    image_id = server.create()
    with Rude(server) as client:
        said = {"upload_complete": "?1", "upload_draft_interop_version": "8"}
        client.send(ietf_head(server, image_id, len(DATA), **said))
        path = urlsplit(client.answer().headers["location"]).path
        client.send(DATA[:HALF])
        eventually(lambda: taken(server, path) >= 2 * MIB, "most of it counts")
    answer = server.call("HEAD", path)
    offset = int(answer.headers["upload-offset"])
    assert (answer.headers["upload-complete"], answer.headers["upload-length"]) == ("?0", str(len(DATA)))
    headers = {"Upload-Offset": str(offset), "Upload-Complete": "?1", "Content-Type": "application/partial-upload"}
    eventually(lambda: settled(server, path), "the server has noticed")
    offset = headers["Upload-Offset"] = server.call("HEAD", path).headers["upload-offset"]  # type: ignore[assignment]
    assert server.call("PATCH", path, DATA[int(offset) :], headers=headers).status == 204
    holds(server, image_id, DATA)


def settled(server: Server, path: str) -> bool:
    """Nothing more comes of a connection that broke: two looks see the same."""
    return taken(server, path) >= HALF


def test_a_client_that_stops_is_cut_off_and_goes_on_later(strict_server: Server) -> None:
    image_id, path = opened(strict_server)
    with Rude(strict_server) as client:
        client.send(piece_head(path, 0, len(DATA), content_length=str(len(DATA))), DATA[:HALF])
        answer = client.answer()
        assert answer.status == 408
    assert strict_server.show(image_id)["status"] == "saving"
    finish(strict_server, path)
    holds(strict_server, image_id, DATA)


# Servers that break


def test_a_killed_server_goes_on_where_it_stood(own_server: MakeServer) -> None:
    server = own_server()
    server.start()
    image_id, path = opened(server)
    assert send_piece(server, path, 4 * MIB, DATA[4 * MIB :]).status == 202
    with Rude(server) as client:
        client.send(piece_head(path, 0, 4 * MIB, content_length=str(4 * MIB)), DATA[: 2 * MIB + 5])
        counted = len(DATA) - 4 * MIB + MIB
        eventually(lambda: taken(server, path) >= counted, "the first MiB counts")
        server.kill()
    server.start()
    assert server.show(image_id)["status"] == "saving"
    assert taken(server, path) >= counted, "what was said to be there is there"
    missing = finish(server, path)
    assert missing <= len(DATA) - counted
    holds(server, image_id, DATA)


def test_a_stopped_server_keeps_what_had_come(own_server: MakeServer) -> None:
    server = own_server(shutdown_grace_s=1)
    server.start()
    image_id, path = opened(server)
    with Rude(server) as client:
        client.send(piece_head(path, 0, len(DATA), content_length=str(len(DATA))), DATA[: 2 * MIB])
        eventually(lambda: taken(server, path) >= MIB, "the first MiB counts")
        assert server.stop() == 0
    server.start()
    assert taken(server, path) >= MIB
    finish(server, path)
    holds(server, image_id, DATA)


def in_pieces_to_everybody(server: Server) -> None:
    """Send an image in many pieces, each on a connection of its own, and check it."""
    image_id, path = opened(server)
    step = 300_001
    firsts = list(range(0, len(DATA), step))
    statuses = [
        send_piece(server, path, first, DATA[first : first + step]).status for first in [*firsts[::2], *firsts[1::2]]
    ]
    assert statuses == [202] * (len(firsts) - 1) + [204]
    holds(server, image_id, DATA)


def test_pieces_may_come_to_different_workers(own_server: MakeServer) -> None:
    server = own_server(workers=2)
    server.start()
    in_pieces_to_everybody(server)


def test_pieces_may_come_to_different_workers_over_postgresql(own_server: MakeServer, postgres: PostgresServer) -> None:
    with postgres.migrated() as url:
        server = own_server(workers=2, database_url=url)
        server.start()
        in_pieces_to_everybody(server)
        server.close()
