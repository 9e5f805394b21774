"""Clients that download slowly, many at once, and cheaply: ``python -m bench.slow CROWD``.

CROWD is JSON, see `Crowd`. Says ``reading`` when every answer has begun, and goes on until standard input ends.
"""

import json
import select
import socket
import ssl
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

PIECE = 64 * 1024
RECEIVE_BUFFER = 128 * 1024


@dataclass(frozen=True)
class Crowd:
    """*readers* connections, each of which takes `PIECE` bytes in a second."""

    port: int
    tls: bool
    path: str
    headers: dict[str, str]
    readers: int


def _ask(crowd: Crowd) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    made.connect(("127.0.0.1", crowd.port))
    if crowd.tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        made = context.wrap_socket(made)
    lines = [f"GET {crowd.path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in crowd.headers.items()]
    made.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = made.recv(len(b"HTTP/1.1 200"))
    if answer != b"HTTP/1.1 200":
        raise ConnectionError(f"GET {crowd.path}: {answer!r}")
    made.setblocking(False)
    return made


def run(crowd: Crowd) -> None:
    connections = [_ask(crowd) for _ in range(crowd.readers)]
    print("reading", flush=True)
    while True:
        for connection in connections:
            time.sleep(1 / len(connections))
            with suppress(BlockingIOError, ssl.SSLWantReadError):
                connection.recv(PIECE)
            if select.select([sys.stdin], [], [], 0)[0]:
                return


if __name__ == "__main__":
    run(Crowd(**json.loads(sys.argv[1])))
