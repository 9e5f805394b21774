"""Sending an image to a client, which may be slow, or stop reading: the kernel knows, see `listening.listen`.

Over a plain connection the kernel copies from the file to the socket (`os.sendfile`); over TLS, or from a store that
has no files, blocks pass through here. Either way memory does not depend on how slow the client is.
"""

import asyncio
import os
import select
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from aiohttp import web

from stillage.errors import StoreFailed
from stillage.stores.abilities import LocalFile
from stillage.stores.base import BlobReader

# A slow client holds four times as much: two blocks, what OpenSSL made of one, and what waits for the socket.
BLOCK = 128 << 10
WAITING = 64 << 10
ONE_CALL = 8 << 20
# How long a thread waits for a full socket before it goes back to serve others.
FULL_SOCKET_MS = 10
# sendfile blocks while the disk reads, so it runs here and not on the loop.
_threads = ThreadPoolExecutor(16, thread_name_prefix="send")


async def send(request: web.Request, response: web.StreamResponse, reader: BlobReader, first: int, length: int) -> None:
    """Send *length* bytes from *first* as the body of *response*, whose head is prepared.

    Raises:
        ConnectionError: If the client left, or the kernel gave it up.
        StoreFailed: If the blob ends early. The answer has begun, so the connection must be cut.
    """
    try:
        if isinstance(reader, LocalFile) and request.get_extra_info("sslcontext") is None:
            await _send_by_kernel(request, response, reader.file_descriptor, first, length)
        else:
            await _send_blocks(request, response, reader, first, length)
    except TimeoutError as error:  # the kernel's, ETIMEDOUT
        raise ConnectionResetError("the client stopped reading") from error


async def _send_blocks(
    request: web.Request, response: web.StreamResponse, reader: BlobReader, first: int, length: int
) -> None:
    if request.transport is not None:
        request.transport.set_write_buffer_limits(high=WAITING)
    end = first + length
    ahead = asyncio.ensure_future(reader.read(first, min(BLOCK, length)))
    try:
        while first < end:
            block = await ahead
            if not block:
                raise StoreFailed(f"the blob ends at byte {first}, {end - first} bytes early")
            first += len(block)
            if first < end:
                # Over TLS, writing is encrypting: meanwhile the next block is read.
                ahead = asyncio.ensure_future(reader.read(first, min(BLOCK, end - first)))
            await response.write(block)
            await asyncio.sleep(0)  # a client as fast as we are would never let anybody else have the loop
    finally:
        ahead.cancel()


async def _send_by_kernel(
    request: web.Request, response: web.StreamResponse, file: int, first: int, length: int
) -> None:
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client left")
    # The head must be on its way before the kernel writes behind the transport's back: with no buffer allowed, the
    # writer's drain waits until the last byte has left it.
    transport.set_write_buffer_limits(high=0)
    await response.write(b"")
    await request.writer.drain()
    # Descriptors of our own: the transport and the reader close theirs when they like, and what the numbers mean then
    # is another client and another image.
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
            connection.shutdown(socket.SHUT_RDWR)  # the client sees that it is over, and so does a thread that sends
        raise
    finally:
        _when_done(running, partial(_close, connection, file))
    if not transport.is_closing():
        transport.set_write_buffer_limits()


def _when_done(running: "Future[int] | None", work: Callable[[], None]) -> None:
    """Do *work* now, or as soon as the thread that was given the last piece is done with it."""
    if running is None:
        work()
    else:
        running.add_done_callback(lambda _: work())


def _close(connection: socket.socket, file: int) -> None:
    connection.close()
    os.close(file)


def _send_some(connection: int, file: int, first: int, length: int) -> int:
    """Send until done, or until the socket stays full for `FULL_SOCKET_MS`. Return how many bytes went."""
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
    """Wait for a full socket, or for the end of its connection."""
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
