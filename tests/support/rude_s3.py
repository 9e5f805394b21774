"""A proxy before the real S3 server, without manners: it refuses, breaks off in the middle, or is not there.

Each connection serves one request, so that what a fault strikes is that request alone. A signature covers the Host,
which stays the proxy's.
"""

import re
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TIMEOUT_S = 60.0
XML = "<?xml version='1.0'?><Error><Code>{}</Code><Message>key AKIA-LEAKED is not known</Message></Error>"


@dataclass(frozen=True)
class Refuse:
    """Answer so, without asking the server."""

    status: int
    code: str


@dataclass(frozen=True)
class CutAnswer:
    """End the connection when the server has said so many bytes."""

    at: int


@dataclass(frozen=True)
class CutRequest:
    """End the connection when the client has said so many bytes."""

    at: int


@dataclass(frozen=True)
class LoseAnswer:
    """End the connection when the server has done what it was asked for, and say nothing."""


Fault = Refuse | CutAnswer | CutRequest | LoseAnswer


@dataclass
class RudeS3:
    """*tls*: of its certificate, to serve TLS."""

    upstream: str
    tls: ssl.SSLContext | None = None
    asked: list[str] = field(default_factory=list)
    _faults: list[tuple[str, deque[Fault]]] = field(default_factory=list)

    def plan(self, text: str, *faults: Fault) -> None:
        """Have *faults* strike the next requests whose line contains *text*, in order; "*" stands for anything."""
        self._faults.append((text, deque(faults)))

    @property
    def is_done(self) -> bool:
        """True if every fault has struck."""
        return not any(faults for _, faults in self._faults)

    def forget(self) -> None:
        self._faults.clear()

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve; yield the URL."""
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()
        try:
            yield f"{'http' if self.tls is None else 'https'}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(TIMEOUT_S)
        with suppress(OSError), plain if self.tls is None else self.tls.wrap_socket(plain, server_side=True) as client:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (data := client.recv(65536)):
                    return
                head += data
            line = head.partition(b"HTTP/1.1")[0].decode()
            self.asked.append(line)
            fault = self._fault(line)
            if isinstance(fault, Refuse):
                client.sendall(_answer(fault))
                return
            self._pass(client, head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), fault)

    def _fault(self, line: str) -> Fault | None:
        for text, faults in self._faults:
            if faults and re.search(re.escape(text).replace(r"\*", ".*"), line):
                return faults.popleft()
        return None

    def _pass(self, client: socket.socket, head: bytes, fault: CutAnswer | CutRequest | LoseAnswer | None) -> None:
        url = urlsplit(self.upstream)
        with socket.create_connection((url.hostname or "", url.port or 80), TIMEOUT_S) as server:
            server.sendall(head)
            most = fault.at - len(head) if isinstance(fault, CutRequest) else None
            up = threading.Thread(target=_pump, args=[client, server, most], daemon=True)
            up.start()
            if isinstance(fault, LoseAnswer):
                while server.recv(65536):
                    """It closes the connection after its answer."""
                client.shutdown(socket.SHUT_RDWR)
            else:
                _pump(server, client, fault.at if isinstance(fault, CutAnswer) else None)
        up.join(TIMEOUT_S)


def _pump(source: socket.socket, target: socket.socket, most: int | None) -> None:
    with suppress(OSError):
        while most is None or most > 0:
            data = source.recv(65536 if most is None else min(65536, most))
            if not data:
                break
            target.sendall(data)
            most = None if most is None else most - len(data)
        for each in (source, target):
            if most is not None:
                each.shutdown(socket.SHUT_RDWR)
        target.shutdown(socket.SHUT_WR)


def _answer(fault: Refuse) -> bytes:
    body = XML.format(fault.code).encode()
    head = f"HTTP/1.1 {fault.status} No\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body
