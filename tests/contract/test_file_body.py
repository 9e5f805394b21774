"""A part of a file as the body of a request: the kernel sends it, and the server may answer before it has it."""

import asyncio
import errno
import gc
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from stillage.client import file_body
from stillage.client.clouds import Cloud
from stillage.client.errors import UnusableFile
from stillage.client.http import Answer, Broken, Http, Request
from stillage.client.rate_limit import RateLimit
from stillage.client.source import Source
from stillage.spans import Span

MIB = 1 << 20
DATA = random.Random(9).randbytes(5 * MIB + 77)
PART = Span(MIB + 3, len(DATA) - 5)
TIMEOUT_S = 60.0

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(DATA)
    return path


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """Serve one connection; yields the URL."""
    ended = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            ended.set()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await asyncio.wait_for(ended.wait(), TIMEOUT_S)


class Receiver:
    """Takes a request, and answers 201."""

    def __init__(self) -> None:
        self.body = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.decode().split("\r\n") if line.startswith("Content-Length:"))
        with suppress(asyncio.IncompleteReadError):
            self.body = await reader.readexactly(length)
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()


async def send(url: str, path: Path, counted: list[int], span: Span = PART, rate: RateLimit | None = None) -> Answer:
    with Source.opened(str(path)) as source:
        source.rate = rate
        body = source.body(span, counted.append)
        async with asyncio.timeout(TIMEOUT_S), Http(Cloud("test", {})) as http:
            return await http.send(Request("PUT", url, body=body, length=span.length))


@pytest.mark.parametrize("way", ["the kernel", "a file system that it cannot send from", "with a limit of the rate"])
async def test_the_bytes_arrive(way: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if way.startswith("a file"):

        def cannot(*_: object) -> int:
            raise OSError(errno.EINVAL, "Invalid argument")

        monkeypatch.setattr(os, "sendfile", cannot)
    receiver, counted = Receiver(), list[int]()
    async with serving(receiver) as url:
        answer = await send(url, file, counted, rate=RateLimit(1 << 40) if way.startswith("with") else None)
    assert (answer.status, sum(counted)) == (201, PART.length)
    assert receiver.body == DATA[PART.first : PART.end]


async def test_a_server_that_refuses_early_is_heard(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 256 * MIB)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 415 Unsupported Media Type\r\nContent-Length: 3\r\n\r\nbad")
        await writer.drain()
        await over.wait()  # without reading any more

    over = asyncio.Event()
    async with serving(refuse) as url:
        counted: list[int] = []
        answer = await send(url, large, counted, Span(0, 256 * MIB))
        over.set()
    assert (answer.status, answer.body) == (415, b"bad")
    assert sum(counted) < 256 * MIB


async def test_what_breaks_after_the_answer_is_not_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))

    def broken(sending: Any) -> None:
        assert sending._stopped.wait(TIMEOUT_S)
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 415 Unsupported Media Type\r\nContent-Length: 3\r\n\r\nbad")
        await writer.drain()

    monkeypatch.setattr(file_body._Sending, "_send", broken)
    async with serving(refuse) as url:
        assert (await send(url, file, [])).status == 415
    gc.collect()  # asyncio tells of errors that nobody has looked at when their task goes
    assert told == []


async def test_a_file_that_was_truncated_is_said_to_be(file: Path) -> None:
    receiver = Receiver()
    async with serving(receiver) as url:
        with Source.opened(str(file)) as source:
            os.truncate(file, PART.first + 10)
            body = source.body(PART, lambda _count: None)
            async with asyncio.timeout(TIMEOUT_S), Http(Cloud("test", {})) as http:
                with pytest.raises(UnusableFile, match="truncated"):
                    await http.send(Request("PUT", url, body=body, length=PART.length))


async def test_a_connection_that_breaks_is_no_fault_of_the_file(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 256 * MIB)

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()  # with bytes that it has not read

    async with serving(leave) as url:
        with pytest.raises(Broken):
            await send(url, large, [], Span(0, 256 * MIB))


def test_what_is_sent_over_tls_or_slowly_is_read(file: Path) -> None:
    with Source.opened(str(file)) as source:
        body = source.body(PART, lambda _count: None)
        assert (body.can_be_sent("http://host/"), body.can_be_sent("https://host/")) == (True, False)
        source.rate = RateLimit(1)
        assert not source.body(PART, lambda _count: None).can_be_sent("http://host/")


def test_zeros_are_found_without_reading_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(DATA[:MIB] + bytes(2 * MIB) + b"\0" * (MIB - 1) + b"x" + DATA[:MIB])
    counts: list[int] = []
    pread = os.pread

    def counted(descriptor: int, length: int, at: int) -> bytes:
        counts.append(length)
        return pread(descriptor, length, at)

    with Source.opened(str(path)) as source:
        monkeypatch.setattr(os, "pread", counted)
        assert source.zeros_in(Span(0, source.size)) == [Span(MIB, 3 * MIB)]
        assert sum(counts) == 5 * 4096 + 3 * MIB
        assert source.zeros_in(Span(3 * MIB, source.size)) == []
    assert file_body.READ == MIB
