"""Reading from web servers that break off, change their files, or send what they did not declare."""

import asyncio
import gzip
import hashlib
import socket
import struct
from collections.abc import Callable
from contextlib import nullcontext

import pytest
from aiohttp import ClientPayloadError, StreamReader
from aiohttp.base_protocol import BaseProtocol

from stillage.errors import SourceChanged, SourceLengthMismatch, SourceRefused, SourceUnavailable, StillageError
from stillage.operations.imports.sources import WebFile
from stillage.outgoing.transfer import SLOW_S, MinimumRate, Retries, Splitting, next_of
from stillage.outgoing.web import Reading
from web_servers import (
    AT_ONCE,
    ETAG,
    Handler,
    Request,
    WebServer,
    answer_of,
    head,
    ranges,
    read,
    web_server,
    web_source,
)

DATA = bytes(range(251)) * 4000
DATE = {"Date": "Sun, 29 Nov 2026 10:00:00 GMT"}
OLD = {"Last_Modified": "Sun, 29 Nov 2026 09:00:00 GMT", **DATE}
SPLIT = Reading(AT_ONCE, Splitting(connections=3, piece=100_000, least=500_000))

Answering = Callable[[Request], bytes]


def then(*answers: Answering) -> Handler:
    """Return what gives *answers*, one after the other; the last one again and again. It closes after each."""
    count = 0

    async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        answer = answers[min(count, len(answers) - 1)]
        count += 1
        writer.write(answer(request))
        await writer.drain()
        writer.close()

    return handle


def whole(request: Request) -> bytes:
    return answer_of(request, DATA)


def cut(request: Request, length: int = 300_000) -> bytes:
    """Half of the rest arrives."""
    answer = whole(request)
    return answer[: answer.index(b"\r\n\r\n") + 4 + length]


def cut_at_once(request: Request) -> bytes:
    return cut(request, 10)


def old(request: Request) -> bytes:
    return head(Content_Length=len(DATA), **OLD) + DATA[:1000]


def answer(status: str = "200 OK", body: bytes = DATA, **headers: object) -> Answering:
    return lambda _request: head(status, **headers) + body


def part(start: int, end: int, body: bytes | None = None, total: int = len(DATA), etag: str = ETAG) -> Answering:
    body = DATA[start:end] if body is None else body
    return answer(
        "206 Partial Content",
        body,
        ETag=etag,
        Content_Range=f"bytes {start}-{end - 1}/{total}",
        Content_Length=len(body),
    )


async def failure_of(*answers: Answering, **expected: str) -> StillageError:
    async with web_server(then(*answers)) as server, web_source(server) as source:
        with pytest.raises(StillageError) as failure:
            await read(source, server.url(), **expected)
    return failure.value


async def test_a_source_that_breaks_is_resumed_where_it_broke() -> None:
    async with web_server(then(cut, cut, whole)) as server, web_source(server) as source:
        assert await read(source, server.url(), sha256=hashlib.sha256(DATA).hexdigest()) == DATA
    asked = [request.headers.get("range") for request in server.requests]
    assert asked == [None, "bytes=300000-", "bytes=600000-"]
    assert [request.headers.get("if-range") for request in server.requests] == [None, ETAG, ETAG]


async def test_a_source_without_ranges_is_read_again_and_what_is_known_is_skipped() -> None:
    again = answer(ETag=ETAG, Content_Length=len(DATA))
    async with web_server(then(cut, again)) as server, web_source(server) as source:
        assert await read(source, server.url()) == DATA


async def test_an_old_date_of_change_resumes_as_well() -> None:
    rest = answer(
        "206 Partial Content",
        DATA[1000:],
        Content_Range=f"bytes 1000-{len(DATA) - 1}/{len(DATA)}",
        Content_Length=len(DATA) - 1000,
        **OLD,
    )
    async with web_server(then(old, rest)) as server, web_source(server) as source:
        assert await read(source, server.url()) == DATA
    assert server.requests[1].headers["if-range"] == OLD["Last_Modified"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": 'W/"one"'},
        {"ETag": "one"},
        {"Last_Modified": DATE["Date"], **DATE},
        {"Last_Modified": OLD["Last_Modified"]},
        {"Last_Modified": "yesterday", **DATE},
        {"ETag": ETAG, "Content_Encoding": "gzip"},
    ],
)
async def test_without_a_strong_validator_nothing_is_resumed(headers: dict[str, str]) -> None:
    body = gzip.compress(DATA) if "Content_Encoding" in headers else DATA
    broken = answer(body=body[:1000], Content_Length=len(body), Accept_Ranges="bytes", **headers)
    failure = await failure_of(broken, whole)
    assert isinstance(failure, SourceLengthMismatch)
    assert failure.received == 1000


