"""Bodies of known length go past aiohttp's parser, and nobody notices."""

import asyncio
import gc
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import web

from stillage.api.http import connection, receiving
from stillage.api.http.answer import answer
from stillage.api.http.body import DIRECT, body_of
from stillage.api.http.listening import listen
from stillage.api.http.receiving import AHEAD, BLOCK, Blocks
from stillage.cli.server import certificate
from stillage.errors import BodyIncomplete, PeerTooSlow

IDLE_S = 3.0
SIZES = [DIRECT, 3 * BLOCK + 1, 9 * BLOCK - 1]

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Talk = Callable[[Reader, Writer], Awaitable[None]]


class Uploads:
    """A server that keeps what it receives, and how it ended. With *keep* it lets go of no piece before the end."""

    def __init__(self, *, keep: bool = False) -> None:
        self.keep = keep
        self.bodies: list[bytes | bytearray] = []
        self.ends: list[BaseException | None] = []
        self.stop_after: int | None = None
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = bytearray()
        kept: list[bytes] = []
        self.bodies.append(b"")
        end: BaseException | None = None
        try:
            async for piece in body_of(request, idle_s=IDLE_S):
                if self.keep:
                    kept.append(piece)
                else:
                    body += piece
                self.begun.set()
                await self.go_on.wait()
                if self.stop_after is not None and len(body) >= self.stop_after:
                    break
        except (BodyIncomplete, PeerTooSlow) as error:
            end = error
        body += b"".join(kept)
        self.bodies[-1] = body
        self.ends.append(end)
        self.ended.set()
        return await answer(request, web.Response(status=204 if end is None else 400))


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Any], None]]:
    yield asyncio.run if request.param == "asyncio" else uvloop.run
    gc.collect()  # bodies of many MiB, in few objects


