"""The client of every scenario, the same for Stillage and for the floor, and cheap: it runs on the same cores.

    python -m bench.client JOB

JOB and the answer on standard output are JSON, see `Job` and `Report`. Connecting is not measured: the clock runs from
the first byte of the first request to the last byte of the last answer.
"""

import json
import os
import socket
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from io import FileIO
from threading import Barrier
from typing import Literal

MIB = 1 << 20
TLS_PIECE = MIB


@dataclass(frozen=True)
class Job:
    """What to do, on as many connections at once as there are paths.

    Attributes:
        size: Bytes to send on each connection; for a download the bytes that must come.
        source: File whose bytes are sent, again and again.
        chunk: Size of the chunks of a chunked body; None sends a Content-Length.
        stall_after: Stop reading a download there, say so on standard output, and wait for a line on standard input.
    """

    port: int
    tls: bool
    verb: Literal["PUT", "GET"]
    paths: list[str]
    headers: dict[str, str]
    size: int
    source: str | None = None
    chunk: int | None = None
    stall_after: int | None = None


@dataclass(frozen=True)
class Report:
    seconds: float
    size: int


@dataclass
class _Connection:
    job: Job
    path: str
    answer: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.job.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.job.tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)

    def run(self) -> int:
        """Do the job on this connection; return how many bytes of body went through."""
        if self.job.verb == "PUT":
            return self._upload()
        self._send_head([])
        return self._download()

    def _upload(self) -> int:
        if self.job.chunk is not None:
            self._send_head(["Transfer-Encoding: chunked"])
            self._send_chunks(self.job.chunk)
        else:
            self._send_head([f"Content-Length: {self.job.size}"])
            if self.job.tls:
                self._send_pieces()
            else:
                self._send_file()
        self._read_head()
        return self.job.size

    def _send_head(self, more: list[str]) -> None:
        lines = [f"{self.job.verb} {self.path} HTTP/1.1", "Host: 127.0.0.1", *more]
        lines += [f"{name}: {value}" for name, value in self.job.headers.items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def _send_file(self) -> None:
        with self._source() as file:
            length = os.fstat(file.fileno()).st_size
            left = self.job.size
            while left:
                at = (self.job.size - left) % length
                left -= os.sendfile(self.socket.fileno(), file.fileno(), at, min(left, length - at))

    def _send_pieces(self) -> None:
        pieces = self._pieces(TLS_PIECE)
        for number in range(self.job.size // TLS_PIECE):
            self.socket.sendall(pieces[number % len(pieces)])
        self.socket.sendall(pieces[0][: self.job.size % TLS_PIECE])

    def _send_chunks(self, size: int) -> None:
        """Send as a client does that writes one chunk after the other, several in one call where they are small."""
        at_once = max(1, MIB // size)
        pieces = [b"%x\r\n%b\r\n" % (size, piece) for piece in self._pieces(size)]
        groups = [b"".join(pieces[start : start + at_once]) for start in range(0, len(pieces), at_once)]
        whole, rest = divmod(self.job.size, at_once * size)
        for number in range(whole):
            self.socket.sendall(groups[number % len(groups)])
        for _ in range(rest // size):
            self.socket.sendall(pieces[0])
        if rest % size:
            self.socket.sendall(b"%x\r\n%b\r\n" % (rest % size, self._pieces(size)[0][: rest % size]))
        self.socket.sendall(b"0\r\n\r\n")

    def _pieces(self, size: int) -> list[bytes]:
        """Return 16 MiB of the source in pieces; sendall needs them in memory."""
        with self._source() as file:
            return [piece for _ in range(16 * MIB // size) if len(piece := file.read(size)) == size]

    def _source(self) -> FileIO:
        assert self.job.source is not None
        return FileIO(self.job.source)

    def _read_head(self) -> tuple[int, bytes]:
        """Read the answer's head; return its Content-Length and what came of the body already."""
        while (end := self.answer.find(b"\r\n\r\n")) < 0:
            data = self.socket.recv(16 * 1024)
            if not data:
                raise ConnectionError(f"closed without an answer: {bytes(self.answer)!r}")
            self.answer += data
        head, body = self.answer[:end].decode(), bytes(self.answer[end + 4 :])
        if head.split()[1] not in ("200", "204"):
            raise ConnectionError(f"{self.job.verb} {self.path}: {head} {body.decode()}")
        lengths = [line.partition(":")[2] for line in head.split("\r\n") if line.lower().startswith("content-length:")]
        return int(lengths[0]) if lengths else 0, body

    def _download(self) -> int:
        length, body = self._read_head()
        buffer = bytearray(MIB)
        got = len(body)
        while got < length:
            if self.job.stall_after is not None and got >= self.job.stall_after:
                print("stalled", flush=True)
                sys.stdin.readline()
                break
            count = self.socket.recv_into(buffer)
            if not count:
                raise ConnectionError(f"closed after {got} of {length} bytes")
            got += count
        return got


def run(job: Job) -> Report:
    """Do *job* on one connection for each of its paths."""
    connections = [_Connection(job, path) for path in job.paths]
    start = Barrier(len(connections) + 1)

    def one(connection: _Connection) -> int:
        start.wait()
        return connection.run()

    with ThreadPoolExecutor(len(connections)) as pool:
        running = [pool.submit(one, connection) for connection in connections]
        begun = time.perf_counter()
        start.wait()
        size = sum(each.result() for each in running)
        seconds = time.perf_counter() - begun
    if job.stall_after is None and size != job.size * len(connections):
        raise ConnectionError(f"{size} bytes instead of {job.size * len(connections)}")
    return Report(seconds, size)


if __name__ == "__main__":
    print(json.dumps(asdict(run(Job(**json.loads(sys.argv[1]))))))
