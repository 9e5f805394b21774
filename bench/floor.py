"""The floor: the least that an upload or a download costs in Python, without HTTP framework, checks or database.

One thread for each connection, one more for each digest and for the writer; the same digests, the same holes, the same
write-back and the same syncs as the file store. Downloads are a loop round `os.sendfile`, or over TLS round `sendall`.

    python -m bench.floor --dir DIR [--digest sha512] [--cert FILE --key FILE]

prints its port. ``PUT /NAME`` stores the body as DIR/NAME, ``GET /NAME`` sends it.
"""

import argparse
import ctypes
import hashlib
import io
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Thread

BLOCK = 1 << 20
DEPTH = 4
HOLE = 64 * 1024
ZEROS = bytes(HOLE)
PUSH_EVERY = 32 << 20
SYNC_FILE_RANGE_WRITE = 2
SENDFILE_AT_ONCE = 1 << 30

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Floor:
    folder: Path
    digest: str
    tls: ssl.SSLContext | None

    def serve(self, listening: socket.socket) -> None:
        while True:
            connection, _ = listening.accept()
            Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True)
        with connection, connection.makefile("rb") as stream:
            while (head := _read_head(stream)) is not None:
                verb, path, headers = head
                if verb == "PUT":
                    receive(stream, headers, self.folder / path, self.digest)
                    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                else:
                    send(connection, self.folder / path)


def _read_head(stream: io.BufferedReader) -> tuple[str, str, dict[str, str]] | None:
    request = stream.readline().decode().split()
    if not request:
        return None
    headers = {}
    while (line := stream.readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return request[0], request[1].lstrip("/"), headers


class _Stage:
    """A thread that does one thing with each block."""

    def __init__(self, work: Callable[[memoryview], object]) -> None:
        self._work = work
        self._queue: Queue[memoryview | None] = Queue(DEPTH)
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        self.put = self._queue.put

    def end(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (block := self._queue.get()) is not None:
            self._work(block)


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        self._descriptor = os.open(path.parent, os.O_TMPFILE | os.O_RDWR, 0o600)
        self._size = 0
        self._pushed = 0

    def write(self, block: memoryview) -> None:
        whole = block.obj
        begin = 0
        for start in range(0, len(block), HOLE):
            end = min(start + HOLE, len(block))
            if whole.startswith(ZEROS[: end - start], start):  # type: ignore[attr-defined]
                self._put(block[begin:start], begin)
                begin = end
        self._put(block[begin:], begin)
        self._size += len(block)
        if self._size - self._pushed >= PUSH_EVERY:
            pushed = ctypes.c_int64(self._pushed), ctypes.c_int64(self._size - self._pushed)
            _libc.sync_file_range(self._descriptor, *pushed, SYNC_FILE_RANGE_WRITE)
            self._pushed = self._size

    def _put(self, data: memoryview, offset: int) -> None:
        while data:
            written = os.pwrite(self._descriptor, data, self._size + offset)
            data, offset = data[written:], offset + written

    def publish(self) -> None:
        os.ftruncate(self._descriptor, self._size)
        os.fsync(self._descriptor)
        source = f"/proc/self/fd/{self._descriptor}"
        os.link(source, self._path, src_dir_fd=self._folder, follow_symlinks=True)
        os.fsync(self._folder)
        os.close(self._descriptor)
        os.close(self._folder)


def receive(stream: io.BufferedReader, headers: dict[str, str], path: Path, algorithm: str) -> dict[str, str]:
    """Store the body at *path*; return its digests."""
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in ("md5", algorithm)}
    file = _File(path)
    stages = [_Stage(digest.update) for digest in digests.values()] + [_Stage(file.write)]
    # When a stage has taken a block it is done with the one DEPTH + 1 before it, so this many buffers are enough.
    buffers = [memoryview(bytearray(BLOCK)) for _ in range(DEPTH + 2)]
    fill = _chunked(stream) if "transfer-encoding" in headers else _counted(stream, int(headers["content-length"]))
    number = 0
    while length := fill(buffers[number % len(buffers)]):
        block = buffers[number % len(buffers)][:length]
        for stage in stages:
            stage.put(block)
        number += 1
    for stage in stages:
        stage.end()
    file.publish()
    return {name: digest.hexdigest() for name, digest in digests.items()}


def _counted(stream: io.BufferedReader, left: int) -> Callable[[memoryview], int]:
    """Return what fills a buffer with the body of a request with a length, and says how far; 0 at the end."""

    def fill(buffer: memoryview) -> int:
        nonlocal left
        filled = stream.readinto(buffer[:left])
        left -= filled
        return filled

    return fill


def _chunked(stream: io.BufferedReader) -> Callable[[memoryview], int]:
    """The same for a body in chunks."""
    left: int | None = None  # of the chunk; None between two, 0 after the last

    def fill(buffer: memoryview) -> int:
        nonlocal left
        filled = 0
        while filled < len(buffer) and left != 0:
            if left is None:
                left = int(stream.readline(), 16)
            count = stream.readinto(buffer[filled : filled + left])
            filled += count
            left -= count
            if not left:
                ended = not count
                stream.readline()
                left = 0 if ended else None
        return filled

    return fill


def send(connection: socket.socket, path: Path) -> None:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        if isinstance(connection, ssl.SSLSocket):
            buffer = memoryview(bytearray(BLOCK))
            while count := file.readinto(buffer):
                connection.sendall(buffer[:count])
            return
        sent = 0
        while sent < size:
            sent += os.sendfile(connection.fileno(), file.fileno(), sent, SENDFILE_AT_ONCE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--digest", default="sha512")
    parser.add_argument("--cert", type=Path)
    parser.add_argument("--key", type=Path)
    args = parser.parse_args()
    tls = None
    if args.cert is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(args.cert, args.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        Floor(args.dir, args.digest, tls).serve(listening)


if __name__ == "__main__":
    main()
