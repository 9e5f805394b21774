"""An HTTP client without manners: it says exactly the bytes it is told, in pieces, and leaves when it likes."""

import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from running import TIMEOUT_S
from server import Answer, Server

LAST_CHUNK = b"0\r\n\r\n"


def request(method: str, path: str, *lines: str, **headers: str) -> bytes:
    """Return a request's head. *lines* go in as they are, *headers* as ``content_length="5"``."""
    named = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: images.example.test", *named, *lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Rude:
    """One connection."""

    def __init__(self, server: Server, *, small_buffers: bool = False) -> None:
        plain = socket.socket()
        plain.settimeout(TIMEOUT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if small_buffers:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.socket = plain
        try:
            plain.connect(server.address)
        except OSError:
            plain.close()
            raise
        if server.tls:
            self.socket = server.trust.wrap_socket(plain, server_hostname=server.address[0], suppress_ragged_eofs=True)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.socket.close()

    # Sending

    def send(self, *pieces: bytes | memoryview) -> None:
        """Send each piece with a call of its own."""
        for piece in pieces:
            self.socket.sendall(piece)

    def send_until_refused(self, pieces: Iterable[bytes]) -> tuple[Answer, int]:
        """Send until the server has closed, reading all the while. Return its answer, and how many bytes went."""
        self.socket.setblocking(False)
        deadline = time.monotonic() + TIMEOUT_S
        sent = 0
        for piece in pieces:
            left = memoryview(piece)
            while left:
                assert time.monotonic() < deadline, f"still open after {sent} bytes: {self._buffer!r}"
                if not self._read_what_is_there():
                    return self._parsed(), sent
                try:
                    count = self.socket.send(left)
                except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    select.select([self.socket], [self.socket], [], 0.1)
                except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                    while self._read_what_is_there():
                        select.select([self.socket], [], [], 0.1)
                    return self._parsed(), sent
                else:
                    sent += count
                    left = left[count:]
        raise AssertionError("everything was sent, and the connection is still open")

    def send_until_full(self, data: bytes, has_stopped: Callable[[], bool]) -> memoryview:
        """Send until the server, which *has_stopped*, has taken nothing for a while. Return what is left."""
        left, until = memoryview(data), time.monotonic() + TIMEOUT_S
        self.socket.setblocking(False)
        while left:
            if not select.select([], [self.socket], [], 1)[1]:
                if has_stopped():
                    break
                assert time.monotonic() < until, "the server neither stops nor takes anything"
                continue
            try:
                left = left[self.socket.send(left[: 1 << 20]) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                continue
        self.socket.settimeout(TIMEOUT_S)
        return left

    def send_as_far_as_taken(self, data: bytes) -> None:
        """Send, unless the server closes before everything is sent."""
        with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.send(data)

    def trickle(self, data: bytes, *, pause_s: float) -> None:
        """Send byte by byte until the server closes. Fails if it takes everything."""
        for at in range(len(data)):
            try:
                self.send(data[at : at + 1])
            except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                return
            if select.select([self.socket], [], [], pause_s)[0] and self.is_closed_by_server():
                return
        raise AssertionError("the server has waited for everything")

    def _read_what_is_there(self) -> bool:
        try:
            while piece := self.socket.recv(65536):
                self._buffer += piece
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        except (ConnectionResetError, ssl.SSLError):
            return False
        return False

    # Leaving

    def close(self) -> None:
        """End the connection: FIN, and with TLS no good-bye."""
        self.socket.close()

    def reset(self) -> None:
        """End the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def half_close(self) -> None:
        """Say that nothing more comes, and stay to listen."""
        self.socket.shutdown(socket.SHUT_WR)

    def say_good_bye(self) -> None:
        """End the connection as TLS wants it: with close_notify."""
        assert isinstance(self.socket, ssl.SSLSocket)
        with suppress(OSError):  # nobody has to answer
            self.socket.unwrap().close()

    # Listening

    def line(self) -> str:
        """The next line of the answer, without its end."""
        return self._until(b"\r\n").decode().removesuffix("\r\n")

    def answer(self, *, to: str = "GET") -> Answer:
        """The next answer. *to*: the method; an answer to HEAD has no body."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        status, headers = _head(head)
        if to == "HEAD" or status in (204, 304) or status < 200:
            return Answer(status, headers, b"")
        return Answer(status, headers, self._exactly(int(headers["content-length"])))

    def read(self, length: int) -> bytes:
        """Up to *length* bytes; none when the server has closed."""
        if self._buffer:
            taken, self._buffer = self._buffer[:length], self._buffer[length:]
            return taken
        return self.socket.recv(length)

    def rest(self) -> bytes:
        """Everything until the server closes, or resets."""
        found = []
        try:
            while piece := self.read(1 << 20):
                found.append(piece)
        except (ConnectionResetError, ssl.SSLError):
            pass
        return b"".join(found)

    def is_closed_by_server(self) -> bool:
        """Wait for the end; True if nothing more came before it."""
        return self.rest() == b""

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._more()
        found, _, self._buffer = self._buffer.partition(end)
        return found + end

    def _exactly(self, length: int) -> bytes:
        while len(self._buffer) < length:
            self._more()
        found, self._buffer = self._buffer[:length], self._buffer[length:]
        return found

    def _more(self) -> None:
        piece = self.socket.recv(1 << 16)
        assert piece, f"the server closed after {self._buffer!r}"
        self._buffer += piece

    def _parsed(self) -> Answer:
        head, _, body = self._buffer.partition(b"\r\n\r\n")
        status, headers = _head(head.decode("latin-1"))
        return Answer(status, headers, body)


def _head(text: str) -> tuple[int, Mapping[str, str]]:
    first, *lines = text.rstrip("\r\n").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return int(first.split()[1]), headers


class Body:
    """The two ways to send a body, so that a test can be written once."""

    def __init__(self, name: str, headers: Callable[[int], dict[str, str]], framed: Callable[[bytes], bytes]) -> None:
        self.name = name
        self._headers = headers
        self.framed = framed

    def headers(self, length: int) -> dict[str, str]:
        """What declares a body of *length* bytes."""
        return self._headers(length)

    @property
    def end(self) -> bytes:
        """What follows the last byte."""
        return LAST_CHUNK if self.name == "chunked" else b""

    def __repr__(self) -> str:
        return self.name


WITH_LENGTH = Body("length", lambda length: {"content_length": str(length)}, lambda data: data)
CHUNKED = Body("chunked", lambda _: {"transfer_encoding": "chunked"}, chunk)
