"""A herd that boots: a thousand clients read one image through two nodes with caches, and the bucket is read twice."""

import hashlib
import os
import selectors
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

import s3_server
from node_stores import SharedBucket
from nodes import nodes_on, start_together
from postgres import TEMPLATE, PostgresServer
from rude_s3 import RudeS3
from running import TIMEOUT_S
from server import MIB, Server
from stillage.stores.s3.cache import SLICE

pytestmark = pytest.mark.thorough

CLIENTS = 1000
SIZE = 64 * MIB
COMPARED = 8
"""Clients that look at the bytes. The kernel drops those of the others."""


def test_a_thousand_clients_cost_the_bucket_one_read_of_each_slice_per_node(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    rude = RudeS3(s3_server.endpoint())
    with rude.running() as url, postgres.fresh(TEMPLATE) as database_url:
        store = SharedBucket(s3_server.settings(endpoint=url), tmp_path, cache_bytes=2 * SIZE)
        with nodes_on(database_url, tmp_path, 2, store=store, workers=2) as nodes:
            first = start_together(nodes)
            data = os.urandom(MIB) * (SIZE // MIB)
            image_id = first.stored(data)
            rude.asked.clear()
            digests = downloads_of(image_id, nodes)
    assert digests == [hashlib.sha256(data).hexdigest()] * COMPARED
    read = [line for line in rude.asked if line.startswith("GET") and "?" not in line]
    assert len(read) == 2 * SIZE // SLICE


def downloads_of(image_id: str, nodes: Sequence[Server]) -> list[str]:
    """Read an image on so many connections at once, to one node after the other; return the digests of the first."""
    with selectors.DefaultSelector() as selector:
        for number in range(CLIENTS):
            node = nodes[number % len(nodes)]
            connection = socket.create_connection(node.address, TIMEOUT_S)
            head = f"GET /v2/images/{image_id}/file HTTP/1.1\r\nHost: here\r\nX-Auth-Token: {node.token()}\r\n\r\n"
            connection.sendall(head.encode())
            selector.register(connection, selectors.EVENT_READ, Download(connection, compares=number < COMPARED))
        everybody: list[Download] = [key.data for key in selector.get_map().values()]
        while selector.get_map():
            ready = selector.select(TIMEOUT_S)
            assert ready, "no client gets anything"
            for key, _ in ready:
                if key.data.receive():
                    selector.unregister(key.fileobj)
                    key.data.connection.close()
    return [each.digest.hexdigest() for each in everybody[:COMPARED]]


class Download:
    buffer = bytearray(MIB)

    def __init__(self, connection: socket.socket, *, compares: bool) -> None:
        self.connection = connection
        self.digest = hashlib.sha256()
        self._compares = compares
        self._head = b""
        self._left = SIZE

    def receive(self) -> bool:
        """Receive what is there; return whether that was all."""
        if not self._head.endswith(b"\r\n\r\n"):
            self._head += self.connection.recv(1)
            return False
        flags = 0 if self._compares else socket.MSG_TRUNC
        count = self.connection.recv_into(self.buffer, min(MIB, self._left), flags)
        assert count, f"the download ended {self._left} bytes early after {self._head!r}"
        if self._compares:
            self.digest.update(memoryview(self.buffer)[:count])
        self._left -= count
        return not self._left
