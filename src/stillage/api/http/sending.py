"""Send an image to a client that may be slow: from threads, or in blocks over TLS.

Over a plain connection threads send: the kernel copies from the file to the socket, or a thread from another server.
Over TLS, or from a store that cannot do that, blocks pass through here. Either way memory does not depend on how slow
the client is. If the client stops reading, the kernel ends the connection, see `listening.listen`.
"""

import asyncio
import os
import select
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import aclosing, suppress

from aiohttp import web

from stillage.api.http.chunk_sources import sources_of
from stillage.errors import StoreFailed
from stillage.formats.views.base import Blank
from stillage.operations.disks.chunks import Chunk, Stretch
from stillage.stores.abilities import Sends, Source
from stillage.stores.base import BlobReader

# A slow client occupies four times as much: two blocks, one encrypted by OpenSSL, and one that waits for the socket.
BLOCK = 128 << 10
WAITING = 64 << 10
ZEROS = bytes(BLOCK)
# How much a thread sends before it serves others, how long it waits for a full socket, and for how few bytes of a view
# it is not asked.
ONE_TURN = 32 << 20
WORTH_A_THREAD = 1 << 20
FULL_SOCKET_MS = 10


async def send(request: web.Request, response: web.StreamResponse, reader: BlobReader, first: int, length: int) -> None:
    """Send *length* bytes from *first* as the body of *response*, whose head is prepared.

    Raises:
        ConnectionError: If the client disconnected, or the kernel timed it out.
        StoreFailed: If the blob ends early. The answer has begun, so the connection must be closed.
    """
    try:
        if isinstance(reader, Sends) and request.get_extra_info("sslcontext") is None:
            await _send_from_threads(request, response, reader.sources(first, length))
        else:
            await _send_blocks(request, response, reader, first, length)
    except TimeoutError as error:  # the kernel's, ETIMEDOUT
        raise ConnectionResetError("the client stopped reading") from error


async def send_chunks(
    request: web.Request,
    response: web.StreamResponse,
    blob: BlobReader,
    batches: AsyncGenerator[Sequence[Chunk]],
    length: int,
) -> None:
    """Send *batches* as the body of *response*, of *length* bytes, whose head is prepared. Stretches are of *blob*.

    Raises:
        ConnectionError, StoreFailed: As `send`.
        StillageError: What *batches* raise.
    """
    try:
        if length >= WORTH_A_THREAD and isinstance(blob, Sends) and request.get_extra_info("sslcontext") is None:
            await _send_from_threads(request, response, sources_of(blob, batches))
            return
        async with aclosing(batches):
            async for batch in batches:
                for chunk in batch:
                    await _send_chunk(request, response, blob, chunk)
    except TimeoutError as error:  # the kernel's, ETIMEDOUT
        raise ConnectionResetError("the client stopped reading") from error


async def send_pieces(request: web.Request, response: web.StreamResponse, pieces: AsyncIterator[bytes]) -> int:
    """Send *pieces* as the body of *response*, whose head is prepared; return how many bytes they were.

    Raises:
        ConnectionError: If the client disconnected, or the kernel timed it out.
        StillageError: What *pieces* raise.
    """
    sent = 0
    try:
        async for piece in pieces:
            await _send_bytes(request, response, piece)
            sent += len(piece)
    except TimeoutError as error:  # the kernel's, ETIMEDOUT
        raise ConnectionResetError("the client stopped reading") from error
    return sent


async def _send_bytes(request: web.Request, response: web.StreamResponse, data: bytes) -> None:
    for at in range(0, len(data), BLOCK):
        await _write(request, response, data[at : at + BLOCK])


async def _send_chunk(request: web.Request, response: web.StreamResponse, blob: BlobReader, chunk: Chunk) -> None:
    match chunk:
        case Stretch(offset, length):
            await send(request, response, blob, offset, length)
        case Blank(length):
            while length:
                await _write(request, response, ZEROS[:length])
                length -= min(length, len(ZEROS))
        case _:
            await _send_bytes(request, response, chunk)


async def _write(request: web.Request, response: web.StreamResponse, block: bytes) -> None:
    if request.transport is not None:
        request.transport.set_write_buffer_limits(high=WAITING)
    await response.write(block)
    await asyncio.sleep(0)  # otherwise a client as fast as we are would monopolise the loop


async def _send_blocks(
    request: web.Request, response: web.StreamResponse, reader: BlobReader, first: int, length: int
) -> None:
    if request.transport is not None:
        request.transport.set_write_buffer_limits(high=WAITING)
    end = first + length
    async with aclosing(reader.stream(first, length, BLOCK)) as blocks:
        async for block in blocks:
            first += len(block)
            await response.write(block)
            await asyncio.sleep(0)  # otherwise a client as fast as we are would monopolise the loop
    if first < end:
        raise StoreFailed(f"the blob ends at byte {first}, {end - first} bytes early")


async def _send_from_threads(
    request: web.Request, response: web.StreamResponse, sources: AsyncGenerator[Source]
) -> None:
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client left")
    # The head must be sent before a thread writes past the transport. Without a buffer, the writer's drain waits
    # until the last byte is out.
    transport.set_write_buffer_limits(high=0)
    await response.write(b"")
    await request.writer.drain()
    # A duplicate: the transport may close its own at any time, and the number may then refer to another client.
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as connection:
        async with aclosing(sources):
            async for source in sources:
                await _send_source(connection.dup(), source)
    if not transport.is_closing():
        transport.set_write_buffer_limits()


async def _send_source(connection: socket.socket, source: Source) -> None:
    """Send all of *source*, and close both, as soon as no thread uses them."""
    running: Future[bool] | None = None

    def close() -> None:
        connection.close()
        source.close()

    try:
        while source.left:
            running = source.threads.submit(_send_some, connection.fileno(), source)
            if await asyncio.wrap_future(running):
                await _writable(connection.fileno())
    except BaseException:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # ends the transfer for the client and for a thread that sends
        raise
    finally:
        _when_done(running, close)


def _when_done(running: "Future[bool] | None", work: Callable[[], None]) -> None:
    """Do *work* now, or as soon as the thread that sends the last piece has finished."""
    if running is None:
        work()
    else:
        running.add_done_callback(lambda _: work())


def _send_some(connection: int, source: Source) -> bool:
    """Send until done, or for a turn, or until the socket stays full for `FULL_SOCKET_MS`, and return if it does."""
    poll = select.poll()
    poll.register(connection, select.POLLOUT)
    end = max(0, source.left - ONE_TURN)
    while source.left > end:
        try:
            source.send(connection)
        except BlockingIOError:
            if not poll.poll(FULL_SOCKET_MS):
                return True
    return False


async def _writable(connection: int) -> None:
    """Wait until a full socket can be written to, or its connection ends."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(connection, _set, ready)
    try:
        await ready
    finally:
        loop.remove_writer(connection)


def _set(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
