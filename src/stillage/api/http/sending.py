"""Send an image to a client that may be slow: by sendfile, or in blocks over TLS.

Over a plain connection the kernel copies from the file to the socket (`os.sendfile`). Over TLS, or from a store
without files, blocks pass through here. Either way memory does not depend on how slow the client is. If the client
stops reading, the kernel ends the connection, see `listening.listen`.
"""

import asyncio
import os
import select
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, suppress
from functools import partial

from aiohttp import web

from stillage.errors import StoreFailed
from stillage.formats.views.base import Blank
from stillage.operations.disks.chunks import Chunk, Stretch
from stillage.stores.abilities import LocalFile
from stillage.stores.base import BlobReader

# A slow client occupies four times as much: two blocks, one encrypted by OpenSSL, and one that waits for the socket.
BLOCK = 128 << 10
WAITING = 64 << 10
ZEROS = bytes(BLOCK)
ONE_CALL = 8 << 20
# How long a thread waits for a full socket before it serves others.
FULL_SOCKET_MS = 10
# sendfile blocks while the disk reads, so it runs here and not on the loop.
_threads = ThreadPoolExecutor(16, thread_name_prefix="send")


async def send(request: web.Request, response: web.StreamResponse, reader: BlobReader, first: int, length: int) -> None:
    """Send *length* bytes from *first* as the body of *response*, whose head is prepared.

    Raises:
        ConnectionError: If the client disconnected, or the kernel timed it out.
        StoreFailed: If the blob ends early. The answer has begun, so the connection must be closed.
    """
    try:
        if isinstance(reader, LocalFile) and request.get_extra_info("sslcontext") is None:
            await _send_by_kernel(request, response, reader.file_descriptor, first, length)
        else:
            await _send_blocks(request, response, reader, first, length)
    except TimeoutError as error:  # the kernel's, ETIMEDOUT
        raise ConnectionResetError("the client stopped reading") from error


async def send_chunks(
    request: web.Request, response: web.StreamResponse, blob: BlobReader, batches: AsyncGenerator[Sequence[Chunk]]
) -> None:
    """Send *batches* as the body of *response*, whose head is prepared. Stretches of *blob* are sent as by `send`.

    Raises:
        ConnectionError, StoreFailed: As `send`.
        StillageError: What *batches* raise.
    """
    try:
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


async def _send_by_kernel(
    request: web.Request, response: web.StreamResponse, file: int, first: int, length: int
) -> None:
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client left")
    # The head must be sent before the kernel writes past the transport. Without a buffer, the writer's drain waits
    # until the last byte is out.
    transport.set_write_buffer_limits(high=0)
    await response.write(b"")
    await request.writer.drain()
    # Duplicate the descriptors: the transport and the reader may close theirs at any time, and the numbers may then
    # refer to another client and another image.
    connection, file = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())), os.dup(file)
    running: Future[int] | None = None
    try:
        while length:
            running = _threads.submit(_send_some, connection.fileno(), file, first, length)
            sent = await asyncio.wrap_future(running)
            first += sent
            length -= sent
            if length and not sent:
                await _writable(connection.fileno())
    except BaseException:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # ends the transfer for the client and for a thread that sends
        raise
    finally:
        _when_done(running, partial(_close, connection, file))
    if not transport.is_closing():
        transport.set_write_buffer_limits()


def _when_done(running: "Future[int] | None", work: Callable[[], None]) -> None:
    """Do *work* now, or as soon as the thread that sends the last piece has finished."""
    if running is None:
        work()
    else:
        running.add_done_callback(lambda _: work())


def _close(connection: socket.socket, file: int) -> None:
    connection.close()
    os.close(file)


def _send_some(connection: int, file: int, first: int, length: int) -> int:
    """Send until done, or until the socket stays full for `FULL_SOCKET_MS`. Return how many bytes were sent."""
    poll = select.poll()
    poll.register(connection, select.POLLOUT)
    sent = 0
    while sent < length:
        try:
            count = os.sendfile(connection, file, first + sent, min(ONE_CALL, length - sent))
        except BlockingIOError:
            if not poll.poll(FULL_SOCKET_MS):
                break
            continue
        if not count:
            raise StoreFailed(f"the blob ends at byte {first + sent}, {length - sent} bytes early")
        sent += count
    return sent


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