@pytest.fixture(params=["plain", "TLS"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> certificate.Certificate | None:
    return certificate.ensure(tmp_path, ["127.0.0.1"]) if request.param == "TLS" else None


async def served(
    talk: Callable[[Reader, Writer, Uploads], Awaitable[None]],
    made: certificate.Certificate | None,
    *,
    keep: bool = False,
) -> Uploads:
    uploads = Uploads(keep=keep)
    application = web.Application()
    application.router.add_put("/", uploads.handle)
    runner = connection.Runner(application, header_timeout_s=60, idle_timeout_s=60)
    await runner.setup()
    theirs = ours = None
    if made is not None:
        ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ours.load_cert_chain(made.chain, made.key)
        theirs = ssl.create_default_context(cafile=made.authority)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        # Or the kernel takes as much as it likes for a client that is held back: 32 MiB on some machines.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        await listen(runner, [listening], ours)
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(*listening.getsockname(), ssl=theirs)
            await talk(reader, writer, uploads)
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        await runner.cleanup()
    return uploads


def head(size: int) -> bytes:
    return f"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: {size}\r\n\r\n".encode()


def body(size: int, seed: int = 1) -> bytes:
    return bytes((seed + i) % 251 for i in range(251)) * (size // 251) + bytes(size % 251)


async def status(reader: Reader) -> int:
    answer = await reader.readuntil(b"\r\n\r\n")
    length = answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length or 0))
    return int(answer.split()[1])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cut", [1, BLOCK, 2 * BLOCK - 1])
def test_the_bytes_are_the_same_however_the_stream_is_cut(
    run: Callable[[Any], None], tls: certificate.Certificate | None, size: int, cut: int
) -> None:
    async def talk(reader: Reader, writer: Writer, _: Uploads) -> None:
        sent = head(size) + body(size)
        writer.write(sent[: len(head(size)) + cut])
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(sent[len(head(size)) + cut :])
        assert await status(reader) == 204

    async def main() -> None:
        uploads = await served(talk, tls)
        assert uploads.bodies == [body(size)]

    run(main())


def test_a_block_stays_as_it_is_for_whoever_keeps_it(
    run: Callable[[Any], None], tls: certificate.Certificate | None
) -> None:
    sent = os.urandom(3 * AHEAD * BLOCK + 3)

    async def talk(reader: Reader, writer: Writer, _: Uploads) -> None:
        writer.write(head(len(sent)) + sent)
        assert await status(reader) == 204

    async def main() -> None:
        uploads = await served(talk, tls, keep=True)
        assert uploads.bodies == [sent]

    run(main())


def test_a_block_is_used_again_when_nobody_has_it_any_more() -> None:
    blocks = Blocks()
    first = blocks.take()
    number, view = id(first), memoryview(first)[5:9]
    second = blocks.take()
    assert second is not first
    del first
    third = blocks.take()
    assert number not in (id(second), id(third)), "it is taken as long as there is a view of it"
    del view
    assert id(blocks.take()) == number


def test_free_blocks_are_let_go_of_except_a_few() -> None:
    blocks = Blocks()
    first, *others = [blocks.take() for _ in range(4)]
    spare = id(others[0])
    del others
    blocks.shrink(1)
    assert id(blocks.take()) == spare
    assert blocks.take() is not first


@pytest.mark.parametrize(("before", "after"), [(1, 64), (64, 1)])
def test_how_many_blocks_come_ahead_may_change_while_a_client_waits(
    run: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch, before: int, after: int
) -> None:
    monkeypatch.setattr(receiving, "AHEAD_OF_ALL", before)

    async def talk(reader: Reader, writer: Writer, uploads: Uploads) -> None:
        uploads.go_on.clear()
        writer.write(head(12 * BLOCK) + body(12 * BLOCK))
        await uploads.begun.wait()
        await asyncio.sleep(0.05)  # by then the socket stalls
        monkeypatch.setattr(receiving, "AHEAD_OF_ALL", after)
        uploads.go_on.set()
        assert await status(reader) == 204

    async def main() -> None:
        uploads = await served(talk, None)
        assert uploads.bodies == [body(12 * BLOCK)]

    run(main())


def test_requests_that_follow_on_the_connection_are_answered(
    run: Callable[[Any], None], tls: certificate.Certificate | None
) -> None:
    sizes = [DIRECT + 77, 10, 3 * BLOCK, 0, 4 * BLOCK + 1]

    async def talk(reader: Reader, writer: Writer, _: Uploads) -> None:
        writer.write(b"".join(head(size) + body(size, size) for size in sizes))
        for _size in sizes:
            assert await status(reader) == 204

    async def main() -> None:
        uploads = await served(talk, tls)
        assert uploads.bodies == [body(size, size) for size in sizes]

    run(main())


def test_a_client_that_leaves_is_a_broken_body(run: Callable[[Any], None], tls: certificate.Certificate | None) -> None:
    async def talk(_: Reader, writer: Writer, uploads: Uploads) -> None:
        writer.write(head(5 * BLOCK) + body(2 * BLOCK + 5))
        await writer.drain()
        writer.transport.abort()
        await uploads.ended.wait()

    async def main() -> None:
        uploads = await served(talk, tls)
        assert isinstance(uploads.ends[0], BodyIncomplete)

    run(main())


def test_a_client_that_ends_its_side_early_reads_why(run: Callable[[Any], None]) -> None:
    async def talk(reader: Reader, writer: Writer, _: Uploads) -> None:
        writer.write(head(5 * BLOCK) + body(2 * BLOCK + 5))
        writer.write_eof()
        assert await status(reader) == 400
        assert await reader.read() == b""

    async def main() -> None:
        uploads = await served(talk, None)
        assert isinstance(uploads.ends[0], BodyIncomplete)
        assert uploads.bodies == [body(2 * BLOCK + 5)]

    run(main())


def test_a_silent_client_is_given_up_and_a_slow_one_is_not(
    run: Callable[[Any], None], tls: certificate.Certificate | None
) -> None:
    async def talk(reader: Reader, writer: Writer, uploads: Uploads) -> None:
        writer.write(head(5 * BLOCK) + body(2 * BLOCK + 5))
        for _ in range(6):
            await asyncio.sleep(IDLE_S / 4)
            writer.write(b"x")
            assert uploads.ends == []
        assert await status(reader) == 400

    async def main() -> None:
        uploads = await served(talk, tls)
        assert isinstance(uploads.ends[0], PeerTooSlow)

    run(main())


def test_an_early_answer_comes_at_once_and_the_connection_is_closed(
    run: Callable[[Any], None], tls: certificate.Certificate | None
) -> None:
    async def talk(reader: Reader, writer: Writer, uploads: Uploads) -> None:
        uploads.stop_after = BLOCK
        writer.write(head(1 << 40) + body(3 * BLOCK))
        assert await status(reader) == 204
        assert await reader.read() == b""

    run(served(talk, tls))


def test_what_a_slow_client_has_sent_is_not_held_back(run: Callable[[Any], None]) -> None:
    size = 3 * BLOCK

    async def talk(reader: Reader, writer: Writer, uploads: Uploads) -> None:
        writer.write(head(size) + body(size)[: BLOCK // 2])
        await asyncio.wait_for(uploads.begun.wait(), 60)
        writer.write(body(size)[BLOCK // 2 :])
        assert await status(reader) == 204

    async def main() -> None:
        uploads = await served(talk, None)
        assert uploads.bodies == [body(size)]

    run(main())


def test_a_slow_consumer_holds_the_client_back(run: Callable[[Any], None], tls: certificate.Certificate | None) -> None:
    size = 32 * BLOCK

    async def talk(reader: Reader, writer: Writer, uploads: Uploads) -> None:
        uploads.go_on.clear()
        writer.transport.set_write_buffer_limits(high=0)
        writer.write(head(size))
        sent = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_S / 2):
                while sent < size:
                    writer.write(bytes(BLOCK))
                    sent += BLOCK
                    await writer.drain()
        # What the kernel buffers on both sides, and a few blocks.
        assert sent < size / 2 + AHEAD * BLOCK
        uploads.go_on.set()
        writer.write(bytes(size - sent))
        assert await status(reader) == 204

    async def main() -> None:
        uploads = await served(talk, tls)
        (received,) = uploads.bodies
        assert (len(received), received.count(0)) == (size, size)

    run(main())


@pytest.mark.parametrize("turn_s", [0.0, 60.0])
def test_what_comes_at_once_is_parsed_in_slices(
    run: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch, turn_s: float
) -> None:
    monkeypatch.setattr(connection, "TURN_S", turn_s)
    given = body(2 * connection.SLICE)
    slices: list[int] = []
    parse = connection.Connection._parse

    def noted(self: connection.Connection, data: bytes) -> None:
        slices.append(len(data))
        parse(self, data)

    monkeypatch.setattr(connection.Connection, "_parse", noted)

    async def talk(reader: Reader, writer: Writer, _: Uploads) -> None:
        writer.write(b"PUT / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"".join(b"1\r\n%c\r\n" % byte for byte in given) + b"0\r\n\r\n")
        assert await status(reader) == 204

    async def compare() -> None:
        uploads = await served(talk, None)
        assert uploads.bodies == [given]

    run(compare())
    assert max(slices) == connection.SLICE
