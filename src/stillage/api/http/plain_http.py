"""Answer plain HTTP that comes to the port for HTTPS: without this a client learns only that the connection ended.

The first byte of a connection tells them apart: a TLS client begins with a handshake record (RFC 8446, section 5.1).
"""

import asyncio
import json
import socket
from contextlib import suppress

from stillage.api.problems import CODE
from stillage.errors import MalformedRequest

AT_ONCE = 64 << 10
SENTENCE = "this port speaks HTTPS, and the request is plain HTTP; use https:// in place of http://"


async def refuses(connection: socket.socket, within_s: float | None, goodbye_s: float | None) -> bool:
    """Answer a client that speaks HTTP without TLS, and close. False, with nothing read, if this one does not.

    Args:
        connection: Just accepted.
        within_s: How long the first byte may take.
        goodbye_s: How long the client may take to read the answer.

    Raises:
        OSError: If nothing comes in time, or the client is gone; the connection is closed.
    """
    connection.setblocking(False)
    try:
        if not await _is_plain(connection, within_s):
            return False
        await _answer(connection, goodbye_s)
    except BaseException:
        connection.close()
        raise
    connection.close()
    return True


async def _is_plain(connection: socket.socket, within_s: float | None) -> bool:
    with suppress(BlockingIOError):
        return _begins_plain(connection)
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        async with asyncio.timeout(within_s):
            await readable.wait()
    finally:
        loop.remove_reader(connection)
    return _begins_plain(connection)


def _begins_plain(connection: socket.socket) -> bool:
    first = connection.recv(1, socket.MSG_PEEK)
    return first.isalpha()  # of a method; a TLS client begins with a handshake record, 0x16


async def _answer(connection: socket.socket, within_s: float | None) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(within_s):
        await loop.sock_sendall(connection, answer())
        connection.shutdown(socket.SHUT_WR)
        # To close with bytes unread would reset the connection, and the answer could be lost.
        while await loop.sock_recv(connection, AT_ONCE):
            pass


def answer() -> bytes:
    """Return the whole answer, in the shape of all errors."""
    error = {"code": 400, "title": "Bad Request", "message": SENTENCE, CODE: MalformedRequest.code}
    body = json.dumps({"error": error}).encode()
    head = (
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n\r\n"
    )
    return head.encode() + body