@pytest.mark.parametrize(
    "changed",
    [
        answer(ETag='"two"', Content_Length=len(DATA)),
        answer(ETag=ETAG, Content_Length=len(DATA) + 1),
        answer(Content_Length=len(DATA)),
        part(300_000, len(DATA), etag='"two"'),
        part(300_000, len(DATA), total=len(DATA) + 1),
        answer("412 Precondition Failed", b"", Content_Length=0),
        answer("416 Range Not Satisfiable", b"", Content_Range="bytes */1000", Content_Length=0),
    ],
)
async def test_a_file_that_changed_is_not_put_together_with_the_old_one(changed: Answering) -> None:
    failure = await failure_of(cut, changed)
    assert isinstance(failure, SourceChanged)
    assert failure.offset == 300_000


@pytest.mark.parametrize(
    "wrong",
    [
        part(0, len(DATA)),
        part(300_001, len(DATA)),
        part(300_000, len(DATA), DATA),
        part(300_000, len(DATA) + 10, total=len(DATA) + 20),
        answer("206 Partial Content", DATA, Content_Length=len(DATA)),
        answer("206 Partial Content", DATA, Content_Range="bytes 300000-200000/*", Content_Length=len(DATA)),
        answer("206 Partial Content", DATA, Content_Type="multipart/byteranges; boundary=x", Content_Length=len(DATA)),
        answer("404 Not Found", b"", Content_Length=0),
    ],
)
async def test_another_range_than_the_one_that_was_asked_for_is_refused(wrong: Answering) -> None:
    assert isinstance(await failure_of(cut, wrong), SourceRefused)


async def test_a_part_that_is_shorter_than_asked_for_is_taken() -> None:
    async with web_server(then(cut, part(300_000, 400_000), whole)) as server, web_source(server) as source:
        assert await read(source, server.url()) == DATA


async def test_trouble_while_resuming_is_waited_out() -> None:
    busy = answer("503 Busy", b"", Content_Length=0)
    async with web_server(then(cut, busy, busy, whole)) as server, web_source(server) as source:
        assert await read(source, server.url()) == DATA


async def test_attempts_without_progress_are_limited() -> None:
    async with web_server(then(cut, cut_at_once)) as server, web_source(server) as source:
        with pytest.raises(SourceLengthMismatch, match=f"declared {len(DATA)} bytes and sent 300030"):
            await read(source, server.url())
    assert len(server.requests) == 1 + AT_ONCE.tries


def test_pauses_grow_and_have_a_limit() -> None:
    retries = Retries(pause_s=0.5, longest_pause_s=5)
    assert [retries.pause(tries) for tries in range(1, 7)] == [0.5, 1, 2, 4, 5, 5]


async def test_an_expired_target_of_a_redirect_is_asked_for_again() -> None:
    """Object stores sign the URLs that they redirect to for minutes."""
    signed = iter(["/signed-1", "/signed-2"])

    async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
        match request.path, "range" in request.headers:
            case "/disk.img", _:
                writer.write(head("302 Found", Location=next(signed), Content_Length=0))
            case "/signed-1", True:
                writer.write(head("403 Forbidden", Content_Length=0))
            case "/signed-1", False:
                writer.write(cut(request))
                writer.close()
            case _:
                writer.write(whole(request))

    async with web_server(handle) as server, web_source(server) as source:
        assert await read(source, server.url()) == DATA


async def test_a_source_that_is_shorter_than_it_says_fails() -> None:
    failure = await failure_of(answer(Content_Length=len(DATA) + 1))
    assert isinstance(failure, SourceLengthMismatch)
    assert f"declared {len(DATA) + 1} bytes and sent {len(DATA)}" in str(failure)


async def test_a_connection_that_is_reset_is_no_end() -> None:
    """Another attempt may succeed, where a short file stays short."""

    async def reset(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(Content_Length=len(DATA)) + DATA[:1000])
        await writer.drain()
        option = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        writer.transport.abort()

    async with web_server(reset) as server, web_source(server) as source:
        with pytest.raises(SourceUnavailable, match="after 1000 bytes, and it cannot be resumed"):
            await read(source, server.url())


@pytest.mark.parametrize("surplus", [1, 1000, 3_000_000])
async def test_a_source_that_is_longer_than_it_says_fails(surplus: int) -> None:
    failure = await failure_of(answer(body=DATA + bytes(surplus), Content_Length=len(DATA)))
    assert isinstance(failure, SourceLengthMismatch)


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


