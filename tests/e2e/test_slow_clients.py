"""Slow and idle clients: cut off at the time limits for idle connections and for heads, and not before."""

import os
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from aftermath import begin, holds, leaves_it_queued
from rude import Body, Rude, request
from running import TIMEOUT_S
from server import MIB, Server, eventually

IDLE_S = 1.0  # of `strict_server`
ATTEMPTS = 20


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


class Steady:
    """Makes a step every now and then, and knows the longest time that one took."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._longest_s = 0.0

    @property
    def was_slow(self) -> bool:
        """Whether this machine could not keep the rate: then it says nothing that the server cut the client off."""
        return self._longest_s >= IDLE_S / 2

    @contextmanager
    def step(self) -> Iterator[None]:
        """Do what is in the block, and pause."""
        begun = time.monotonic()
        try:
            yield
            time.sleep(self._pause_s)
        finally:
            self._longest_s = max(self._longest_s, time.monotonic() - begun)


def test_a_client_that_is_slow_but_steady_is_not_cut_off(strict_server: Server, body: Body) -> None:
    for _ in range(ATTEMPTS):
        image_id, steady, status = strict_server.create(), Steady(IDLE_S / 5), None
        with begin(strict_server, image_id, body, 8) as client, suppress(ConnectionError, ssl.SSLError):
            for _ in range(8):
                with steady.step():
                    client.send(body.framed(b"."))
            client.send(body.end)
            status = client.answer().status
        if status == 204 or not steady.was_slow:
            break
    assert status == 204
    holds(strict_server, image_id, b"........")


def test_a_client_that_reads_slowly_but_steadily_is_not_cut_off(strict_server: Server) -> None:
    image_id = strict_server.stored(bytes(16 * MIB))
    get = request("GET", f"/v2/images/{image_id}/file", x_auth_token=strict_server.token())
    for _ in range(ATTEMPTS):
        known, steady, was_read = len(strict_server.events), Steady(IDLE_S / 10), False
        with Rude(strict_server, small_buffers=True) as client, suppress(ConnectionError, ssl.SSLError):
            client.send(get)
            for _ in range(30):  # the kernel holds more than is read in that time
                with steady.step():
                    assert client.socket.recv(64 << 10) or steady.was_slow
            was_read = not any(event["event"] == "answer cut off" for event in strict_server.events[known:])
            client.reset()
        if was_read or not steady.was_slow:
            break
    assert was_read
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


@pytest.mark.skipif(sys.platform != "linux", reason="no other kernel has a time limit for this")
def test_clients_that_read_no_answer_are_cut_off_after_the_idle_limit(strict_server: Server) -> None:
    server = strict_server
    size = len(server.call("GET", "/openapi.json").body)
    before, known = server.connections(), len(server.events)
    with ExitStack() as stack:
        for unread in range(2 * MIB, 8 * MIB, MIB // 2):  # what the kernel takes by itself is somewhere between
            client = stack.enter_context(Rude(server, small_buffers=True))
            client.send_as_far_as_taken(request("GET", "/openapi.json") * (unread // size))
        # Not by their connections, which may have ended already.
        eventually(lambda: any(e.get("path") == "/openapi.json" for e in server.events[known:]), "they are there")
        eventually(lambda: server.connections() <= before, "they are cut off")


def test_a_thousand_idle_connections_harm_nobody_and_end(strict_server: Server) -> None:
    with ExitStack() as stack:
        # The clients of a TLS server do not even begin their handshake.
        idle = [stack.enter_context(socket.create_connection(strict_server.address)) for _ in range(1000)]
        assert strict_server.call("GET", "/healthz").status == 200
        image_id = strict_server.stored(b"in the midst of them")
        holds(strict_server, image_id, b"in the midst of them")
        for connection in idle:
            connection.settimeout(TIMEOUT_S)
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
