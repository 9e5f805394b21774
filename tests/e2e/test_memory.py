"""The memory of the server stays bounded: large and tiny chunks, a store that stops, clients that stop reading."""

import hashlib
import os
from contextlib import ExitStack

import pytest

from aftermath import begin, holds
from hindered_server import Hindered
from rude import CHUNKED, LAST_CHUNK, Body, Rude, chunk, request
from server import MIB, MakeServer, Server, eventually

# What a server process may hold at any time, whatever its clients do.
MEMORY = 150 * MIB


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
        left = client.send_until_full(body.framed(data), server.has_stopped)
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