async def test_a_chunked_source_is_read_to_its_last_chunk() -> None:
    complete = answer(body=chunked(DATA[:1000], DATA[1000:]), Transfer_Encoding="chunked")
    async with web_server(then(complete)) as server, web_source(server) as source:
        assert await read(source, server.url()) == DATA
    assert isinstance(
        await failure_of(answer(body=chunked(DATA, end=b""), Transfer_Encoding="chunked")), SourceUnavailable
    )


async def test_a_chunked_source_is_resumed() -> None:
    broken = answer(body=chunked(DATA[:300_000], end=b""), Transfer_Encoding="chunked", ETag=ETAG)
    async with web_server(then(broken, cut, whole)) as server, web_source(server) as source:
        assert await read(source, server.url()) == DATA
    rest = DATA[300_000:]
    endless = answer("206 Partial Content", rest, Content_Range=f"bytes 300000-{len(DATA) - 1}/*", ETag=ETAG)
    assert isinstance(await failure_of(broken, endless), SourceRefused)


async def test_a_source_whose_end_cannot_be_told_needs_a_digest() -> None:
    failure = await failure_of(answer())
    assert isinstance(failure, SourceRefused)
    assert "does not declare its length" in str(failure)
    async with web_server(then(answer())) as server, web_source(server) as source:
        assert await read(source, server.url(), sha256=hashlib.sha256(DATA).hexdigest()) == DATA


async def test_a_large_source_is_read_over_several_connections_in_order() -> None:
    async with web_server(ranges(DATA)) as server, web_source(server, reading=SPLIT) as source:
        assert await read(source, server.url(), sha256=hashlib.sha256(DATA).hexdigest()) == DATA
    assert 2 <= server.connections <= 4
    asked = [request.headers.get("range") for request in server.requests]
    assert len(asked) == 11
    assert asked[:3] == [None, "bytes=100000-199999", "bytes=200000-299999"]


@pytest.mark.parametrize(
    "handler",
    [
        then(answer(ETag=ETAG, Content_Length=len(DATA))),
        then(answer(ETag='W/"one"', Accept_Ranges="bytes", Content_Length=len(DATA))),
        ranges(DATA[:400_000]),
    ],
)
async def test_others_are_read_over_one(handler: Handler) -> None:
    async with web_server(handler) as server, web_source(server, reading=SPLIT) as source:
        assert DATA.startswith(await read(source, server.url()))
    assert len(server.requests) == 1


async def test_each_of_several_connections_is_resumed() -> None:
    seen: set[int] = set()

    async def break_each_once(request: Request, writer: asyncio.StreamWriter) -> None:
        piece = request.start // 100_000
        complete = whole(request)
        writer.write(complete if piece in seen else complete[:50_000])
        if piece not in seen:
            writer.close()
        seen.add(piece)

    async with web_server(break_each_once) as server, web_source(server, reading=SPLIT) as source:
        assert await read(source, server.url()) == DATA


async def test_leaving_early_ends_all_connections() -> None:
    """The other pieces never come: nobody waits for them."""
    asked = asyncio.Event()

    async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
        if "range" in request.headers:
            asked.set()
            await asyncio.Event().wait()
        writer.write(whole(request))

    async with (
        web_server(hang) as server,
        web_source(server, reading=SPLIT) as source,
        source.open(WebFile(server.url())),
    ):
        await asked.wait()


async def test_what_arrived_before_a_connection_broke_counts() -> None:
    content = StreamReader(BaseProtocol(asyncio.get_running_loop()), 1 << 16, loop=asyncio.get_running_loop())
    content.feed_data(b"arrived")
    content.set_exception(ClientPayloadError())
    assert await next_of(content) == b"arrived"
    with pytest.raises(ClientPayloadError):
        await next_of(content)


async def test_several_connections_never_mix_two_versions() -> None:
    async def change(request: Request, writer: asyncio.StreamWriter) -> None:
        new = request.start >= 500_000
        writer.write(answer_of(request, DATA[::-1] if new else DATA, '"two"' if new else ETAG))

    await _fails_split(change, SourceChanged)


async def test_a_server_that_only_says_that_it_takes_ranges_is_refused() -> None:
    await _fails_split(then(answer(ETag=ETAG, Accept_Ranges="bytes", Content_Length=len(DATA))), SourceRefused)


async def _fails_split(handler: Handler, kind: type[StillageError]) -> None:
    server: WebServer
    async with web_server(handler) as server, web_source(server, reading=SPLIT) as source:
        with pytest.raises(kind):
            await read(source, server.url())


def test_a_source_that_trickles_is_given_up() -> None:
    """The clock is not waited for: a minute passes between two blocks."""
    for size, is_enough in ((61_430, True), (61_429, False)):
        rate = MinimumRate(1024)
        rate.count(10)
        rate._since -= SLOW_S
        with nullcontext() if is_enough else pytest.raises(TimeoutError):
            rate.count(size)
